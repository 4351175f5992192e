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

// What messages call the hooks of each kind.
const (
	preRollout = "pre-rollout"
	external   = "external"
)

func (a *Analyst) hook(ctx context.Context, c *v1beta1.Canary, kind string, h v1beta1.CanaryWebhook) rollout.Finding {
	err := a.hooks.call(ctx, c, h)
	if err == nil {
		return rollout.Finding{Name: h.Name, Passed: true}
	}
	return rollout.Finding{
		Name:    h.Name,
		Message: fmt.Sprintf("Halt %s.%s advancement %s check %s failed %v", c.Name, c.Namespace, kind, h.Name, err),
	}
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
