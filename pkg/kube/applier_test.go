package kube_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	autoscalingv2ac "k8s.io/client-go/applyconfigurations/autoscaling/v2"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
)

func (b *bench) autoscaler() runtime.ApplyConfiguration {
	return autoscalingv2ac.HorizontalPodAutoscaler("podinfo-primary", b.ns).
		WithOwnerReferences(b.reference()).
		WithSpec(autoscalingv2ac.HorizontalPodAutoscalerSpec().
			WithScaleTargetRef(autoscalingv2ac.CrossVersionObjectReference().
				WithAPIVersion("apps/v1").WithKind("Deployment").WithName("podinfo-primary")).
			WithMinReplicas(2).WithMaxReplicas(4).
			WithMetrics(
				autoscalingv2ac.MetricSpec().WithType("Resource").WithResource(autoscalingv2ac.ResourceMetricSource().
					WithName(corev1.ResourceCPU).
					WithTarget(autoscalingv2ac.MetricTarget().WithType("AverageValue").WithAverageValue(quantity("1000m")))),
				autoscalingv2ac.MetricSpec().WithType("Resource").WithResource(autoscalingv2ac.ResourceMetricSource().
					WithName(corev1.ResourceMemory).
					WithTarget(autoscalingv2ac.MetricTarget().WithType("Utilization").WithAverageUtilization(80)))))
}

func (b *bench) configMap(value string) *corev1ac.ConfigMapApplyConfiguration {
	return corev1ac.ConfigMap("settings-primary", b.ns).
		WithOwnerReferences(b.reference()).
		WithData(map[string]string{"color": value})
}

func (b *bench) all() map[string]runtime.ApplyConfiguration {
	return map[string]runtime.ApplyConfiguration{
		"services":                 b.service(),
		"deployments":              b.deployment("podinfo:1"),
		"horizontalpodautoscalers": b.autoscaler(),
		"configmaps":               b.configMap("blue"),
		"virtualservices":          virtualService(b, 10),
	}
}

func TestApplyOnce(t *testing.T) {
	b := newBench(t)
	for resource, obj := range b.all() {
		t.Run(resource, func(t *testing.T) {
			b.made.Reset()
			require.True(t, b.apply(obj), "what is missing is made")
			require.Equal(t, 1, b.made.Writes(), "by one request")
			require.Zero(t, b.made.Count("get", resource), "and nothing is read before")
			b.quiet("what the server has made of it is what we asked for", obj)
			b.restart()
			b.quiet("an operator that has just started finds it in place", obj)
		})
	}
}

func TestApplyUnchangedKeepsVersion(t *testing.T) {
	b := newBench(t)
	svc := b.service()
	require.True(t, b.apply(svc))
	before := get(b, &corev1.Service{}, "podinfo")

	b.apply(b.service().WithLabels(map[string]string{"more": "yes"}))
	b.apply(svc)
	after := get(b, &corev1.Service{}, "podinfo")
	require.NotEqual(t, before.ResourceVersion, after.ResourceVersion, "there and back are two writes")
	require.NotContains(t, after.Labels, "more", "a field that is no longer desired goes")
	require.True(t, kube.AppliedAt(after).After(kube.AppliedAt(before)), "and the time says so")
}

func TestHandEdits(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		object string
		edit   func(b *bench)
		obj    func(b *bench) runtime.ApplyConfiguration
		check  func(t *testing.T, b *bench)
	}{
		"Selector": {
			reason: "a Service that selects somebody else sends users there",
			object: "Service podinfo",
			obj:    func(b *bench) runtime.ApplyConfiguration { return b.service() },
			edit: func(b *bench) {
				edit(b, &corev1.Service{}, "podinfo", func(s *corev1.Service) { s.Spec.Selector = map[string]string{"app": "other"} })
			},
			check: func(t *testing.T, b *bench) {
				svc := get(b, &corev1.Service{}, "podinfo")
				require.Equal(t, map[string]string{"app": "podinfo-primary"}, svc.Spec.Selector)
			},
		},
		"Port": {
			reason: "one of several ports",
			object: "Service podinfo",
			obj:    func(b *bench) runtime.ApplyConfiguration { return b.service() },
			edit: func(b *bench) {
				edit(b, &corev1.Service{}, "podinfo", func(s *corev1.Service) { s.Spec.Ports[1].TargetPort.IntVal = 1 })
			},
			check: func(t *testing.T, b *bench) {
				require.Equal(t, 9090, get(b, &corev1.Service{}, "podinfo").Spec.Ports[1].TargetPort.IntValue())
			},
		},
		"Image": {
			reason: "the primary only runs what was promoted",
			object: "Deployment podinfo-primary",
			obj:    func(b *bench) runtime.ApplyConfiguration { return b.deployment("podinfo:1") },
			edit: func(b *bench) {
				edit(b, &appsv1.Deployment{}, "podinfo-primary", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "podinfo:2" })
			},
			check: func(t *testing.T, b *bench) {
				d := get(b, &appsv1.Deployment{}, "podinfo-primary")
				require.Equal(t, "podinfo:1", d.Spec.Template.Spec.Containers[0].Image)
			},
		},
		"Weight": {
			reason: "the share of the canary is not for others to set",
			object: "VirtualService podinfo",
			obj:    func(b *bench) runtime.ApplyConfiguration { return virtualService(b, 10) },
			edit:   func(b *bench) { edit(b, anyVirtualService(), "podinfo", setWeights(50, 50)) },
			check:  func(t *testing.T, b *bench) { require.Equal(t, []int64{90, 10}, weights(t, b)) },
		},
		"RouteAdded": {
			reason: "a field added inside a list that is ours shadows what we set",
			object: "VirtualService podinfo",
			obj:    func(b *bench) runtime.ApplyConfiguration { return virtualService(b, 10) },
			edit: func(b *bench) {
				edit(b, anyVirtualService(), "podinfo", func(u *unstructured.Unstructured) {
					http, _, _ := unstructured.NestedSlice(u.Object, "spec", "http")
					http[0].(map[string]any)["timeout"] = "1s"
					require.NoError(b.t, unstructured.SetNestedSlice(u.Object, http, "spec", "http"))
				})
			},
			check: func(t *testing.T, b *bench) {
				http, _, err := unstructured.NestedSlice(get(b, anyVirtualService(), "podinfo").Object, "spec", "http")
				require.NoError(t, err)
				require.NotContains(t, http[0], "timeout")
			},
		},
		"Data": {
			reason: "of a ConfigMap only the metadata is watched",
			object: "ConfigMap settings-primary",
			obj:    func(b *bench) runtime.ApplyConfiguration { return b.configMap("blue") },
			edit: func(b *bench) {
				edit(b, &corev1.ConfigMap{}, "settings-primary", func(c *corev1.ConfigMap) { c.Data["color"] = "red" })
			},
			check: func(t *testing.T, b *bench) {
				require.Equal(t, "blue", get(b, &corev1.ConfigMap{}, "settings-primary").Data["color"])
			},
		},
		"OwnerReference": {
			reason: "without it nobody would delete the object",
			object: "Service podinfo",
			obj:    func(b *bench) runtime.ApplyConfiguration { return b.service() },
			edit: func(b *bench) {
				edit(b, &corev1.Service{}, "podinfo", func(s *corev1.Service) { s.OwnerReferences = nil })
			},
			check: func(t *testing.T, b *bench) {
				require.True(t, metav1.IsControlledBy(get(b, &corev1.Service{}, "podinfo"), b.owner))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			drifted := []string{}
			b.Drifted = func(_ *v1beta1.Canary, object string) { drifted = append(drifted, object) }
			obj := tc.obj(b)
			b.apply(obj)
			b.quiet("settled before the edit", obj)
			require.Empty(t, drifted, "what we make for the first time has not drifted")
			first, last, err := b.Snapshot().AppliedTimes(t.Context(), obj)
			require.NoError(t, err)
			require.Equal(t, last, first)
			tc.edit(b)
			b.pends(obj)
			b.made.Reset()
			require.True(t, b.apply(obj), tc.reason)
			require.Equal(t, 1, b.made.Writes(), "put back once")
			require.Equal(t, []string{tc.object}, drifted, "and told once")
			tc.check(t, b)
			b.quiet("and settled again", obj)
			still, again, err := b.Snapshot().AppliedTimes(t.Context(), obj)
			require.NoError(t, err)
			require.Equal(t, first, still, "it is what was applied then")
			require.True(t, again.After(last), "proxies have to take it anew")
			b.restart()
			b.quiet("after a restart as well", obj)
		})
	}
}

func setWeights(values ...int64) func(*unstructured.Unstructured) {
	return func(u *unstructured.Unstructured) {
		http, _, _ := unstructured.NestedSlice(u.Object, "spec", "http")
		routes := http[0].(map[string]any)["route"].([]any)
		for i, value := range values {
			routes[i].(map[string]any)["weight"] = value
		}
		_ = unstructured.SetNestedSlice(u.Object, http, "spec", "http")
	}
}

func weights(t *testing.T, b *bench) []int64 {
	http, _, err := unstructured.NestedSlice(get(b, anyVirtualService(), "podinfo").Object, "spec", "http")
	require.NoError(t, err)
	var out []int64
	for _, r := range http[0].(map[string]any)["route"].([]any) {
		out = append(out, r.(map[string]any)["weight"].(int64))
	}
	return out
}
