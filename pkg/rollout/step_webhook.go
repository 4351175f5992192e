package rollout

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// The webhook of a step is asked at each check until it has agreed: one that is not done yet, as a test that takes long, keeps the
// step for no longer than the deadline.

const stepWebhookKey = "step-webhook"

// stepWebhookQuestion asks the webhook of the step in effect, unless it has agreed.
func stepWebhookQuestion(f *facts) []Question {
	h := f.step().Webhook
	if h == nil || f.Status.StepStarted != nil && f.Status.StepStarted.WebhookDone {
		return nil
	}
	return []Question{{Key: stepWebhookKey, Hook: h}}
}

// stepWebhook is what it has answered in this round; nil: it was not asked.
func stepWebhook(t *transition) *answered {
	i := slices.IndexFunc(t.found, func(f answered) bool { return f.moment() == v1beta1.StepHook })
	if i < 0 {
		return nil
	}
	return &t.found[i]
}

// recordStepWebhook notes what it has answered.
func recordStepWebhook(t *transition) {
	f, started := stepWebhook(t), t.next.StepStarted
	if f == nil || started == nil {
		return
	}
	switch {
	case f.Verdict == v1beta1.Passed:
		started.WebhookDone, started.WebhookSince = true, nil
		t.say(ReasonHookPassed, "The webhook of step %s passed", stepName(t))
	case f.Verdict == v1beta1.Waiting && started.WebhookSince == nil:
		started.WebhookSince = micro(t.Now)
	}
}

// stepWebhookPending keeps a step whose webhook is not done yet. Who skips a step waits for it no longer.
func stepWebhookPending(t *transition) outcome {
	f, started := stepWebhook(t), t.next.StepStarted
	if f == nil || f.Verdict != v1beta1.Waiting || started == nil || started.Skipped {
		return nil
	}
	text := fmt.Sprintf("The webhook of step %s of %s is not done yet: %s", stepName(t), t.Names.target(), strings.TrimSuffix(f.Message, "."))
	if t.overdue(started.WebhookSince.Time) {
		return func(t *transition) { rollBackKept(t, fmt.Sprintf("%s, after %s", text, t.Plan.Deadline)) }
	}
	return func(t *transition) { repeat(t, WaitWebhook, text) }
}
