package controller

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// A target that keeps its revisions itself is both sides of its rollout. Nothing is made beside it: what is promoted is
// noted on it, and its routes are its own. See workload.SelfVersioned.

// selfVersioned is the kind of such a target.
func (v *view) selfVersioned() (workload.SelfVersioned, bool) {
	s, ok := v.kind.(workload.SelfVersioned)
	return s, ok
}

// fit refuses a provider that has no words for the target, before anything of either is looked at. It also has a kind
// watched that is the provider's own.
func (r *Reconciler) fit(ctx context.Context, v *view) error {
	_, selfVersioned := v.selfVersioned()
	route, _, err := r.Routers.For(ctx, v.canary)
	switch s, selective := route.(router.Selective); {
	case err != nil && selfVersioned:
		// Its kind is the provider's own: without that, there is nothing to read it by.
		return err
	case err != nil:
		return nil // it is told with the rest of the plan
	case selective:
		// A provider that only knows its own kind cannot divide requests between two Deployments.
		return s.Takes(v.canary.Spec.TargetRef)
	case selfVersioned:
		ref := v.canary.Spec.TargetRef
		return &rollout.InvalidError{
			Field:   "spec.provider",
			Problem: fmt.Sprintf("%s cannot divide requests between the revisions of a %s of %s, this can: knative", r.Routers.Name(v.canary), ref.Kind, ref.APIVersion),
		}
	}
	return nil
}

// readSides reads both sides off the target.
func (v *view) readSides(s workload.SelfVersioned) {
	v.snapshot.Revision = s.Revision(v.target)
	// Without pods: the target speaks for them.
	v.snapshot.Target = s.Observe(v.target, nil, everyPod, v.snapshot.Now)
	v.snapshot.Primary = s.Promoted(v.target)
	// Both are in one object, so that equal names are equal revisions, whoever promoted them.
	v.snapshot.Copied = v.snapshot.Primary.Revision == v.snapshot.Revision
}

// addPromotion notes on the target what is promoted.
func (v *view) addPromotion(s workload.SelfVersioned) error {
	if v.target == nil {
		return nil
	}
	name := v.intent.Primary
	// The note is the only memory of what users have: without it no routes can be made.
	if !v.promotes() {
		if name = v.recordedPromotion(); name == "" {
			return nil
		}
	}
	mark, err := s.Primary(v.target, v.canary, workload.Model{Revision: name})
	if err != nil {
		return err
	}
	v.add = append(v.add, touched(mark))
	return nil
}

// recordedPromotion is what was promoted last, where somebody has taken the note of it away in the middle of a rollout. At rest
// it is the machine that says what becomes of a primary that is lost.
func (v *view) recordedPromotion() string {
	if v.snapshot.Primary.Health != rollout.Absent || !v.canary.Status.Phase.UnderWay() {
		return ""
	}
	return v.canary.Status.LastPromotedSpec
}

// promotionUnrecorded says that a target does not tell what was promoted, so that no routes can be made: they have to wait.
func (v *view) promotionUnrecorded() bool {
	_, selfVersioned := v.selfVersioned()
	if !selfVersioned || v.target == nil || v.snapshot.Primary.Health != rollout.Absent || leaving(v.canary.Status) {
		return false
	}
	// The condition Waiting tells of it. Whoever took the note away may put it back, and be heard by its event.
	v.snapshot.Routed = false
	v.snapshot.Trouble = fmt.Sprintf("%s %s does not say which revision was promoted", v.canary.Spec.TargetRef.Kind, v.canary.Spec.TargetRef.Name)
	return true
}

// revision is that of the canary, in the words of the provider: where the target keeps revisions, the one that is rolled
// out, which need not be the last.
func (v *view) revision() string {
	if s, ok := v.selfVersioned(); ok {
		return s.RevisionName(v.canary.Status.LastAppliedSpec)
	}
	return v.snapshot.Revision
}

// releaseSelfVersioned gives a target up that keeps its revisions itself: its routes are led to what the user deployed last and belong
// to nobody, and the note is taken away.
func (r *Reconciler) releaseSelfVersioned(ctx context.Context, v *view) (changed bool, err error) {
	// Any other target has routes that are deleted or lent, and needs nothing of this.
	s, selfVersioned := v.selfVersioned()
	if !selfVersioned || v.target == nil || v.router == nil {
		return false, nil
	}
	read, err := r.sources(ctx, v)
	if err != nil {
		return false, ignored(err)
	}
	routes, err := v.router.Render(router.Input{Canary: v.canary, Leaving: true, Read: read})
	if err != nil {
		return false, ignored(err)
	}
	// Bare, because the Service is the user's: it is neither marked as made by us, nor made again when it is gone.
	for _, o := range append(bare(routes), touched(s.ClearPromotion(v.target))) {
		moved, err := r.Applier.Apply(ctx, v.canary, o)
		if err != nil && !errors.Is(err, kube.ErrMissing) && !refusedByServer(err) {
			return changed, err
		}
		changed = changed || moved
	}
	if changed {
		return true, nil
	}
	// In a pass of its own, when nothing had to be changed: an apply after it would make the routes ours again.
	for _, o := range routes {
		if err := r.Applier.ReleaseFields(ctx, o); err != nil && !refusedByServer(err) {
			return false, err
		}
	}
	return false, nil
}

func bare(routes []runtime.ApplyConfiguration) []runtime.ApplyConfiguration {
	// A list of its own: what was rendered is shared with the next look.
	marked := make([]runtime.ApplyConfiguration, 0, len(routes)+1)
	for _, o := range routes {
		marked = append(marked, kube.Partial(o))
	}
	return marked
}
