package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-cd/sluice/pkg/lint"
)

func newLint() *cobra.Command {
	var (
		files  []string
		output string
		strict bool
		o      lint.Options
	)
	c := &cobra.Command{
		Use:   "lint -f FILE|DIR|-",
		Short: "Find what is wrong with manifests before a cluster sees them",
		Example: `  kubectl sluice lint -f deploy/
  helm template . | kubectl sluice lint -f - -o github`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if len(files) == 0 {
				return usageError{errors.New("-f is missing: name files, folders, or - for stdin")}
			}
			if !slices.Contains(lint.Formats(), output) {
				return usageError{fmt.Errorf("-o %q is not one of %s", output, strings.Join(lint.Formats(), ", "))}
			}
			l, err := lint.New(o)
			if err != nil {
				return usageError{err}
			}
			read, err := lint.Read(files, c.InOrStdin())
			if err != nil {
				return usageError{err}
			}
			report := l.Lint(c.Context(), read)
			if err := report.Write(c.OutOrStdout(), output); err != nil {
				return err
			}
			fmt.Fprintln(c.ErrOrStderr(), report.Summary())
			if report.Count(lint.Error) > 0 || strict && report.Count(lint.Warning) > 0 {
				return errFound
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringArrayVarP(&files, "filename", "f", nil, "File, folder, or - for stdin; may be repeated")
	f.StringVarP(&output, "output", "o", "text", "One of "+strings.Join(lint.Formats(), ", "))
	f.BoolVar(&strict, "strict", false, "End with 1 for warnings as well")
	f.BoolVar(&o.Complete, "complete", false, "The files have everything that they refer to: what they lack is an error")
	f.StringVar(&o.Provider, "provider", "istio", "Traffic provider of Canaries that name none, the operator's -mesh-provider")
	f.StringVarP(&o.Namespace, "namespace", "n", "default", "Namespace of objects that name none")
	f.StringSliceVar(&o.SelectorLabels, "selector-labels", []string{"app", "name", "app.kubernetes.io/name"}, "The operator's -selector-labels")
	f.DurationVar(&o.ScrapeInterval, "scrape-interval", 15*time.Second, "How often Prometheus scrapes, where no monitor among the files says more")
	f.BoolVar(&o.LocalRefs, "no-cross-namespace-refs", false, "The operator runs with this flag")
	return c
}
