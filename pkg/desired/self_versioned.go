package desired

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// addPromotion notes on the target what is promoted.
func addPromotion(f *Facts, s workload.SelfVersioned, o *Objects) error {
	if f.Target == nil {
		return nil
	}
	name := f.Intent.Primary
	// The note is the only memory of what users have: without it no routes can be made.
	if !f.Promotes() {
		if name = recordedPromotion(f); name == "" {
			return nil
		}
	}
	mark, err := s.Primary(f.Target, f.Canary, workload.PrimaryOptions{Revision: name})
	if err != nil {
		return err
	}
	o.apply(UserFields(mark))
	return nil
}

// recordedPromotion is what was promoted last, where somebody has taken the note of it away in the middle of a rollout. At rest
// it is the machine that says what becomes of a primary that is lost.
func recordedPromotion(f *Facts) string {
	if f.Snapshot.Primary.Health != rollout.Absent || !f.Canary.Status.Phase.UnderWay() {
		return ""
	}
	return f.Canary.Status.LastPromotedSpec
}

// promotionUnrecorded says why no routes can be made, where a target does not tell what was promoted; empty: it does.
func promotionUnrecorded(f *Facts) string {
	_, single := f.SelfVersioned()
	if !single || f.Target == nil || f.Snapshot.Primary.Health != rollout.Absent || leaving(f.Canary.Status) {
		return ""
	}
	// The condition Waiting tells of it. Whoever took the note away may put it back, and be heard by its event.
	return fmt.Sprintf("%s %s does not say which revision was promoted", f.Canary.Spec.TargetRef.Kind, f.Canary.Spec.TargetRef.Name)
}

// canaryRevision is that of the canary, in the words of the provider: where the target keeps revisions, the one that is rolled
// out, which need not be the last.
func canaryRevision(f *Facts) string {
	if s, ok := f.SelfVersioned(); ok {
		return s.RevisionName(f.Canary.Status.LastAppliedSpec)
	}
	return f.Snapshot.Revision
}

// Released are the routes of a target that keeps its revisions itself, as they are left behind: they lead to what the
// user deployed last.
func Released(f *Facts) ([]runtime.ApplyConfiguration, error) {
	return f.Router.Render(router.Input{Canary: f.Canary, Leaving: true, Read: f.RouteSources})
}
