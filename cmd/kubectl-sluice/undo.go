package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/view"
)

type undo struct {
	cluster
	toRun int64
}

func newUndo() *cobra.Command {
	u := &undo{}
	c := &cobra.Command{
		Use:   "undo NAME",
		Short: "Put the target back to what a run before had, from its own history; this is rolled out as any change",
		Long: `Put the target back to what a run before had, from its own history; this is rolled out as any change.

Without --to-run the target gets the revision that serves, which ends a rollout at once, or, where the target has it already, what
served before. To have the primary return first, and leave the target as Git has it, use rollback.`,
		Args:              oneArg,
		ValidArgsFunction: u.complete,
		RunE:              func(c *cobra.Command, args []string) error { return u.run(c, named(args)[0]) },
	}
	c.Flags().Int64Var(&u.toRun, "to-run", 0, "Number of the run whose images the target gets")
	u.addFlags(c)
	return c
}

func (u *undo) run(c *cobra.Command, name string) error {
	ctx := c.Context()
	k, err := u.connect()
	if err != nil {
		return err
	}
	canary, err := k.canary(ctx, name)
	if err != nil {
		return err
	}
	t, err := k.target(ctx, canary)
	if err != nil {
		return err
	}
	former, err := k.templates(ctx, t)
	if err != nil {
		return err
	}
	to, goal, err := u.choose(canary, t, former)
	if err != nil {
		return err
	}
	t.warn(c)
	if goal.otherConfigs(&canary.Status, to.template) {
		fmt.Fprintf(c.ErrOrStderr(), "warning: ConfigMaps or Secrets have other content by now than in %s, so that this is another revision\n", goal.name)
	}
	var template any = asStopped(to.template, t.template)
	if to.whole != nil {
		template = to.whole
	}
	if err := k.setTemplate(ctx, t, template); err != nil {
		return err
	}
	fmt.Fprintf(c.OutOrStdout(), "%s put back to %s (%s, %s)\n", t.name(), goal.name, view.Clean(to.name, 253), view.Clean(imagesOf(to.template), 300))
	return nil
}

// choose finds the template that the target goes back to.
func (u *undo) choose(c *v1beta1.Canary, t *target, former []kept) (*kept, goal, error) {
	s, now := &c.Status, contentOf(t.template)
	former = slices.DeleteFunc(former, func(k kept) bool { return contentOf(k.template) == now })
	if u.toRun == 0 && s.LastPromotedSpec != s.LastAppliedSpec {
		promoted := s.PromotedTemplate
		numbered := promoted != nil && promoted.Revision == s.LastPromotedSpec && promoted.UID == t.object.GetUID()
		for i := range former {
			if k := &former[i]; k.is(s.LastPromotedSpec) || numbered && k.number != "" && k.number == promoted.Number {
				return k, goal{name: "what serves"}, nil
			}
		}
	}
	to, err := goalOf(s, u.toRun)
	if err != nil {
		return nil, to, err
	}
	if i := to.find(former); i >= 0 {
		return &former[i], to, nil
	}
	return nil, to, fmt.Errorf("the history of %s has nothing of %s: %s (spec.revisionHistoryLimit)", t.name(), to.name, view.Clean(cmp.Or(to.images, to.revision), 300))
}

// is says that a template is that of a revision, as far as that is known.
func (k *kept) is(revision string) bool { return k.revision != "" && k.revision == revision }

// imagesOf are the images of a template as a status has them.
func imagesOf(t *corev1.PodTemplateSpec) string {
	var all []string
	for _, c := range t.Spec.Containers {
		all = append(all, c.Image)
	}
	return rollout.ShortImages(strings.Join(all, ", "))
}
