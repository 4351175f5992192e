package attack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Runner tries attacks.
type Runner struct {
	Root string    // of the repository
	Dir  string    // for the programs that are made of tests
	Out  io.Writer // a line for each attack, and what a test that failed said
	Full bool      // also what needs a control plane

	made map[string]string // test programs by package
}

// result is what became of one attack.
type result struct {
	failed bool
	ran    []string // tests
	took   time.Duration
	memory int64 // of the largest process, in bytes
	said   string
}

// Run tries them all, and fails if one succeeds or is not tried.
func (r *Runner) Run(ctx context.Context, all []Attack) error {
	var lost []string
	for _, a := range all {
		got, err := r.try(ctx, a)
		if err != nil {
			return fmt.Errorf("attack %d: %w", a.Number, err)
		}
		switch {
		case got.failed:
			lost = append(lost, fmt.Sprint(a.Number))
			fmt.Fprintf(r.Out, "%3d  FAILED   %s: %s\n%s\n", a.Number, a.What, strings.Join(got.ran, " "), got.said)
		case len(got.ran) == 0:
			fmt.Fprintf(r.Out, "%3d  in full  %s\n", a.Number, a.What)
		default:
			fmt.Fprintf(r.Out, "%3d  held     %s: %s, %.1f s, %d MiB\n", a.Number, a.What, strings.Join(got.ran, " "), got.took.Seconds(), got.memory>>20)
		}
	}
	if len(lost) > 0 {
		return errors.New("attacks that are not held off: " + strings.Join(lost, ", "))
	}
	return nil
}

func (r *Runner) try(ctx context.Context, a Attack) (result, error) {
	var got result
	for _, t := range a.Tests {
		if t.Full && !r.Full {
			continue
		}
		program, err := r.program(ctx, t.Package)
		if err != nil {
			return got, err
		}
		pattern := "^(" + t.Names + ")"
		cmd := exec.CommandContext(ctx, program, "-test.run", pattern, "-test.v", "-test.timeout", "10m")
		cmd.Dir = filepath.Join(r.Root, filepath.FromSlash(t.Package))
		out, failed := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			return got, failed
		}
		ran := names(out)
		// A test that was renamed would be an attack that nobody tries any more.
		for _, name := range strings.Split(t.Names, "|") {
			if !strings.Contains("\x00"+strings.Join(ran, "\x00"), "\x00"+name) {
				return got, fmt.Errorf("%s has no test %s", t.Package, name)
			}
		}
		got.ran = append(got.ran, ran...)
		got.took += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			got.memory = max(got.memory, usage.Maxrss<<10)
		}
		if failed != nil {
			got.failed, got.said = true, got.said+string(out)
		}
	}
	return got, nil
}

// names are the tests that ran, without those inside of others.
func names(out []byte) (ran []string) {
	for line := range bytes.Lines(out) {
		if name, ok := bytes.CutPrefix(line, []byte("=== RUN   ")); ok && !bytes.Contains(name, []byte("/")) {
			ran = append(ran, string(bytes.TrimSpace(name)))
		}
	}
	return ran
}

// program makes a program of a package's tests, once.
func (r *Runner) program(ctx context.Context, pkg string) (string, error) {
	if file, ok := r.made[pkg]; ok {
		return file, nil
	}
	file := filepath.Join(r.Dir, strings.ReplaceAll(pkg, "/", "-")+".test")
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-o", file, "./"+pkg)
	cmd.Dir = r.Root
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("make the tests of %s: %w", pkg, err)
	}
	if r.made == nil {
		r.made = map[string]string{}
	}
	r.made[pkg] = file
	return file, nil
}
