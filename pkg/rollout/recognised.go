package rollout

import (
	"maps"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// A newer API server may read defaults into pod templates that were stored before it. Then the same template has another
// hash, which is no new revision: whoever has the template is found by other signs.

// NeedsComparison says that only a comparison of both sides tells what revision the target has.
func NeedsComparison(s Snapshot) bool {
	return Foreign(s.Status) || s.Revision != "" && s.Status.LastPromotedSpec != "" && !named(s.Status, s.Revision)
}

// named says that a status names a revision.
func named(s v1beta1.CanaryStatus, revision string) bool {
	return revision == s.LastAppliedSpec || revision == s.LastPromotedSpec || revision == s.Promoting
}

// Recognised is the revision that the target has, by the name that the status has for it. A hash that the status does not
// name is
//
//	the primary's revision   while the primary is still a copy of the target, configs included
//	the one tried last       at rest, while the cluster counts the template as it did then, and configs are the same
//	a new one                else
func Recognised(s Snapshot) string {
	st := s.Status
	if !NeedsComparison(s) || Foreign(st) {
		return s.Revision
	}
	runs := s.Primary.Revision
	if runs == "" { // another controller made it, and nothing was promoted since
		runs = st.LastPromotedSpec
	}
	switch {
	case s.PrimaryMatchesTarget && named(st, runs) && runs != unknownRevision:
		return runs
	case restsOnTarget(st) && sameTemplate(s) && sameConfigs(s):
		return st.LastAppliedSpec
	}
	return s.Revision
}

// restsOnTarget says that nothing is promoted or judged that the target might not have any more: where it was changed together
// with its size, a Deployment's controller counts the change a moment after it has seen it.
func restsOnTarget(s v1beta1.CanaryStatus) bool {
	again := s.Phase == v1beta1.PhaseInitializing && s.LastPromotedSpec != ""
	return (s.Phase.Settled() || again) && s.Promoting == "" && s.CanaryWeight == 0
}

func sameTemplate(s Snapshot) bool {
	then, now := s.Status.TargetTemplate, s.TargetTemplate
	return then != nil && now.Number != "" && then.Revision == s.Status.LastAppliedSpec && then.UID == now.UID && then.Number == now.Number
}

// sameConfigs says that the configs are those of the revision that was tried last. Where one of the two does not track them,
// they are no part of it.
func sameConfigs(s Snapshot) bool {
	return s.Configs == nil || s.Status.TrackedConfigs == nil || maps.Equal(s.Configs, *s.Status.TrackedConfigs)
}

// recordTargetTemplate notes what the cluster counts the template as that the rollout is about.
func recordTargetTemplate(t *transition) {
	switch now := t.TargetTemplate; {
	case t.Revision != "" && t.Revision == t.next.LastAppliedSpec && now.Number != "":
		now.Revision = t.Revision
		t.next.TargetTemplate = &now
	case t.next.TargetTemplate != nil && t.next.TargetTemplate.Revision != t.next.LastAppliedSpec:
		t.next.TargetTemplate = nil // of another one
	}
	switch now, promoted := t.next.TargetTemplate, t.next.PromotedTemplate; {
	case now != nil && now.Revision == t.next.LastPromotedSpec:
		t.next.PromotedTemplate = now.DeepCopy()
	case promoted != nil && promoted.Revision != t.next.LastPromotedSpec:
		t.next.PromotedTemplate = nil
	}
}
