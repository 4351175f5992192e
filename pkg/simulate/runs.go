package simulate

import (
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// checkRun holds that a rollout is noted while it is under way, and with its end.
func checkRun(w *World, was, next v1beta1.CanaryStatus) {
	if !inOurWords(was) || !inOurWords(next) {
		return
	}
	rolls := func(p v1beta1.CanaryPhase) bool { return p.Unfinished() && p != v1beta1.PhaseInitializing }
	open := next.Run != nil && next.Run.Finished == nil
	switch {
	case rolls(next.Phase) && !open:
		w.violated("%s is rolled out in no run", next.LastAppliedSpec)
	case rolls(next.Phase) && next.Phase != v1beta1.PhaseWaiting && next.Run.Revision != next.LastAppliedSpec && next.LastAppliedSpec != next.LastPromotedSpec:
		w.violated("%s is rolled out in the run of %s", next.LastAppliedSpec, next.Run.Revision)
	case !rolls(next.Phase) && open:
		w.violated("run %d goes on in phase %s", next.Run.Number, next.Phase)
	case rolls(was.Phase) && !rolls(next.Phase) && (len(next.History) == 0 || next.History[0].Number != next.Run.Number || next.History[0].Outcome == ""):
		w.violated("run %d has ended, and is no history", next.Run.Number)
	case next.Phase == v1beta1.PhaseSucceeded && was.Phase == v1beta1.PhaseFinalising && !next.History[0].Outcome.Promoted():
		w.violated("run %d was promoted, and is said to be %s", next.Run.Number, next.History[0].Outcome)
	}
	for i := 1; i < len(next.History); i++ {
		if next.History[i].Number >= next.History[i-1].Number {
			w.violated("the history is out of order: %d before %d", next.History[i-1].Number, next.History[i].Number)
		}
	}
}
