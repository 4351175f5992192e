package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/sluice-cd/sluice/pkg/action"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/view"
)

// act asks the operator for something by the annotation of a Canary, and waits for its answer.
type act struct {
	cluster
	output
	request  rollout.Request
	done     string // what an answer begins with
	selector string
	timeout  time.Duration
}

// actCommand is a command of one verb; flags adds flags of its own, and before is called with what was given.
func actCommand(verb v1beta1.ActionVerb, done, short string) (*cobra.Command, *act) {
	a := &act{request: rollout.Request{Verb: verb}, done: done}
	c := &cobra.Command{
		Use:               string(verb) + " NAME… | -l LABELS",
		Short:             short,
		ValidArgsFunction: a.completeAll,
		RunE:              func(c *cobra.Command, args []string) error { return a.run(c, named(args)) },
	}
	f := c.Flags()
	f.StringVar(&a.request.Reason, "reason", "", "Why, for people")
	f.StringVarP(&a.selector, "selector", "l", "", "Labels of the Canaries that are meant, instead of names")
	f.DurationVarP(&a.timeout, "timeout", "t", 30*time.Second, "How long the operator's answer is waited for")
	a.output.addFlags(c)
	a.cluster.addFlags(c)
	return c, a
}

func newPromote() *cobra.Command {
	c, a := actCommand(v1beta1.ActionPromote, "promoted", "Let a rollout go on that is paused, or end it early")
	c.Example = `  kubectl sluice promote podinfo --reason "looks good"
  kubectl sluice promote -l team=payments --full`
	var full, skipStep, overrideGates bool
	c.Flags().BoolVar(&full, "full", false, "Take none of the steps that are left")
	c.Flags().BoolVar(&skipStep, "skip-step", false, "End a step before its time")
	c.Flags().BoolVar(&overrideGates, "override-gates", false, "Pass the gate that is closed; with --full all that are left")
	c.RunE = func(c *cobra.Command, args []string) error {
		switch {
		case skipStep && (full || overrideGates):
			return usageError{errors.New("--skip-step goes with neither --full nor --override-gates")}
		case full && overrideGates:
			a.request.Verb, a.request.OverrideGates = v1beta1.ActionPromoteFull, true
		case full:
			a.request.Verb = v1beta1.ActionPromoteFull
		case overrideGates:
			a.request.Verb, a.done = v1beta1.ActionOverride, "gate passed"
		case skipStep:
			a.request.SkipStep = true
		}
		return a.run(c, named(args))
	}
	return c
}

func newAbort() *cobra.Command {
	c, _ := actCommand(v1beta1.ActionAbort, "aborted", "Roll back a rollout that is under way")
	return c
}

func newRetry() *cobra.Command {
	c, _ := actCommand(v1beta1.ActionRetry, "retried", "Try a revision that has failed once more")
	return c
}

func newPause() *cobra.Command {
	c, _ := actCommand(v1beta1.ActionPause, "paused", "Hold a rollout at its step; it goes on being judged")
	return c
}

func newResume() *cobra.Command {
	c, _ := actCommand(v1beta1.ActionResume, "resumed", "Let a rollout go on that is held")
	return c
}

func newRollback() *cobra.Command {
	c, a := actCommand(v1beta1.ActionRollback, "rolling back", "Have the primary return to what served before; the target keeps its revision")
	c.Example = "  kubectl sluice rollback podinfo --to-run 16 --reason \"users complain\""
	c.Flags().IntVar(&a.request.Run, "to-run", 0, "Number of the run whose revision is to serve; left out: the one before")
	c.RunE = func(c *cobra.Command, args []string) error {
		if a.request.Run < 0 {
			return usageError{errors.New("--to-run is the number of a run")}
		}
		return a.run(c, named(args))
	}
	return c
}

// errNamesOrLabels is about what Canaries are meant.
var errNamesOrLabels = usageError{errors.New("name Canaries, or select them by -l")}

// answer is what came of an action on one Canary.
type answer struct {
	canary *v1beta1.Canary
	err    error
}

// mostAtOnce is how many Canaries are acted on at a time.
const mostAtOnce = 10

func (a *act) run(c *cobra.Command, names []string) error {
	if err := a.validate(); err != nil {
		return err
	}
	if (len(names) == 0) == (a.selector == "") {
		return errNamesOrLabels
	}
	k, err := a.connect()
	if err != nil {
		return err
	}
	if a.selector != "" {
		if names, err = k.selected(c.Context(), a.selector); err != nil {
			return err
		}
	}
	by := k.whoAmI(c.Context())
	answers := make([]answer, len(names))
	turns := make(chan struct{}, mostAtOnce)
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			answers[i].canary, answers[i].err = a.ask(c.Context(), k, name, by)
		})
	}
	all.Wait()
	return a.tell(c.OutOrStdout(), names, answers)
}

// selected are the names of the Canaries that have labels.
func (k *connection) selected(ctx context.Context, selector string) (names []string, err error) {
	found, err := k.canaries(ctx, k.namespace, selector)
	if err != nil {
		return nil, err
	}
	for _, c := range found.Items {
		names = append(names, c.Name)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no Canary in namespace %s has the labels %s", k.namespace, selector)
	}
	return names, nil
}

// whoAmI is the user's name, for the policies of clusters that do not fill it in; empty: the server does not say.
func (k *connection) whoAmI(ctx context.Context) string {
	review := &authenticationv1.SelfSubjectReview{}
	if err := k.Create(ctx, review); err != nil {
		return ""
	}
	return review.Status.UserInfo.Username
}

// tell prints answers in the order of the names; what was refused is the error.
func (a *act) tell(out io.Writer, names []string, answers []answer) error {
	var errs []error
	code := 0
	for i, name := range names {
		err := answers[i].err
		if err == nil {
			if err := a.told(out, answers[i].canary); err != nil {
				return err
			}
			continue
		}
		if c := codeOf(err); code == 0 || c < code {
			code = c
		}
		if len(names) > 1 {
			err = fmt.Errorf("canary.flagger.app/%s: %w", name, err)
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return nil
	}
	return exitError{code, errors.Join(errs...)}
}

func (a *act) told(out io.Writer, c *v1beta1.Canary) error {
	if a.format != "" {
		return a.print(out, c)
	}
	fmt.Fprintf(out, "canary.flagger.app/%s %s: %s\n", view.Clean(c.Name, 253), a.done, view.Clean(c.Status.LastAction.Message, 500))
	return nil
}

// ask writes the annotation, and returns the Canary with the answer to it.
func (a *act) ask(ctx context.Context, k *connection, name, by string) (*v1beta1.Canary, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.timeout, exitError{exitTimeout, fmt.Errorf("the operator has not answered within %s; is it running? kubectl sluice check", a.timeout)})
	defer cancel()
	c, err := k.canary(ctx, name)
	if err != nil {
		return nil, err
	}
	if c.Status.Phase == "" {
		return nil, errors.New("the operator has not looked at it yet")
	}
	r := a.about(c)
	if _, _, err := r.Text(time.Now()); err != nil {
		return nil, usageError{err}
	}
	text, id, err := action.Writer{Client: k, Manager: fieldManager}.Write(ctx, c, r, by)
	if err != nil {
		return nil, err
	}
	var answered *v1beta1.Canary
	err = k.follow(ctx, name, func(now *v1beta1.Canary) (bool, error) {
		last := now.Status.LastAction
		switch {
		case last != nil && last.ID == id && last.Verb == string(a.request.Verb):
			answered = now
			return true, nil
		case now.Annotations[v1beta1.ActionAnnotation] != text && !action.Pending(now):
			return true, errors.New("another action took its place before the operator has seen it")
		}
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	if last := answered.Status.LastAction; last.Result != v1beta1.ActionAccepted {
		return nil, fmt.Errorf("refused: %s", last.Message)
	}
	return answered, nil
}

// about is what is asked for of a Canary as it is: of another revision or step it is refused.
func (a *act) about(c *v1beta1.Canary) rollout.Request {
	r := a.request
	r.Revision, r.Step, r.Reason = rollout.InQuestion(c.Status), c.Status.Step, view.Clean(r.Reason, len(r.Reason))
	return r
}
