package analysis

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/outbound"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// File hook.go has what webhooks are sent and what people are told of them; caller.go has the call itself.

// hook asks one webhook. A rollback hook that agrees has passed as well: what that means is the rollout's affair. That of a step
// may be waited for.
func (a *Analyst) hook(ctx context.Context, c *v1beta1.Canary, h v1beta1.CanaryWebhook) rollout.Finding {
	f := rollout.Finding{Verdict: v1beta1.Passed}
	err, later := a.ask(ctx, c, h), (*notDoneError)(nil)
	switch {
	case errors.As(err, &later):
		f.Verdict = v1beta1.Waiting
		f.Message = bounded(later.said, maxMessage)
	case err != nil:
		f.Verdict = v1beta1.Failed
		f.Message = bounded(fmt.Sprintf(refusals[h.Moment()], c.Name, c.Namespace, h.Name)+err.Error(), maxMessage)
	}
	return f
}

// refusals are what people are told when a hook does not agree. The hook's answer follows.
// Texts of the interface. Hooks of other types never halt anything, and have none here.
var refusals = map[v1beta1.HookType]string{
	v1beta1.ConfirmRolloutHook:         "Halt %s.%s advancement waiting for approval %s: ",
	v1beta1.PreRolloutHook:             "Halt %s.%s advancement pre-rollout check %s failed ",
	v1beta1.RolloutHook:                "Halt %s.%s advancement external check %s failed ",
	v1beta1.ConfirmTrafficIncreaseHook: "Halt %s.%s advancement waiting for traffic increase approval %s: ",
	v1beta1.ConfirmPromotionHook:       "Halt %s.%s advancement waiting for promotion approval %s: ",
	v1beta1.StepHook:                   "Halt %s.%s advancement webhook of step %s failed ",
	v1beta1.RollbackHook:               "Rollback of %s.%s not asked for by hook %s: ",
}

// ask calls a hook at its moment of a rollout.
func (a *Analyst) ask(ctx context.Context, c *v1beta1.Canary, h v1beta1.CanaryWebhook) error {
	return a.call(ctx, c, h, payload{Phase: phase(c, h.Moment()), Metadata: h.Metadata})
}

// phase is what a hook is told. Hooks that judge the canary were always told Progressing, also while it waits for
// its promotion.
func phase(c *v1beta1.Canary, moment v1beta1.HookType) v1beta1.CanaryPhase {
	switch moment {
	case v1beta1.PreRolloutHook, v1beta1.RolloutHook, v1beta1.ConfirmTrafficIncreaseHook, v1beta1.ConfirmPromotionHook, v1beta1.StepHook:
		return v1beta1.PhaseProgressing
	default:
		return c.Status.Phase
	}
}

// Call tells a webhook that something has happened: hooks of the types event and post-rollout, which nothing waits
// for. It is sent the Canary's present phase, its own metadata, and more, which goes before that. The error is
// one line, without the address and without anything secret.
func (a *Analyst) Call(ctx context.Context, c *v1beta1.Canary, h v1beta1.CanaryWebhook, more map[string]string) error {
	metadata := maps.Clone(h.Metadata)
	if metadata == nil {
		metadata = map[string]string{}
	}
	// What happened counts more than what the spec says: readers rely on these keys.
	maps.Copy(metadata, more)
	return a.call(ctx, c, h, payload{Phase: c.Status.Phase, Metadata: metadata})
}

// call sends a payload, with the credentials that the hook's Secret holds at this moment. The timeout covers all
// of it, so that a round's length is known from the spec.
func (a *Analyst) call(ctx context.Context, c *v1beta1.Canary, h v1beta1.CanaryWebhook, p payload) (err error) {
	var secrets outbound.Secrets
	defer func() {
		if broken := panicked(ctx, recover()); broken != nil {
			err = broken
		}
		if later := (*notDoneError)(nil); errors.As(err, &later) {
			err = &notDoneError{secrets.Hide(later.said)}
			return
		}
		err = secrets.HideError(err)
	}()
	timeout, err := hookTimeoutOf(h)
	if err != nil {
		return err
	}
	within, cancel := context.WithTimeout(outbound.For(ctx, c.Namespace), timeout)
	defer cancel()
	p.Name, p.Namespace, p.Checksum = c.Name, c.Namespace, checksum(c.Status)
	body, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("writing the payload: %w", err)
	}
	sent, err := a.credentials(within, c, h)
	if err != nil {
		return err
	}
	secrets = sent.secrets
	return a.hooks.call(within, h, timeout, body, sent)
}

// payload is what a hook is sent.
type payload struct {
	Name      string              `json:"name"`
	Namespace string              `json:"namespace"`
	Phase     v1beta1.CanaryPhase `json:"phase"`
	// Checksum is the same for as long as the same revision is rolled out, so that a receiver can tell
	// a repetition from a new rollout.
	Checksum string            `json:"checksum"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// checksum stands for what is rolled out: the revision, and the configuration it reads. It is written
// as JSON first, which sorts the configs.
func checksum(s v1beta1.CanaryStatus) string {
	configs := map[string]string{}
	if s.TrackedConfigs != nil {
		maps.Copy(configs, *s.TrackedConfigs) // a nil map would be written as another text
	}
	text, err := json.Marshal([]any{configs, s.LastAppliedSpec})
	if err != nil { // strings always marshal
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
