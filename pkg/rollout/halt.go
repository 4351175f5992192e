package rollout

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// suspended gives way to a deletion: a suspended Canary could otherwise not be deleted, nor its target be given back.
func suspended(t *transition) outcome {
	if !t.Paused || t.Deleting {
		return nil
	}
	return suspend
}

// suspend says once that nothing will happen until the spec is changed.
func suspend(t *transition) {
	t.halt()
	if t.waiting() != WaitResume {
		t.say(ReasonSuspended, "skipping canary run as object is suspended")
	}
	t.setWaiting(WaitResume, 0, "spec.suspend of %s is set; routes and workloads stay as they are.%s", t.Names.canary(), sentence(pushed(t)))
}

// resumed notices that a halt is over, by suspend or by a spec that could not be followed. No deadline ran meanwhile.
func resumed(t *transition) outcome {
	if t.Status.HaltedSince == nil {
		return nil
	}
	t.next.HaltedSince = nil
	if !t.Status.Phase.UnderWay() {
		return nil
	}
	return resume
}

// resume goes on with clocks that stood still meanwhile.
func resume(t *transition) {
	t.next.Since = micro(t.Now)
	halted := max(t.Now.Sub(t.Status.HaltedSince.Time), 0)
	t.next.NotReadySince = nil
	if started := t.next.StepStarted; started != nil {
		started.Time, started.Paused = *postponed(&started.Time, halted), postponed(started.Paused, halted)
		started.WebhookSince = postponed(started.WebhookSince, halted)
	}
	if a := t.next.Analysis; a != nil {
		a.WaitingSince = postponed(a.WaitingSince, halted)
		for i := range a.Metrics {
			a.Metrics[i].WaitingSince = postponed(a.Metrics[i].WaitingSince, halted)
		}
	}
	switch {
	case !t.next.Phase.Analysing() || t.next.Step == 0:
		t.setWaiting(WaitInterval, 0, "The rollout of %s goes on.", t.Names.target())
	case t.untilCheck() > 0:
		awaitStep(t)
		t.after = t.untilCheck()
	default:
		t.setWaiting(WaitInterval, 0, "The rollout of %s goes on with step %d of %d, which is due.", t.Names.target(), t.next.Step, max(t.Plan.Length(), t.next.Step))
	}
}

// halt notes since when nothing is judged.
func (t *transition) halt() {
	if t.Status.HaltedSince == nil {
		t.next.HaltedSince = micro(t.Now)
	}
}

// postponed is a time that so much later counts as the same; nil stays nil.
func postponed(at *metav1.MicroTime, by time.Duration) *metav1.MicroTime {
	if at == nil {
		return nil
	}
	return micro(at.Add(by))
}
