package workload_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/workload"
)

func TestStopFor(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		spec   v1beta1.CanarySpec
		want   string
	}{
		"Plain": {reason: "most Canaries name nothing of the user's but the target", want: `{"canary":"web","uid":"1","size":3}`},
		"KEDA": {
			reason: "its ScaledObject is paused; what the Canary says about the primary's is not needed",
			spec: v1beta1.CanarySpec{AutoscalerRef: &v1beta1.AutoscalerRef{
				APIVersion: "keda.sh/v1alpha1", Kind: "ScaledObject", Name: "podinfo", PrimaryScalerQueries: map[string]string{"a": "up"},
			}},
			want: `{"canary":"web","uid":"1","size":3,"scaler":{"apiVersion":"keda.sh/v1alpha1","kind":"ScaledObject","name":"podinfo"}}`,
		},
		"HorizontalPodAutoscaler": {
			reason: "it rests by itself while its target has no pods",
			spec:   v1beta1.CanarySpec{AutoscalerRef: &v1beta1.AutoscalerRef{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler", Name: "podinfo"}},
			want:   `{"canary":"web","uid":"1","size":3}`,
		},
		"OwnRoutes": {
			reason: "a route of the user's is led back by the provider, and by the Services' names",
			spec: v1beta1.CanarySpec{Provider: "istio", Service: v1beta1.CanaryService{
				Name: "shop", RouteRefs: []v1beta1.OwnRoute{{Kind: "VirtualService", Name: "storefront"}},
			}},
			want: `{"canary":"web","uid":"1","size":3,"provider":"istio","service":"shop","routes":[{"kind":"VirtualService","name":"storefront"}]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Namespace: "test", Name: "web", UID: "1"}, Spec: tc.spec}
			s := workload.RestoreInfoFor(c, 3)
			require.Equal(t, tc.want, s.String(), tc.reason)
			target := deployment(map[string]string{"app": "podinfo"})
			target.Annotations = map[string]string{workload.RestoreAnnotation: s.String()}
			read, ok := workload.RestoreInfoOf(target)
			require.True(t, ok)
			require.Equal(t, s, read, "it is read as it was written")

			stand := read.AsCanary(target)
			require.Equal(t, c.ObjectMeta, stand.ObjectMeta, "it is known who it was")
			require.Equal(t, v1beta1.TargetRef{APIVersion: "apps/v1", Kind: "Deployment", Name: "podinfo"}, stand.Spec.TargetRef)
			require.Equal(t, int32(3), stand.Status.PrimaryReplicas)
			require.Equal(t, s, workload.RestoreInfoFor(stand, 3), "nothing is lost on the way")
		})
	}
}

func TestStopOf(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		notes  map[string]string
		want   bool
	}{
		"None":      {reason: "most workloads have nothing to do with us", notes: map[string]string{"team": "web"}},
		"Whole":     {reason: "what we wrote is read", notes: map[string]string{workload.RestoreAnnotation: `{"canary":"web","size":2}`}, want: true},
		"Later":     {reason: "a newer version may say more", notes: map[string]string{workload.RestoreAnnotation: `{"canary":"web","size":2,"more":true}`}, want: true},
		"NotJSON":   {reason: "a text that somebody made up is no order", notes: map[string]string{workload.RestoreAnnotation: "3"}},
		"NoSize":    {reason: "nothing is started at no size", notes: map[string]string{workload.RestoreAnnotation: `{"canary":"web"}`}},
		"NobodyHad": {reason: "nor for nobody", notes: map[string]string{workload.RestoreAnnotation: `{"size":2}`}},
	} {
		t.Run(name, func(t *testing.T) {
			target := deployment(map[string]string{"app": "podinfo"})
			target.Annotations = tc.notes
			_, ok := workload.RestoreInfoOf(target)
			require.Equal(t, tc.want, ok, tc.reason)
		})
	}
}

func TestStopIsTheTargetsAlone(t *testing.T) {
	stop := map[string]string{workload.RestoreAnnotation: `{"canary":"web","size":2}`}
	target := deployment(map[string]string{"app": "podinfo"})
	target.Annotations = stop
	require.NotContains(t, primaryOf(t, target).Annotations, workload.RestoreAnnotation, "a primary never rests")
	before := workload.Revision(target.Spec.Template, nil)
	target.Annotations = nil
	require.Equal(t, before, workload.Revision(target.Spec.Template, nil), "to rest is no revision")
}

func TestClear(t *testing.T) {
	for kind, target := range map[string]workload.Object{"Deployment": deployment(nil), "DaemonSet": daemons()} {
		made, ok := workload.ClearRestoreInfo(target).(workload.Patch)
		require.True(t, ok, "an apply would have to say the size as well")
		raw, err := made.MarshalJSON()
		require.NoError(t, err)
		require.JSONEq(t, `{"apiVersion": "apps/v1", "kind": "`+kind+`",
			"metadata": {"name": "podinfo", "namespace": "test", "annotations": {"sluice.dev/stopped": null}}}`, string(raw))
	}
}
