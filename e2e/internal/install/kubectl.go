// Package install puts the product on a cluster the way its documentation tells users to: by kubectl,
// with the manifests of this repository. What is done is shown as the command that a user would type.
//
//	Kubectl    runs commands, and shows them
//	Manifest   a file of the repository, with some fields changed
//	Product    images, operator, gateway, application, load tester, chat channel
package install

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// Kubectl runs kubectl on one cluster.
type Kubectl struct {
	Config string    // path of the kubeconfig
	Out    io.Writer // where commands and their output are shown; nil: nowhere
}

// Run runs a command and returns what it prints.
func (k Kubectl) Run(ctx context.Context, args ...string) (string, error) {
	k.show("$ kubectl %s\n", shell(args))
	return k.run(ctx, nil, args...)
}

// Quiet is Run for what a user has no need to see.
func (k Kubectl) Quiet(ctx context.Context, args ...string) (string, error) {
	k.Out = nil
	return k.run(ctx, nil, args...)
}

// Apply applies a manifest, and shows how its text came about.
func (k Kubectl) Apply(ctx context.Context, m Manifest, args ...string) error {
	args = append([]string{"apply", "-f", m.source()}, args...)
	k.show("$ %s\n", m.command(args))
	if !m.edited() {
		_, err := k.run(ctx, nil, args...)
		return err
	}
	text, err := m.Text()
	if err != nil {
		return err
	}
	_, err = k.run(ctx, text, args...)
	return err
}

func (k Kubectl) run(ctx context.Context, input []byte, args ...string) (string, error) {
	var out, complaint bytes.Buffer
	cmd := k.command(ctx, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &out, &complaint
	err := cmd.Run()
	k.show("%s", out.String())
	if err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s", shell(args), err, strings.TrimSpace(complaint.String()))
	}
	return out.String(), nil
}

// Lines runs a command that does not end by itself, such as one with --watch, and hands over each line it
// prints, until ctx ends.
func (k Kubectl) Lines(ctx context.Context, line func(string), args ...string) error {
	k.show("$ kubectl %s\n", shell(args))
	cmd := k.command(ctx, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("kubectl %s: %w", shell(args), err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		line(lines.Text())
	}
	if err := cmd.Wait(); ctx.Err() == nil {
		return errors.Join(fmt.Errorf("kubectl %s ended early", shell(args)), err)
	}
	return nil
}

func (k Kubectl) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "kubectl", args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+k.Config)
	return cmd
}

func (k Kubectl) show(format string, args ...any) {
	if k.Out != nil {
		fmt.Fprintf(k.Out, format, args...)
	}
}

// shell writes arguments so that they can be pasted.
func shell(args []string) string {
	words := make([]string, len(args))
	for i, arg := range args {
		words[i] = arg
		if arg == "" || strings.ContainsAny(arg, " \t\n\"$&|;<>*?(){}[]\\`!#~'") {
			words[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}
