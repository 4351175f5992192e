package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-cd/sluice/pkg/convert"
)

func newConvert() *cobra.Command {
	var files []string
	c := &cobra.Command{
		Use:   "convert -f FILE|-",
		Short: "Make Canaries of Argo Rollouts",
		Long:  "Make Canaries of Argo Rollouts. Give it the Rollout with its AnalysisTemplates, Services, VirtualServices and autoscalers.",
		Example: `  kubectl sluice convert -f rollout.yaml -f analysis.yaml > canary.yaml
  kubectl sluice convert -f rollout.yaml | kubectl sluice lint -f -`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if len(files) == 0 {
				return usageError{errors.New("-f is missing: name files, or - for stdin")}
			}
			manifests, err := joined(files, c.InOrStdin())
			if err != nil {
				return usageError{err}
			}
			text, notes, err := convert.Convert(strings.NewReader(manifests))
			if err != nil {
				return err
			}
			fmt.Fprint(c.OutOrStdout(), text)
			for _, n := range notes {
				fmt.Fprintln(c.ErrOrStderr(), "note:", n)
			}
			return nil
		},
	}
	c.Flags().StringArrayVarP(&files, "filename", "f", nil, "File, or - for stdin; may be repeated")
	return c
}

// joined are all files as one.
func joined(files []string, stdin io.Reader) (string, error) {
	var all []string
	for _, file := range files {
		text, err := contents(file, stdin)
		if err != nil {
			return "", err
		}
		all = append(all, text)
	}
	return strings.Join(all, "\n---\n"), nil
}

// mostBytes of a file are read.
const mostBytes = 16 << 20

func contents(file string, stdin io.Reader) (string, error) {
	from := stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer f.Close()
		from = f
	}
	text, err := io.ReadAll(io.LimitReader(from, mostBytes+1))
	if err == nil && len(text) > mostBytes {
		err = fmt.Errorf("%s has more than %d MiB", file, mostBytes>>20)
	}
	return string(text), err
}
