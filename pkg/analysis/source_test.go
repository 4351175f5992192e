package analysis

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric"
)

// TestRounds has what is made in the cluster be found again by the check it was made for, and by no other. A template
// of keptn has no spec.job, and needs all of it but that.
func TestRounds(t *testing.T) {
	begun := metav1.NewMicroTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	job := func(change func(c *v1beta1.Canary, m *v1beta1.CanaryMetric)) metric.Job {
		c, m := podinfo(), referring("here")
		c.UID, c.Status.NextCheck = "0d1c", &begun
		change(c, &m)
		template := &v1beta1.MetricTemplate{Spec: v1beta1.MetricTemplateSpec{Provider: v1beta1.MetricProvider{Type: "keptn"}}}
		return impatient("").settings(t.Context(), &source{canary: c, metric: m, kind: &custom}, &entry{template: template}).Job
	}
	first := job(func(*v1beta1.Canary, *v1beta1.CanaryMetric) {})
	require.Equal(t, map[string]string{"app.kubernetes.io/managed-by": "sluice"}, first.Labels)
	require.Equal(t, types.UID("0d1c"), first.Owner.UID, "It goes with its Canary.")
	require.Empty(t, first.Template)
	cases := map[string]struct {
		reason string
		change func(c *v1beta1.Canary, m *v1beta1.CanaryMetric)
		same   bool
	}{
		"Again": {reason: "A check that was broken off finds its own.", change: func(*v1beta1.Canary, *v1beta1.CanaryMetric) {}, same: true},
		"NextCheck": {reason: "Each check asks anew.", change: func(c *v1beta1.Canary, _ *v1beta1.CanaryMetric) {
			c.Status.NextCheck = new(metav1.NewMicroTime(begun.Add(1)))
		}},
		"OtherCanary":   {reason: "Another Canary may have the same query.", change: func(c *v1beta1.Canary, _ *v1beta1.CanaryMetric) { c.UID = "7f3a" }},
		"OtherMetric":   {reason: "So may another metric.", change: func(_ *v1beta1.Canary, m *v1beta1.CanaryMetric) { m.Name = "latency" }},
		"OtherRevision": {reason: "A new revision begins anew.", change: func(c *v1beta1.Canary, _ *v1beta1.CanaryMetric) { c.Status.LastAppliedSpec = "r2-def" }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.same, first.Round == job(tc.change).Round, tc.reason) })
	}
}

// TestWordsOfTargets has a query name what is judged, whatever kind of target that is.
func TestWordsOfTargets(t *testing.T) {
	cases := map[string]struct {
		reason, kind, applied string
		route                 string // of the Canary's own
		query, want           string
		primary               string // the same of the primary; empty: not asked
	}{
		"Deployment": {
			reason: "Of a Deployment's pods a hash and a suffix.", kind: "Deployment", applied: "r1-abc",
			query: "{{ kind }} {{ pods }} {{ route }}", want: "Deployment podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+) podinfo",
		},
		"DaemonSet": {
			reason: "Of a DaemonSet's the suffix alone, or its primary's pods were meant.", kind: "DaemonSet", applied: "r1-abc",
			query: "{{ kind }} {{ pods }} {{ route }}", want: "DaemonSet podinfo-[0-9a-zA-Z]+ podinfo",
		},
		"Knative": {
			reason: "Its proxies count by revision.", kind: "Service", applied: "r1-podinfo-00002",
			query: "{{ route }}", want: "podinfo-00002", primary: "podinfo-00001",
		},
		"KnativeFromAnotherController": {
			reason: "A hash of another controller's names no revision.", kind: "Service", applied: "6d9d4c5b7f",
			query: "{{ route }}", want: "podinfo",
		},
		"Backend": {
			reason: "Series that name the Service of a side.", kind: "Deployment", applied: "r1-abc",
			query: "{{ service }} {{ backend }}", want: "podinfo podinfo-canary", primary: "podinfo podinfo-primary",
		},
		"Route": {
			reason: "A route that is named is a route.", kind: "Deployment", applied: "r1-abc", route: "front",
			query: "{{ route }}", want: "front",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := podinfo()
			c.Spec.TargetRef.Kind, c.Status.LastAppliedSpec, c.Status.LastPromotedSpec = tc.kind, tc.applied, "r1-podinfo-00001"
			if tc.route != "" {
				c.Spec.RouteRef = &v1beta1.RouteRef{Name: tc.route}
			}
			got, err := (&source{canary: c, template: tc.query}).render(c.Spec.TargetRef.Name)
			require.NoError(t, err, tc.reason)
			require.Equal(t, tc.want, got, tc.reason)
			if tc.primary != "" {
				got, err = (&source{canary: c, template: tc.query}).render(c.PrimaryWorkload())
				require.NoError(t, err, tc.reason)
				require.Equal(t, tc.primary, got, tc.reason)
			}
		})
	}
}

func TestMeter(t *testing.T) {
	for _, tc := range []struct{ reason, operator, canary, want string }{
		{"the operator's, where the Canary names none", "istio", "", "istio"},
		{"the Canary's", "istio", "nginx", "nginx"},
		{"Linkerd's proxies are behind every ingress", "linkerd", "nginx", "linkerd"},
		{"and every gateway", "linkerd", "gatewayapi:v1", "linkerd"},
		{"a Canary's mesh is no more than its own", "nginx", "linkerd", "linkerd"},
		{"without a name of any", "", "", ""},
	} {
		c := podinfo()
		c.Spec.Provider = tc.canary
		require.Equal(t, tc.want, New("", tc.operator).Meter(c), tc.reason)
	}
}

// TestIntervals has systems that look back by themselves understand what others take for text.
func TestIntervals(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": time.Minute, "30s": 30 * time.Second, "1m30s": 90 * time.Second, "1min": time.Minute, "5minutes": 5 * time.Minute, "2hours": 2 * time.Hour, "soon": 0,
	} {
		m := referring("here")
		m.Interval = text
		s := &source{canary: podinfo(), metric: m, kind: &custom}
		e := &entry{template: &v1beta1.MetricTemplate{}}
		require.Equal(t, want, impatient("").settings(t.Context(), s, e).Interval, text)
	}
}
