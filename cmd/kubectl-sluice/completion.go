package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// completionTimeout is how long a shell waits for names.
const completionTimeout = 3 * time.Second

// complete offers the names of Canaries for the one argument of a command.
func (k *cluster) complete(c *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return k.completeAll(c, args, begun)
}

// completeAll offers the names that are not among the arguments yet.
func (k *cluster) completeAll(c *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	connection, err := k.connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(c.Context(), completionTimeout)
	defer cancel()
	found, err := connection.canaries(ctx, connection.namespace, "")
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []cobra.Completion
	for _, canary := range found.Items {
		if strings.HasPrefix(canary.Name, begun) && !slices.Contains(args, canary.Name) {
			names = append(names, canary.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// forKubectl is the program by which kubectl 1.26 and newer completes what comes after `kubectl sluice`.
const forKubectl = `#!/bin/sh
# On the PATH as kubectl_complete-sluice.
exec kubectl sluice __complete "$@"
`

func newCompletion() *cobra.Command {
	shells := map[string]func(root *cobra.Command, out io.Writer) error{
		"bash":       func(root *cobra.Command, out io.Writer) error { return root.GenBashCompletionV2(out, true) },
		"zsh":        func(root *cobra.Command, out io.Writer) error { return root.GenZshCompletion(out) },
		"fish":       func(root *cobra.Command, out io.Writer) error { return root.GenFishCompletion(out, true) },
		"powershell": func(root *cobra.Command, out io.Writer) error { return root.GenPowerShellCompletionWithDesc(out) },
		"kubectl":    func(_ *cobra.Command, out io.Writer) error { _, err := io.WriteString(out, forKubectl); return err },
	}
	names := []string{"bash", "zsh", "fish", "powershell", "kubectl"}
	return &cobra.Command{
		Use:       "completion " + strings.Join(names, "|"),
		Short:     "Print what completes commands in a shell, or through kubectl",
		Example:   "  kubectl sluice completion kubectl > ~/.local/bin/kubectl_complete-sluice && chmod +x ~/.local/bin/kubectl_complete-sluice",
		Args:      oneArg,
		ValidArgs: names,
		RunE: func(c *cobra.Command, args []string) error {
			write, known := shells[args[0]]
			if !known {
				return usageError{fmt.Errorf("%q is none of %s", args[0], strings.Join(names, ", "))}
			}
			return write(c.Root(), c.OutOrStdout())
		},
	}
}
