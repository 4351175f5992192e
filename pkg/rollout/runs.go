package rollout

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// A run is one try of a revision, from when it is seen to its end. It is noted with the decisions that are stored anyway, so that
// it costs no request, and only two of them read it: a rollback from Succeeded, and how it ends. The first revision of a target is no
// run: nothing was rolled out.

// The bounds of what is kept of runs.
const (
	mostTrack     = 120
	mostActions   = 10
	mostRunReason = 160 // bytes
	mostRunImages = 128 // bytes
	mostRunAuthor = 64  // bytes

	defaultHistory = 10 // runs that have ended
	mostHistory    = 30
)

// historyOf is how many runs are kept of those that have ended.
func historyOf(spec v1beta1.CanarySpec) int {
	if spec.History == nil || spec.History.Limit == nil {
		return defaultHistory
	}
	return int(min(max(*spec.History.Limit, 0), mostHistory))
}

// runs says that a phase is one of a run.
func runs(phase v1beta1.CanaryPhase) bool {
	return phase.Unfinished() && phase != v1beta1.PhaseInitializing
}

// openRun is the run that is under way by a status; nil: none is known.
func openRun(s *v1beta1.CanaryStatus) *v1beta1.Run {
	if s.Run == nil || s.Run.Finished != nil {
		return nil
	}
	return s.Run
}

// recordRun notes what a decision makes of the run that is under way.
func recordRun(t *transition) {
	before, after := t.base, &t.next
	if Foreign(before) || Foreign(*after) {
		return
	}
	if !runs(after.Phase) {
		// One that this version has not seen begin ends all the same.
		if runs(before.Phase) && openRun(after) == nil {
			beginRun(t, before.LastAppliedSpec)
		}
		if openRun(after) != nil {
			noteAction(t)
			endRun(t, outcomeOfRun(t), causeOfRun(t))
		}
		return
	}
	revision := after.LastAppliedSpec
	if after.Phase == v1beta1.PhaseWaiting {
		revision = orElse(t.Revision, revision)
	}
	switch run := openRun(after); {
	case run == nil:
		beginRun(t, revision)
	case run.Revision == revision, primaryReturning(*after) && after.LastAppliedSpec == after.Promoting: // it is being called off
	case before.Phase == v1beta1.PhaseWaiting: // nothing of the one before was rolled out
		run.Revision, run.Images, run.Attempt = revision, "", attemptOf(t, revision)
		run.Template, run.TargetRevision = "", ""
	default:
		endRun(t, v1beta1.RunSuperseded, "by "+revision)
		if run.Recorded != nil {
			t.next.Superseded = run
		}
		beginRun(t, revision)
	}
	t.next.Run.Fast = t.fast || t.next.Run.Fast && !judgedAfterAll(t)
	noteTarget(t, openRun(after))
	noteAction(t)
	noteTrack(t)
}

// beginRun begins the next run.
func beginRun(t *transition, revision string) {
	run := &v1beta1.Run{Number: lastNumber(t.next) + 1, Revision: revision, Attempt: attemptOf(t, revision), Started: metav1.NewTime(t.Now)}
	// Of one that began under another version the time is known all the same.
	if before := t.base; runs(before.Phase) && before.Run == nil && before.Since != nil {
		run.Started = metav1.NewTime(before.Since.Time)
	}
	if promoted := t.base.LastPromotedSpec; promoted != "" && promoted != unknownRevision {
		run.From = &v1beta1.RunOrigin{Run: promotedBy(t.next, promoted), Revision: promoted}
		if t.Primary.Revision == promoted {
			run.From.Images = cutText(ShortImages(t.Primary.Images), mostRunImages)
		}
	}
	t.next.Run = run
}

// lastNumber is that of the newest run; zero: there was none.
func lastNumber(s v1beta1.CanaryStatus) (n int64) {
	if s.Run != nil {
		n = s.Run.Number
	}
	if len(s.History) > 0 {
		n = max(n, s.History[0].Number)
	}
	return n
}

// attemptOf counts the tries of a revision without another one in between.
func attemptOf(t *transition, revision string) int32 {
	if last := t.base.Run; last != nil && last.Revision == revision && last.Finished != nil {
		return max(last.Attempt, 1) + 1
	}
	return 1
}

// promotedBy is the run that promoted a revision; zero: that is not known any more.
func promotedBy(s v1beta1.CanaryStatus, revision string) int64 {
	if last := s.Run; last != nil && last.Outcome.Promoted() && last.Revision == revision {
		return last.Number
	}
	for _, past := range s.History {
		if past.Outcome.Promoted() && past.Revision == revision {
			return past.Number
		}
	}
	return 0
}

// noteTarget notes what the target has of the run's revision, once it is known.
func noteTarget(t *transition, run *v1beta1.Run) {
	if t.Revision != run.Revision {
		return
	}
	if run.Images == "" && t.Target.Images != "" {
		run.Images = cutText(ShortImages(t.Target.Images), mostRunImages)
	}
	run.Template = orElse(run.Template, t.Template)
	run.TargetRevision = orElse(t.TargetTemplate.Number, run.TargetRevision)
}

// noteTrack notes a step, or a weight, that the run came to.
func noteTrack(t *transition) {
	run := t.next.Run
	at := v1beta1.TrackPoint{T: secondsBetween(run.Started.Time, t.Now), Weight: int32(t.next.CanaryWeight), Step: int32(min(t.next.Step, 1<<20))}
	if n := len(run.Track); n > 0 && run.Track[n-1].Weight == at.Weight && run.Track[n-1].Step == at.Step {
		return
	}
	if len(run.Track) >= mostTrack { // every other one tells nearly as much
		kept := run.Track[:0:0]
		for i := 0; i < len(run.Track); i += 2 {
			kept = append(kept, run.Track[i])
		}
		run.Track = kept
	}
	run.Track = append(run.Track, at)
}

// secondsBetween are those between two times, of clocks that may have been set back.
func secondsBetween(from, to time.Time) int32 {
	return int32(min(max(to.Sub(from)/time.Second, 0), 1<<30))
}

// noteAction notes what a person has done in this decision.
func noteAction(t *transition) {
	last, run := t.next.LastAction, t.next.Run
	if last == nil || last.Result != v1beta1.ActionAccepted || t.base.LastAction != nil && t.base.LastAction.Digest == last.Digest {
		return
	}
	run.Actions = append(slices.Clip(run.Actions), v1beta1.RunAction{
		Verb: last.Verb, By: cutText(last.By, mostRunAuthor), At: last.At, Step: int32(min(t.base.Step, 1<<20)), Reason: cutText(last.Reason, mostRunReason),
	})
	run.Actions = run.Actions[max(len(run.Actions)-mostActions, 0):]
}

// endRun ends the run that is under way, and has the history begin with it.
func endRun(t *transition, outcome v1beta1.RunOutcome, cause string) {
	run := t.next.Run
	finished := metav1.NewTime(t.Now)
	run.Finished, run.Outcome, run.Cause = &finished, outcome, cutText(cause, mostRunReason)
	past := v1beta1.PastRun{Number: run.Number, Revision: run.Revision, Images: run.Images, Outcome: outcome, By: decidedBy(run),
		Reason: run.Cause, Started: run.Started, Finished: finished, Template: run.Template, TargetRevision: run.TargetRevision}
	if run.From != nil && run.From.Run == 0 {
		past.From = run.From.Revision
	}
	t.next.History = kept(slices.Insert(slices.Clip(t.next.History), 0, past), t.next.LastPromotedSpec, t.Plan)
	callForRecord(t, run)
}

// decidedBy is the person whose action led to an end; empty: nobody's.
func decidedBy(run *v1beta1.Run) string {
	verbs := map[v1beta1.RunOutcome][]v1beta1.ActionVerb{
		v1beta1.RunPromoted:     {v1beta1.ActionPromote, v1beta1.ActionPromoteFull, v1beta1.ActionOverride},
		v1beta1.RunFastPromoted: {v1beta1.ActionOverride},
		v1beta1.RunAborted:      {v1beta1.ActionAbort},
		v1beta1.RunReverted:     {v1beta1.ActionRollback},
	}[run.Outcome]
	for _, a := range slices.Backward(run.Actions) {
		if slices.Contains(verbs, v1beta1.ActionVerb(a.Verb)) {
			return a.By
		}
	}
	return ""
}

// outcomeOfRun is how the run ended that a decision has ended.
func outcomeOfRun(t *transition) v1beta1.RunOutcome {
	before, after := t.base, t.next
	returned := t.returning && t.rolledBackByHook // the primary is back at what it ran before
	switch {
	case after.Phase.Leaving():
		return v1beta1.RunTerminated
	// The second has come to its end under another version.
	case before.Phase == v1beta1.PhaseFinalising && after.Phase == v1beta1.PhaseSucceeded, !runs(before.Phase) && after.LastPromotedSpec == after.Run.Revision:
		if after.Run.Fast {
			return v1beta1.RunFastPromoted
		}
		return v1beta1.RunPromoted
	case after.Phase != v1beta1.PhaseFailed,
		before.Phase == v1beta1.PhaseWaiting && before.LastAppliedSpec == after.LastAppliedSpec,
		before.LastAppliedSpec != after.LastAppliedSpec && failedBefore(before, after.LastAppliedSpec) != nil:
		return v1beta1.RunCalledOff
	case returned && before.RollbackTo != "":
		return v1beta1.RunReverted
	case t.aborted, before.RollbackBy != "" && before.RollbackTo == "":
		return v1beta1.RunAborted
	case returned:
		return v1beta1.RunReverted
	case before.Phase == v1beta1.PhasePromoting && !t.rolledBackByHook:
		return v1beta1.RunPromotionFailed
	}
	return v1beta1.RunRolledBack
}

// causeOfRun is why a run did not end well.
func causeOfRun(t *transition) string {
	if t.next.Phase == v1beta1.PhaseFailed {
		return t.next.Cause
	}
	return t.endedBy
}

// leastHistory is how many runs are kept where a status grows too large.
const leastHistory = 3

// textOfRuns is textOf for what is noted of runs. A point of a track is written as four dozen bytes, which are never more.
func textOfRuns(s v1beta1.CanaryStatus) (n int) {
	const fields, point = 32, 8
	for _, run := range []*v1beta1.Run{s.Run, s.Superseded} {
		if run == nil {
			continue
		}
		n += len(run.Revision) + len(run.Images) + len(run.Template) + len(run.TargetRevision) + len(run.Cause) + 2*fields + point*len(run.Track)
		if run.From != nil {
			n += len(run.From.Revision) + len(run.From.Images) + fields
		}
		for _, a := range run.Actions {
			n += len(a.Verb) + len(a.By) + len(a.Reason) + fields
		}
	}
	for _, past := range s.History {
		n += len(past.Revision) + len(past.From) + len(past.Images) + len(past.Template) + len(past.TargetRevision) + len(past.By) + len(past.Reason) + fields
	}
	return n
}
