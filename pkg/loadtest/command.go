package loadtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// maxOutput is how many bytes of what a command says are kept.
const maxOutput = 64 << 10

var errNoCommand = errors.New("metadata.cmd is missing")

// script reads a line for a shell.
func script(shell string) func(map[string]string) (job, error) {
	return func(m map[string]string) (job, error) {
		line := m["cmd"]
		if strings.TrimSpace(line) == "" {
			return job{}, errNoCommand
		}
		return job{name: line, do: func(ctx context.Context, out io.Writer) error {
			return command(ctx, out, shell, "-c", line)
		}}, nil
	}
}

// tool reads the arguments of a program that is called without a shell.
func tool(program string) func(map[string]string) (job, error) {
	return func(m map[string]string) (job, error) {
		args, err := words(m["cmd"])
		if err != nil {
			return job{}, fmt.Errorf("metadata.cmd: %w", err)
		}
		if len(args) == 0 {
			return job{}, errNoCommand
		}
		return job{name: m["cmd"], do: func(ctx context.Context, out io.Writer) error {
			return command(ctx, out, program, args...)
		}}, nil
	}
}

// words splits a line at blanks. Quotes of either sort hold a word together; nothing else has a meaning, so
// that paths of JSON need no further quoting.
func words(line string) ([]string, error) {
	var (
		all   []string
		word  strings.Builder
		quote rune
		begun bool
	)
	for _, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote, begun = c, true
		case quote == 0 && strings.ContainsRune(" \t\r\n", c):
			if begun {
				all = append(all, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteRune(c)
			begun = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote (%c) is not closed in %q", quote, line)
	}
	if begun {
		all = append(all, word.String())
	}
	return all, nil
}

// command runs a program in a process group of its own and copies what the group says to out. It returns
// when the program has ended and nothing is left that could still say something, as a shell's pipe
// would; or when ctx is done, with the whole group killed: a load generator must not outlive the
// shell that started it.
func command(ctx context.Context, out io.Writer, name string, args ...string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("opening a pipe: %w", err)
	}
	defer r.Close()
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = w, w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	w.Close()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%s is not installed in the load tester's image; use an image that has it", name)
	}
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
