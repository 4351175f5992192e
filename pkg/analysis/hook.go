package analysis

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

func (a *Analyst) hook(ctx context.Context, c *v1beta1.Canary, h v1beta1.CanaryWebhook) rollout.Finding {
	f := rollout.Finding{Name: h.Name, Moment: moment(h), Verdict: v1beta1.Passed}
	if err := a.hooks.call(ctx, c, h); err != nil {
		f.Verdict = v1beta1.Failed
		f.Message = fmt.Sprintf(refusals[f.Moment], c.Name, c.Namespace, h.Name) + err.Error()
	}
	return f
}

// refusals are what people are told when a hook does not agree. The hook's answer follows.
var refusals = map[v1beta1.HookType]string{
	v1beta1.ConfirmRolloutHook:         "Halt %s.%s advancement waiting for approval %s: ",
	v1beta1.PreRolloutHook:             "Halt %s.%s advancement pre-rollout check %s failed ",
	v1beta1.RolloutHook:                "Halt %s.%s advancement external check %s failed ",
	v1beta1.ConfirmTrafficIncreaseHook: "Halt %s.%s advancement waiting for traffic increase approval %s: ",
	v1beta1.ConfirmPromotionHook:       "Halt %s.%s advancement waiting for promotion approval %s: ",
	v1beta1.RollbackHook:               "Rollback of %s.%s not asked for by hook %s: ",
}

// moment is a hook's type; one without judges the canary.
func moment(h v1beta1.CanaryWebhook) v1beta1.HookType {
	if h.Type == "" {
		return v1beta1.RolloutHook
	}
	return h.Type
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

// body is the payload of a hook that is called during a rollout, and only then are these called.
func body(c *v1beta1.Canary, h v1beta1.CanaryWebhook) ([]byte, error) {
	return json.Marshal(payload{
		Name:      c.Name,
		Namespace: c.Namespace,
		Phase:     v1beta1.PhaseProgressing,
		Checksum:  checksum(c.Status),
		Metadata:  h.Metadata,
	})
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
