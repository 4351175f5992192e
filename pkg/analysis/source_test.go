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
		return impatient("").settings(&source{canary: c, metric: m, kind: &custom}, &entry{template: template}).Job
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
