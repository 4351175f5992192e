package loadtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// maxOutput is how many bytes of what a command says are kept.
const maxOutput = 64 << 10

// shell runs a script in a process group of its own and copies what the group says to out. It returns
// when the script has ended and nothing is left that could still say something, as a shell's pipe
// would; or when ctx is done, with the whole group killed: a load generator must not outlive the
// shell that started it.
func shell(ctx context.Context, name, script string, out io.Writer) error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("opening a pipe: %w", err)
	}
	defer r.Close()
	cmd := exec.Command(name, "-c", script)
	cmd.Stdout, cmd.Stderr = w, w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	stop := context.AfterFunc(ctx, func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // gone already is as good
		_ = r.SetReadDeadline(time.Now())                   // who left the group may hold the pipe
	})
	defer stop()
	_, _ = io.Copy(out, r) // ends with the writers, or with the deadline
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return ctx.Err()
}

// output keeps the beginning of what is written to it, and takes the rest without a word: a command
// must not fail for being talkative.
type output struct {
	kept bytes.Buffer // a field: embedded, it would let io.Copy around Write
	left int
	lost int
}

func (o *output) Write(p []byte) (int, error) {
	n := min(len(p), o.left)
	o.left -= n
	o.lost += len(p) - n
	o.kept.Write(p[:n])
	return len(p), nil
}

func (o *output) String() string {
	if o.lost == 0 {
		return o.kept.String()
	}
	return fmt.Sprintf("%s\n… and %d bytes more", o.kept.String(), o.lost)
}
