package rollout

import (
	"fmt"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// A pause keeps a step that has lasted and passed until a person, or a time, ends it. The canary goes on being judged, and is
// rolled back, meanwhile.

// lasts says that the step in effect has not lasted as long as it is to, by the round that is judged.
func (f *facts) lasts() bool {
	started, lasts := f.Status.StepStarted, f.step().Until.Duration
	return lasts > 0 && started != nil && !started.Skipped && roundAt(f).Before(started.Time.Add(lasts))
}

// roundAt is when the round that is judged was to be made. What ran out later is ended by the next one. One that was made before its
// time, because pods were there again, is of that moment.
func roundAt(f *facts) time.Time {
	if f.Status.NextCheck == nil || f.Status.NextCheck.After(f.Now) {
		return f.Now
	}
	return f.Status.NextCheck.Time
}

// pause is the one that the step waits in once it has lasted, and how many of its pauses are over; nil: none is left.
func (f *facts) pause() (over int, next *Pause) {
	started, pauses := f.Status.StepStarted, f.step().Until.Pauses
	if started == nil || started.Skipped {
		return 0, nil
	}
	over = started.PausesOver
	if over < len(pauses) && started.Paused != nil && ranOut(f, pauses[over]) {
		over++
	}
	if over < len(pauses) {
		return over, &pauses[over]
	}
	return over, nil
}

// ranOut says that a pause that is waited in has ended by itself.
func ranOut(f *facts, p Pause) bool {
	return p.After > 0 && !p.Abort && !roundAt(f).Before(f.Status.StepStarted.Paused.Add(p.After))
}

// pauseAborts ends a rollout whose pause nobody has ended in time.
func pauseAborts(t *transition) outcome {
	if !t.Status.Phase.Analysing() || t.Status.StepStarted == nil || t.Status.StepStarted.Paused == nil {
		return nil
	}
	_, p := t.pause()
	if p == nil || !p.Abort || t.Now.Before(t.Status.StepStarted.Paused.Add(p.After)) {
		return nil
	}
	return func(t *transition) {
		t.aborted = true
		rollBackKept(t, fmt.Sprintf("nobody promoted step %s of %s within %s", stepName(t), t.Names.target(), p.After))
	}
}

// paused keeps the step for as long as its pause is not over.
func paused(t *transition) outcome {
	over, p := t.pause()
	if p == nil {
		return nil
	}
	return func(t *transition) { waitInPause(t, over, *p) }
}

// waitInPause tells people once that they are waited for.
func waitInPause(t *transition, over int, p Pause) {
	began := t.Status.StepStarted.Paused
	if began == nil || over > t.Status.StepStarted.PausesOver {
		began = micro(t.Now)
	}
	if p.Wait == WaitPromotionPaused && t.Status.Phase != v1beta1.PhaseWaitingPromotion {
		t.enter(v1beta1.PhaseWaitingPromotion)
	}
	t.next.StepStarted.PausesOver, t.next.StepStarted.Paused = over, began
	wait, ends := p.Wait, ""
	switch {
	case p.After > 0 && p.Abort:
		ends = ", or is rolled back at " + dateTime(began.Add(p.After))
	case p.After > 0:
		ends = ", or goes on after " + dateTime(began.Add(p.After))
	}
	says := fmt.Sprintf("Canary is paused at step %s and waits for promote%s: %d%% of %s go to %s; to promote it: %s",
		stepName(t), ends, t.next.CanaryWeight, t.requests(), t.Names.target(), actionHint(t, v1beta1.ActionPromote))
	if t.Status.Held != nil {
		wait, says = WaitHeld, heldText(t)+"; then it waits for promote"
	}
	repeat(t, wait, says)
	if began == t.Status.StepStarted.Paused {
		return
	}
	text := fmt.Sprintf("Canary is paused at step %s and waits for promote.", stepName(t))
	t.warn(ReasonPaused, "%s", text)
	t.alert(v1beta1.SeverityWarn, text)
	asksFor(t, v1beta1.ActionPromote)
}

// stepName is what people call the step in effect.
func stepName(t *transition) string {
	text := fmt.Sprintf("%d of %d", t.Status.Step, max(t.Plan.Length(), t.Status.Step))
	if name := t.step().Name; name != "" {
		text += " (" + name + ")"
	}
	return text
}
