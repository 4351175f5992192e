package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/view"
)

type history struct {
	cluster
	look
	format string
	diff   bool
}

func newHistory() *cobra.Command {
	h := &history{}
	c := &cobra.Command{
		Use:   "history NAME [N] | --diff NAME N M",
		Short: "Show the rollouts that ended, or one of them",
		Example: `  kubectl sluice history podinfo
  kubectl sluice history podinfo 17
  kubectl sluice history podinfo --diff 16 17`,
		ValidArgsFunction: h.complete,
		RunE:              func(c *cobra.Command, args []string) error { return h.run(c, args) },
	}
	c.Flags().BoolVar(&h.diff, "diff", false, "Compare the pod templates of two runs, as the primary's history has them")
	c.Flags().StringVarP(&h.format, "output", "o", "", "json or yaml instead of lines for people")
	h.look.addFlags(c)
	h.cluster.addFlags(c)
	return c
}

// numbers are the runs that arguments name.
func (h *history) numbers(args []string) (numbers []int64, err error) {
	for _, arg := range args {
		n, err := strconv.ParseInt(arg, 10, 64)
		if err != nil || n < 1 {
			return nil, usageError{fmt.Errorf("%q is no number of a run", arg)}
		}
		numbers = append(numbers, n)
	}
	switch {
	case h.diff && len(numbers) != 2:
		return nil, usageError{errors.New("--diff compares two runs")}
	case !h.diff && len(numbers) > 1:
		return nil, usageError{errors.New("name one run, or compare two by --diff")}
	}
	return numbers, nil
}

func (h *history) run(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usageError{errors.New("name a Canary")}
	}
	numbers, err := h.numbers(args[1:])
	if err != nil {
		return err
	}
	out := c.OutOrStdout()
	style, err := h.style(out)
	if err != nil {
		return err
	}
	k, err := h.connect()
	if err != nil {
		return err
	}
	canary, err := k.canary(c.Context(), named(args[:1])[0])
	if err != nil {
		return err
	}
	if h.diff {
		return k.diff(c.Context(), out, canary, numbers[0], numbers[1])
	}
	v := view.Of(view.Objects{Canary: canary})
	if len(numbers) == 0 {
		return h.print(out, append(openRun(&v), v.Runs...), style.History(v))
	}
	if v.Run == nil || v.Run.Number != numbers[0] {
		if v, err = k.recorded(c.Context(), canary, numbers[0], v); err != nil {
			return err
		}
	}
	lines := style.RunLines(v, numbers[0])
	switch {
	case lines == nil:
		return noRun(&v, numbers[0])
	case v.Run != nil && v.Run.Number == numbers[0]:
		return h.print(out, v.Run, lines)
	}
	return h.print(out, v.Ended(numbers[0]), lines)
}

// recorded is the View of a run as its CanaryRun has it. Where there is none, or it may not be read, it stays what it was.
func (k *connection) recorded(ctx context.Context, c *v1beta1.Canary, number int64, v view.View) (view.View, error) {
	run := &v1beta1.CanaryRun{}
	err := k.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: desired.RunName(c, number)}, run)
	switch {
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		return v, nil
	case err != nil:
		return v, err
	}
	then := c.DeepCopy()
	then.Status.Run, then.Status.Analysis = &run.Record.Run, &v1beta1.AnalysisStatus{Metrics: run.Record.Metrics}
	return view.Of(view.Objects{Canary: then}), nil
}

// openRun is the run under way, as one of the list.
func openRun(v *view.View) []view.RunSummary {
	if v.Run == nil || v.Run.Finished != nil {
		return nil
	}
	return []view.RunSummary{{Number: v.Run.Number, Revision: v.Run.Revision, Images: v.Run.Images, Started: v.Run.Started}}
}

func noRun(v *view.View, number int64) error {
	return fmt.Errorf("run %d is not kept: canary.flagger.app/%s keeps as many as spec.history.limit says", number, v.Name)
}

// print prints a value, or its lines.
func (h *history) print(out io.Writer, value any, lines []string) error {
	var text []byte
	var err error
	switch h.format {
	case "":
		printLines(out, lines)
		return nil
	case "json":
		if text, err = json.MarshalIndent(value, "", "    "); err == nil {
			text = append(text, '\n')
		}
	case "yaml":
		text, err = yaml.Marshal(value)
	default:
		return usageError{fmt.Errorf("-o %q is neither json nor yaml", h.format)}
	}
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

// diff prints how the pod templates of two runs differ.
func (k *connection) diff(ctx context.Context, out io.Writer, c *v1beta1.Canary, from, to int64) error {
	var texts [2][]string
	for i, number := range []int64{from, to} {
		template, err := k.templateOf(ctx, c, number)
		if err != nil {
			return err
		}
		text, err := yaml.Marshal(template)
		if err != nil {
			return err
		}
		texts[i] = lines(string(text))
	}
	for _, l := range difference(texts[0], texts[1]) {
		fmt.Fprintln(out, l[:1]+indented(l[1:], 300))
	}
	return nil
}

// templateOf is the pod template of a run that was promoted, as the primary's history has it.
func (k *connection) templateOf(ctx context.Context, c *v1beta1.Canary, number int64) (*corev1.PodTemplateSpec, error) {
	v := view.Of(view.Objects{Canary: c})
	revision := ""
	if v.Run != nil && v.Run.Number == number {
		revision = c.Status.Run.Revision
	}
	for _, past := range c.Status.History {
		if past.Number == number {
			revision = past.Revision
		}
	}
	if revision == "" {
		return nil, noRun(&v, number)
	}
	name := c.PrimaryWorkload()
	if c.Spec.TargetRef.Kind == knative.Kind { // it is both sides
		name = c.Spec.TargetRef.Name
	}
	primary, err := k.workload(ctx, c, name)
	if err != nil {
		return nil, err
	}
	all, err := k.templates(ctx, primary)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(k kept) bool { return k.revision == revision })
	if i >= 0 {
		return all[i].template, nil
	}
	return nil, fmt.Errorf("the history of the primary has no template of run %d: it was not promoted, or is too old (spec.revisionHistoryLimit)", number)
}
