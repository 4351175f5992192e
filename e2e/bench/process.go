package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// process is a program that ends when this one does, however that ends.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{}
}

// launch starts a program that writes into a file named after it.
func launch(dir, name string, env []string, argv ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(dir, name+".log"), cmd: exec.Command(argv[0], argv[1:]...), done: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = out, out, dir
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The kernel counts the death of the thread that started a child as the
		// death of its parent, so this one is kept until the child has ended.
		runtime.LockOSThread()
		defer close(p.done)
		defer out.Close()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // how it ended is in its log
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %q: %w", name, err)
	}
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// until waits for a check to pass, and no longer than the process lives.
func (p *process) until(ctx context.Context, every time.Duration, check func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, every, patience, true, func(ctx context.Context) (bool, error) {
		select {
		case <-p.done:
			return false, errors.New("it ended")
		default:
			last = check(ctx)
			return last == nil, nil
		}
	})
	if err == nil {
		return nil
	}
	return fmt.Errorf("wait for %q: %w: %w\n%s", p.name, err, last, tail(p.log))
}

// end asks the process to end, and makes it when it does not hear.
func (p *process) end(signal os.Signal) {
	_ = p.cmd.Process.Signal(signal) // gone already is as good
	select {
	case <-p.done:
	case <-time.After(graceful):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// graceful is how long a process may take to end by itself.
const graceful = 20 * time.Second

// tail is the end of a log, where the reason for a failure is.
func tail(file string) string {
	const enough = 2000
	raw, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(raw[max(0, len(raw)-enough):])
}
