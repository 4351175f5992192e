// Command kubectl-sluice is kubectl's plugin for Canaries, and a program for pipelines: it shows rollouts and puts a hand on them, and
// what it does to manifests needs no cluster.
//
// It ends with 0 when all is well, 1 when something was found, failed or refused, 2 when it was called in a wrong way, 3 when a time was
// over, and 4 when a rollout waits for a person.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sluice-cd/sluice/pkg/view"
)

// version is set when the program is linked.
var version = "unknown"

// The exit codes.
const (
	exitFound   = 1
	exitUsage   = 2
	exitTimeout = 3
	exitPerson  = 4
)

func main() {
	silenceLibraries()
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// silenceLibraries keeps clients from logging: what is of interest in what they do is returned.
func silenceLibraries() {
	log.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
}

// errFound ends a command that has said already what it found.
var errFound = errors.New("something was found")

// usageError is about how the program was called, or about files that it cannot read.
type usageError struct{ error }

// exitError ends the program with a code of its own.
type exitError struct {
	code int
	error
}

func (e exitError) Unwrap() error { return e.error }

// run is the whole program; it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return execute(ctx, args, stdin, stdout, stderr)
}

// execute runs the program until its context ends.
func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFound), ctx.Err() != nil:
		return exitFound
	}
	for text := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(stderr, "error:", view.Clean(text, 2000))
	}
	return codeOf(err)
}

// codeOf is the exit code that an error stands for.
func codeOf(err error) int {
	var (
		usage usageError
		exit  exitError
	)
	switch {
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &usage):
		return exitUsage
	}
	return exitFound
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "kubectl-sluice",
		Short:         "Look at rollouts, put a hand on them, and try them before they begin",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		// Kubectl's plugins are called as its commands are.
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl sluice"},
		RunE: func(c *cobra.Command, _ []string) error {
			_ = c.Usage()
			return usageError{errors.New("no command")}
		},
	}
	root.AddGroup(&cobra.Group{ID: "look", Title: "See rollouts:"}, &cobra.Group{ID: "act", Title: "Put a hand on them:"}, &cobra.Group{ID: "files", Title: "Before anything is applied:"})
	grouped(root, "look", newGet(), newList(), newStatus(), newHistory(), newEvents(), newLogs(), newDashboard(), newCheck())
	grouped(root, "act", newPromote(), newAbort(), newRetry(), newPause(), newResume(), newRollback(), newUndo(), newSet())
	grouped(root, "files", newLint(), newSimulate(), newConvert())
	root.AddCommand(newVersion(), newCompletion())
	root.AddCommand(elsewhere()...)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	return root
}

func grouped(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, c := range commands {
		c.GroupID = group
		root.AddCommand(c)
	}
}

// noArgs has a command that is given arguments end as one that is given wrong flags.
func noArgs(c *cobra.Command, args []string) error {
	if err := cobra.NoArgs(c, args); err != nil {
		return usageError{err}
	}
	return nil
}

// oneArg has a command that is given another number of arguments end as one that is given wrong flags.
func oneArg(c *cobra.Command, args []string) error {
	if err := cobra.ExactArgs(1)(c, args); err != nil {
		return usageError{err}
	}
	return nil
}

// elsewhere are verbs that people know from Argo Rollouts, and what to use here.
func elsewhere() []*cobra.Command {
	var all []*cobra.Command
	for verb, instead := range map[string]string{
		"terminate": "abort ends a rollout; a single analysis is ended by nothing",
		"restart":   "kubectl rollout restart on the target starts a rollout of the same images",
	} {
		all = append(all, &cobra.Command{
			Use: verb, Hidden: true, DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error {
				return usageError{fmt.Errorf("%s has no meaning here: %s", verb, instead)}
			},
		})
	}
	return all
}
