package rollouttest

import (
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// archive is what the primary's former pod templates are kept by, beside the primary itself.
type archive struct {
	kept    map[string]bool // revisions
	forgets bool            // none of them outlasts the primary being ready with another
}

// supplant gives the primary another revision, and the history the one before.
func (a *archive) supplant(s *side, revision string) {
	if !s.exists || a.kept == nil {
		a.kept = map[string]bool{}
	}
	if s.revision != "" && s.revision != revision {
		a.kept[s.revision] = true
	}
}

// fade ends a history that is not kept for long.
func (a *archive) fade(primary rollout.Workload) {
	if a.forgets && primary.Health == rollout.Available {
		a.forget()
	}
}

func (a *archive) forget() { clear(a.kept) }

// recollect has a pass read the primary itself and its history where something may follow from that, as the
// controller does: not before it is certain that something is due, but for a way back that is still to be begun.
func (o *Operator) recollect(v *view, live bool) {
	begun := v.Primary.Revision == v.status.Promoting
	if !rollout.NeedsHistory(v.plan, v.status) || !live && (begun || !rollout.ReturningToPrevious(v.status)) {
		return
	}
	if o.without != LiveTarget {
		v.Primary = o.primaries.live()
	}
	v.PreviousTemplateKept = o.w.primary.exists && o.w.kept[v.status.LastPromotedSpec]
	v.NotKeptReason = "its history does not hold it"
}

// restores says that the primary returns to what its history holds, whatever the target has by now.
func restores(v view) bool {
	return rollout.ReturningToPrevious(v.status) && v.PreviousTemplateKept && v.intent.Primary == v.status.LastPromotedSpec && v.Primary.Health != rollout.Absent
}

// obeyed holds that a rollback that was asked for begins at once, unless nothing is left to go back to.
func (w *World) obeyed(v view, next v1beta1.CanaryStatus, f rollout.Finding) {
	switch {
	case next.Phase == v1beta1.PhaseFailed, rollout.ReturningToPrevious(next):
	case v.status.Phase == v1beta1.PhasePromoting && !v.PreviousTemplateKept && v.Primary.Revision != v.status.LastPromotedSpec:
	default:
		w.broken("a rollback was asked for by %s, and the rollout is %s", f.Name, next.Phase)
	}
}

// withdrawn holds that a rollback in the course of a promotion ends with the primary as it was before.
func (w *World) withdrawn(was, next v1beta1.CanaryStatus) {
	if !rollout.ReturningToPrevious(was) || next.Phase != v1beta1.PhaseFailed || w.unheard || !w.primary.exists {
		return
	}
	if w.primary.revision != was.LastPromotedSpec {
		w.broken("rolled back to %s, and the primary runs %s", was.LastPromotedSpec, w.primary.revision)
	}
	if next.LastAppliedSpec != was.LastAppliedSpec {
		w.broken("%s was recalled, and may be tried again", was.LastAppliedSpec)
	}
}
