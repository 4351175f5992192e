package workload_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/workload"
)

func TestPrimaryQuery(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		query  string
		want   string
	}{
		"Target":    {reason: "the target's name is the primary's", query: `sum(rate(r{app="podinfo"}[1m]))`, want: `sum(rate(r{app="podinfo-primary"}[1m]))`},
		"Canary":    {reason: "the canary Service leads to the target", query: `r{svc="podinfo-canary"}`, want: `r{svc="podinfo-primary"}`},
		"Primary":   {reason: "the primary's stays", query: `r{svc="podinfo-primary"}`, want: `r{svc="podinfo-primary"}`},
		"Twice":     {reason: "everywhere", query: `r{a="podinfo",b="podinfo-canary"}`, want: `r{a="podinfo-primary",b="podinfo-primary"}`},
		"Pattern":   {reason: "names of pods begin with it", query: `r{pod=~"podinfo-.*"}`, want: `r{pod=~"podinfo-primary-.*"}`},
		"Class":     {reason: "in either way of writing", query: `r{pod=~"podinfo-[0-9a-z]+"}`, want: `r{pod=~"podinfo-primary-[0-9a-z]+"}`},
		"CanaryPod": {reason: "pods of a canary Service's name as well", query: `r{pod=~"podinfo-canary-.*"}`, want: `r{pod=~"podinfo-primary-.*"}`},
		"Metric":    {reason: "a metric's name would be none any more", query: `podinfo_requests_total`, want: `podinfo_requests_total`},
		"Neighbour": {reason: "another app that is named alike", query: `r{app="podinfo-backend"}`, want: `r{app="podinfo-backend"}`},
		"Suffix":    {reason: "in front as well", query: `r{app="my-podinfo"}`, want: `r{app="my-podinfo"}`},
		"Canaries":  {reason: "what only begins like the canary", query: `r{app="podinfo-canaryhouse"}`, want: `r{app="podinfo-canaryhouse"}`},
		"End":       {reason: "at the very end", query: `podinfo`, want: `podinfo-primary`},
		"Dash":      {reason: "with a dash at the very end", query: `podinfo-`, want: `podinfo-primary-`},
		"Absent":    {reason: "where it is not named nothing changes", query: `up`, want: `up`},
		"Empty":     {reason: "nor in an empty query"},
	} {
		t.Run(name, func(t *testing.T) {
			c := canary()
			c.Spec.AutoscalerRef = &v1beta1.AutoscalerRef{Kind: "ScaledObject", Name: "podinfo"}
			u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
				"scaleTargetRef": map[string]any{"name": "podinfo"},
				"triggers":       []any{map[string]any{"type": "prometheus", "metadata": map[string]any{"query": tc.query}}},
			}}}
			made, ok := golden{}.rules().ScaledObject(u, c, 0).(workload.Custom)
			require.True(t, ok)
			triggers, _, err := unstructured.NestedSlice(made.Object, "spec", "triggers")
			require.NoError(t, err)
			require.Equal(t, tc.want, triggers[0].(map[string]any)["metadata"].(map[string]any)["query"], tc.reason)
		})
	}
}

func TestScaledObjectPaused(t *testing.T) {
	o := &metav1.ObjectMeta{Annotations: map[string]string{"autoscaling.keda.sh/paused-replicas": "3"}}
	require.False(t, workload.ScaledObjectPaused(o), "somebody else's pause is not ours to end")
	o.Annotations = map[string]string{"autoscaling.keda.sh/paused-replicas": "0"}
	require.True(t, workload.ScaledObjectPaused(o))
}

func TestScaledObjectWithoutSpec(t *testing.T) {
	c := canary()
	c.Spec.AutoscalerRef = &v1beta1.AutoscalerRef{Kind: "ScaledObject", Name: "podinfo"}
	made, ok := golden{}.rules().ScaledObject(&unstructured.Unstructured{Object: map[string]any{}}, c, 2).(workload.Custom)
	require.True(t, ok, "what was never valid is no panic")
	require.Equal(t, "podinfo-primary", made.GetName())
}
