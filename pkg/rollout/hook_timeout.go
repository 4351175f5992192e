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
func shortenedHooks(hooks []v1beta1.CanaryWebhook) []Remark {
	var remarks []Remark
	for i, h := range hooks {
		// What is no duration was refused before.
		if d, err := time.ParseDuration(h.Timeout); err == nil && d > LongestHook {
			remarks = append(remarks, Remark{ReasonStrategyAdjusted,
				fmt.Sprintf("Webhook %s (spec.analysis.webhooks[%d]) is given 1h to answer, not its timeout of %s", h.Name, i, h.Timeout)})
		}
	}
	return remarks
}
