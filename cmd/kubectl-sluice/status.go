package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/view"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// status follows a rollout to where a pipeline waits for it to be.
type status struct {
	cluster
	look
	watch   bool
	timeout time.Duration
	until   string
	images  map[string]string
	run     int64

	step int // that is waited for; zero: none
}

func newStatus() *cobra.Command {
	s := &status{}
	c := &cobra.Command{
		Use:   "status NAME",
		Short: "Follow a rollout until it has ended, or waits for a person",
		Long: `Follow a rollout until it has ended, or waits for a person.

Exit codes: 0 it has come to where --until says, 1 it failed, 3 the time is over, 4 it waits for a person.`,
		Example: `  kubectl sluice status podinfo --image podinfod=ghcr.io/stefanprodan/podinfo:6.0.1 -t 30m
  kubectl sluice status podinfo --until step=3`,
		Args:              oneArg,
		ValidArgsFunction: s.complete,
		RunE: func(c *cobra.Command, args []string) error {
			if err := s.validate(); err != nil {
				return err
			}
			k, err := s.connect()
			if err != nil {
				return err
			}
			return s.follow(c.Context(), k, named(args)[0], c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.BoolVarP(&s.watch, "watch", "w", true, "Follow it; false: say where it is and end")
	f.DurationVarP(&s.timeout, "timeout", "t", 0, "End with 3 after this time; 0: never")
	f.StringVar(&s.until, "until", "promoted", "What is waited for: promoted, paused or step=N")
	f.StringToStringVar(&s.images, "image", nil, "CONTAINER=IMAGE: wait for this image to be rolled out first; may be repeated")
	f.Int64Var(&s.run, "run", 0, "Number of the run that is meant; left out: the present one")
	s.look.addFlags(c)
	s.cluster.addFlags(c)
	return c
}

func (s *status) validate() error {
	what, number, _ := strings.Cut(s.until, "=")
	switch {
	case s.until == "promoted", s.until == "paused":
	case what == "step":
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 {
			return usageError{fmt.Errorf("--until step=%s: it is no number of a step", number)}
		}
		s.step = n
	default:
		return usageError{fmt.Errorf("--until %q is none of promoted, paused, step=N", s.until)}
	}
	if s.run < 0 {
		return usageError{errors.New("--run is the number of a run")}
	}
	if s.run > 0 && len(s.images) > 0 {
		return usageError{errors.New("--run and --image do not go together")}
	}
	return nil
}

// follow prints a line for each change, and the verdict.
func (s *status) follow(ctx context.Context, k *connection, name string, out io.Writer) error {
	ctx, cancel := within(ctx, s.timeout)
	defer cancel()
	last := ""
	var found *verdict
	look := func(c *v1beta1.Canary) (bool, error) {
		style, err := s.style(out)
		if err != nil {
			return true, err
		}
		v := view.Of(view.Objects{Canary: c})
		var unseen string
		if unseen, err = s.unseen(ctx, k, c, &v); err != nil {
			return true, err
		}
		if unseen != "" {
			if where := "waits for " + unseen; where != last {
				last = where
				fmt.Fprintln(out, style.Now.Format("15:04:05")+" "+where)
			}
			return !s.watch, nil
		}
		if where := v.Where(); where != last {
			last = where
			fmt.Fprintln(out, style.Transition(v))
		}
		found = s.verdict(c, &v)
		return found != nil || !s.watch, nil
	}
	err := k.followBoth(ctx, name, len(s.images) > 0, look)
	switch {
	case err != nil:
		return err
	case found == nil:
		return nil
	case found.code != 0:
		return exitError{found.code, fmt.Errorf("%s %s", name, found.text)}
	}
	fmt.Fprintln(out, name, found.text)
	return nil
}

// followBoth is follow that also looks every two seconds, where it is about objects that are not watched.
func (k *connection) followBoth(ctx context.Context, name string, often bool, each func(*v1beta1.Canary) (bool, error)) error {
	if !often {
		return k.follow(ctx, name, each)
	}
	for {
		short, cancel := context.WithTimeoutCause(ctx, retryAfter, errLookAgain)
		err := k.follow(short, name, each)
		cancel()
		if !errors.Is(err, errLookAgain) {
			return err
		}
	}
}

var errLookAgain = errors.New("look again")

// unseen is what has to be there before the rollout is the one that is meant; empty: it is.
func (s *status) unseen(ctx context.Context, k *connection, c *v1beta1.Canary, v *view.View) (string, error) {
	if s.run > 0 && (v.Run == nil || v.Run.Number < s.run) && v.Ended(s.run) == nil {
		return fmt.Sprintf("run %d", s.run), nil
	}
	if len(s.images) == 0 {
		return "", nil
	}
	t, err := k.target(ctx, c)
	if err != nil {
		return "", err
	}
	if _, is := t.object.(*unstructured.Unstructured); is {
		return "", usageError{errors.New("--image is not possible for a Service of Knative: its Canary does not say which images it is about")}
	}
	for container, image := range s.images {
		has, known := t.images()[container]
		switch {
		case !known:
			return "", fmt.Errorf("%s has no container %q", t.name(), container)
		case has != image:
			return fmt.Sprintf("%s to have %s=%s, it has %s", t.name(), container, image, view.Clean(has, 300)), nil
		case !rolledOut(c, t, image):
			return fmt.Sprintf("the operator to see %s=%s", container, image), nil
		}
	}
	return "", nil
}

// rolledOut says that the status is about a revision with an image: its run has it, or the cluster counts the target's template as
// the one that it is about.
func rolledOut(c *v1beta1.Canary, t *target, image string) bool {
	images := c.Status.Image
	if run := c.Status.Run; run != nil {
		images = run.Images
	}
	if slices.Contains(strings.Split(images, ", "), rollout.ShortImages(image)) {
		return true
	}
	d, is := t.object.(*appsv1.Deployment)
	seen := c.Status.TargetTemplate
	return is && seen != nil && d.Status.ObservedGeneration == d.Generation && seen.UID == d.UID && seen.Revision == c.Status.LastAppliedSpec &&
		seen.Number == d.Annotations[workload.DeploymentRevision]
}

// verdict is where a rollout has come to, and the exit code that it means.
type verdict struct {
	code int
	text string
}

// verdict is nil for as long as there is something to wait for.
func (s *status) verdict(c *v1beta1.Canary, v *view.View) *verdict {
	if s.run > 0 && (v.Run == nil || v.Run.Number != s.run) {
		return ofPast(v.Ended(s.run))
	}
	if s.run == 0 && v.Run != nil && v.Run.Finished == nil {
		s.run = v.Run.Number // a newer one is not the one that is meant
	}
	phase := c.Status.Phase
	switch {
	case v.Run != nil && v.Run.Finished != nil && (v.Run.Number == s.run || phase == v1beta1.PhaseFailed || v.Run.Outcome == v1beta1.RunPromoted && phase == v1beta1.PhaseSucceeded):
		return ofRun(v)
	case phase == v1beta1.PhaseSucceeded, phase == v1beta1.PhaseInitialized:
		return &verdict{0, "is promoted"}
	case phase == v1beta1.PhaseFailed:
		return &verdict{exitFound, "failed: " + v.Problem}
	case phase.Leaving():
		return &verdict{exitFound, "is being deleted"}
	case meta.IsStatusConditionFalse(c.Status.Conditions, v1beta1.ConditionValid):
		return &verdict{exitFound, "cannot be followed: " + v.Problem}
	case s.step > 0 && v.Step.Number >= s.step:
		return &verdict{0, "has come to step " + v.Step.String()}
	case v.Waiting == nil || !v.Waiting.Person:
		return nil
	case s.until == "paused":
		return &verdict{0, "is paused: " + v.Waiting.Reason + ": " + v.Waiting.For}
	case c.Status.StepUntil != nil: // a pause that ends by itself
		return nil
	}
	return &verdict{exitPerson, v.Waiting.Reason + ": " + v.Waiting.For}
}

// ofRun is how the last run ended; who decided that is in the history alone.
func ofRun(v *view.View) *verdict {
	if past := v.Ended(v.Run.Number); past != nil {
		return ofPast(past)
	}
	return ofPast(&view.RunSummary{Number: v.Run.Number, Outcome: v.Run.Outcome, Reason: v.Run.Cause})
}

// ofPast is how a run ended.
func ofPast(r *view.RunSummary) *verdict {
	if r == nil {
		return &verdict{exitFound, "has no such run any more"}
	}
	text := fmt.Sprintf("run %d: %s", r.Number, r.Outcome)
	if r.By != "" {
		text += " by " + r.By
	}
	if r.Outcome == v1beta1.RunPromoted {
		return &verdict{0, text}
	}
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return &verdict{exitFound, text}
}
