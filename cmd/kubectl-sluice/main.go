// Command kubectl-sluice is kubectl's plugin for Canaries, and a program for pipelines: what it does to manifests needs no
// cluster.
//
// It ends with 0 when all is well, 1 when something was found or refused, and 2 when it was called in a wrong way.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// version is set when the program is linked.
var version = "unknown"

// The exit codes.
const (
	exitFound = 1
	exitUsage = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// errFound ends a command that has said already what it found.
var errFound = errors.New("something was found")

// usageError is about how the program was called, or about files that it cannot read.
type usageError struct{ error }

// run is the whole program; it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.Execute()
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFound):
		return exitFound
	case errors.As(err, &usage):
		fmt.Fprintln(stderr, "error:", err)
		return exitUsage
	}
	fmt.Fprintln(stderr, "error:", err)
	return exitFound
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "kubectl-sluice",
		Short:         "Look at rollouts before they begin",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_ = c.Usage()
			return usageError{errors.New("no command")}
		},
	}
	root.AddCommand(newLint(), newSimulate(), newConvert(), newVersion())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	return root
}

// noArgs has a command that is given arguments end as one that is given wrong flags.
func noArgs(c *cobra.Command, args []string) error {
	if err := cobra.NoArgs(c, args); err != nil {
		return usageError{err}
	}
	return nil
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			fmt.Fprintln(c.OutOrStdout(), version)
			return nil
		},
	}
}
