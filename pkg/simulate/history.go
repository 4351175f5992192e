package simulate

import (
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// history is what the primary's former pod templates are kept by, beside the primary itself.
type history struct {
	revisions   map[string]bool // revisions
	dropsAtOnce bool            // none of them outlasts the primary being ready with another
}

// replace gives the primary another revision, and the history the one before.
func (a *history) replace(s *workload, revision string) {
	if !s.exists || a.revisions == nil {
		a.revisions = map[string]bool{}
	}
	if s.revision != "" && s.revision != revision {
		a.revisions[s.revision] = true
	}
}

// expire ends a history that is not kept for long.
func (a *history) expire(primary rollout.Workload) {
	if a.dropsAtOnce && primary.Health == rollout.Available {
		a.drop()
	}
}

func (a *history) drop() { clear(a.revisions) }

// readHistory has a pass read the primary itself and its history where something may follow from that, as the
// controller does: not before it is certain that something is due, but for a way back that is still to be begun.
func (o *Operator) readHistory(v *view, live bool) {
	begun := v.Primary.Revision == v.status.Promoting
	revision := rollout.HistoryAskedFor(v.Snapshot)
	if revision == "" || !live && (begun || !rollout.ReturningToPrevious(v.status)) {
		return
	}
	if o.without != LiveTarget {
		v.Primary = o.primaries.live()
	}
	v.PreviousTemplateKept = o.w.primary.exists && o.w.revisions[revision]
	v.NotKeptReason = "its history does not hold it"
}

// rendersFromHistory says that the primary returns to what its history holds, whatever the target has by now.
func rendersFromHistory(v view) bool {
	return rollout.ReturningToPrevious(v.status) && v.PreviousTemplateKept && v.intent.Primary == v.status.LastPromotedSpec && v.Primary.Health != rollout.Absent
}

// checkRollbackBegins holds that a rollback that was asked for begins at once, unless nothing is left to go back to.
func checkRollbackBegins(w *World, v view, next v1beta1.CanaryStatus, f answer) {
	switch {
	case next.Phase == v1beta1.PhaseFailed, rollout.ReturningToPrevious(next):
	case v.status.Phase == v1beta1.PhasePromoting && !v.PreviousTemplateKept && v.Primary.Revision != v.status.LastPromotedSpec:
	default:
		w.violated("a rollback was asked for by %s, and the rollout is %s", f.Key, next.Phase)
	}
}

// checkPrimaryReturned holds that a rollback in the course of a promotion ends with the primary as it was before.
func checkPrimaryReturned(w *World, was, next v1beta1.CanaryStatus) {
	if !rollout.ReturningToPrevious(was) || next.Phase != v1beta1.PhaseFailed || w.replyLost || !w.primary.exists {
		return
	}
	if w.primary.revision != was.LastPromotedSpec {
		w.violated("rolled back to %s, and the primary runs %s", was.LastPromotedSpec, w.primary.revision)
	}
	if next.LastAppliedSpec != was.LastAppliedSpec {
		w.violated("%s was rolled back, and may be tried again", was.LastAppliedSpec)
	}
}
