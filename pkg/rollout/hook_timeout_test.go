package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func TestShortenedHooks(t *testing.T) {
	for name, c := range map[string]struct {
		reason  string
		timeout string
		skip    bool
		want    []Remark
	}{
		"LeftOut": {reason: "The default is ten seconds."},
		"Hour":    {reason: "It is given what it asks for.", timeout: "1h"},
		"Day": {
			reason: "What is accepted and not followed is said.", timeout: "24h",
			want: []Remark{{ReasonStrategyAdjusted, "Webhook gate (spec.analysis.webhooks[0]) is given 1h to answer, not its timeout of 24h"}},
		},
		"Skipped": {
			reason: "Without analysis a gate is asked as well.", timeout: "61m", skip: true,
			want: []Remark{{ReasonStrategyAdjusted, "Webhook gate (spec.analysis.webhooks[0]) is given 1h to answer, not its timeout of 61m"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			spec := specOf(analysis(func(a *v1beta1.CanaryAnalysis) {
				a.Webhooks = []v1beta1.CanaryWebhook{{Name: "gate", URL: "http://gate", Timeout: c.timeout}}
			}))
			spec.SkipAnalysis = c.skip
			p, err := Compile(spec, weighted)
			require.NoError(t, err, c.reason)
			require.Equal(t, c.want, p.Remarks, c.reason)
		})
	}
}
