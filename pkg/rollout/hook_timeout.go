package rollout

import (
	"fmt"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// LongestHook is how long asking a hook may take at most, all attempts together: a call that never ends is a connection
// and memory that are never given back.
const LongestHook = time.Hour

// shortenedHooks are the remarks about hooks that are given less time than the spec says.
func shortenedHooks(p *Plan) []Remark {
	var remarks []Remark
	shortened := func(h v1beta1.CanaryWebhook, what, field string) {
		// What is no duration was refused before.
		if d, err := time.ParseDuration(h.Timeout); err == nil && d > LongestHook {
			remarks = append(remarks, Remark{ReasonStrategyAdjusted,
				fmt.Sprintf("%s %s (%s) is given 1h to answer, not its timeout of %s", what, h.Name, field, h.Timeout)})
		}
	}
	for i, h := range p.Hooks {
		shortened(h, "Webhook", fmt.Sprintf("spec.analysis.webhooks[%d]", i))
	}
	for i, s := range p.Steps {
		if s.Webhook != nil {
			shortened(*s.Webhook, "The webhook of step", stepField(i)+".webhook")
		}
	}
	return remarks
}
