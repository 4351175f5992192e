package analysis

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric"
)

// broken panics wherever an Analyst asks somebody else, as decoders do on answers that nobody has thought of.
type broken struct{}

func (broken) Template(context.Context, *v1beta1.Canary, v1beta1.CrossNamespaceRef) (*v1beta1.MetricTemplate, error) {
	panic("no template with s3cret-token")
}

func (broken) Secret(context.Context, string, string) (map[string][]byte, error) {
	panic("no secret")
}

func (broken) Do(context.Context, string, string, []byte) ([]byte, error) {
	panic("no answer to s3cret-token")
}

func (broken) Query(context.Context, string) (float64, error) { panic("no number") }

func (broken) Samples(context.Context, string, time.Time) ([]metric.Sample, error) {
	panic("no samples")
}

func (broken) RoundTrip(*http.Request) (*http.Response, error) {
	panic("no answer to s3cret-token")
}

// TestPanicFailsACheck: each of these took the process down, and with it all rollouts.
func TestPanicFailsACheck(t *testing.T) {
	cluster := v1beta1.MetricTemplateSpec{
		Provider: v1beta1.MetricProvider{Type: "externalmetrics", SecretRef: &v1beta1.SecretRef{Name: "keys"}}, Query: "shop/errors",
	}
	kept := &shelf{
		templates: map[string]v1beta1.MetricTemplateSpec{"test/here": cluster},
		secrets:   map[string]map[string]string{"test/keys": {"token": "s3cret-token"}},
	}
	hook := v1beta1.CanaryWebhook{Name: "gate", URL: "http://gate.example", Headers: map[string]string{"Authorization": "Bearer s3cret-token"}}
	cases := map[string]struct {
		reason  string
		analyst func(a *Analyst)
		ask     checks
		want    string
	}{
		"Metric": {
			reason: "A number that somebody trips over.", analyst: func(a *Analyst) { a.Observe = func(*v1beta1.Canary, string, float64) { panic("no room") } },
			ask: asking(rate(99))(""), want: "Prometheus query failed: panic: no room",
		},
		"Answer": {
			reason: "An answer that no decoder understands.", analyst: func(a *Analyst) { a.Library, a.Cluster = kept, broken{} },
			ask: asking(referring("here"))(""), want: "Metric query failed for errors: panic: no answer to ***",
		},
		"Template": {
			reason: "A template that nobody can read.", analyst: func(a *Analyst) { a.Library = broken{} },
			ask: asking(v1beta1.CanaryMetric{Name: "errors", TemplateRef: &v1beta1.CrossNamespaceRef{Name: "here"}})(""), want: "Metric query failed for errors: panic: no template",
		},
		"Hook": {
			reason: "What a hook answers.", analyst: func(a *Analyst) { a.hooks.strict.Transport = broken{} },
			ask: checks{Hooks: []v1beta1.CanaryWebhook{hook}}, want: "external check gate failed panic: no answer to ***",
		},
		"HookSecret": {
			reason: "What a hook is shown.", analyst: func(a *Analyst) { a.Library = broken{} },
			ask:  checks{Hooks: []v1beta1.CanaryWebhook{{Name: "gate", URL: "http://gate.example", SecretRef: &v1beta1.SecretRef{Name: "keys"}}}},
			want: "external check gate failed panic: no secret",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			a := impatient(serve(t, measuring("100")))
			tc.analyst(a)
			found := ask(t.Context(), a, podinfo(), tc.ask)
			require.Len(t, found, 1)
			require.Equal(t, v1beta1.Failed, found[0].Verdict, tc.reason)
			require.Contains(t, found[0].Message, tc.want, tc.reason)
		})
	}
}

func TestPanicOfOneSide(t *testing.T) {
	s := &source{canary: podinfo(), metric: rate(99), kind: &successRate, template: "up"}
	require.EqualError(t, s.sample(t.Context(), broken{}, "podinfo", time.Time{}).err, "panic: no samples", "Both sides are asked in goroutines of their own.")
}

func TestPanicOfProbe(t *testing.T) {
	a := impatient("")
	a.Library = broken{}
	c := podinfo()
	c.Spec.Analysis = &v1beta1.CanaryAnalysis{Metrics: []v1beta1.CanaryMetric{referring("here")}}
	found := ask(t.Context(), a, c, checks{Systems: true})
	require.Len(t, found, 1)
	require.Equal(t, v1beta1.Failed, found[0].Verdict)
}
