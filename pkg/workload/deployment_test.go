package workload_test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

func deployment(match map[string]string) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "podinfo", Namespace: "test"},
		Spec:       appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: match}},
	}
}

func canary() *v1beta1.Canary {
	return &v1beta1.Canary{
		ObjectMeta: metav1.ObjectMeta{Name: "podinfo", Namespace: "test", UID: "1b3e"},
		Spec: v1beta1.CanarySpec{
			TargetRef: v1beta1.TargetRef{Kind: "Deployment", Name: "podinfo"},
			Service:   v1beta1.CanaryService{Port: 9898},
		},
	}
}

func primaryOf(t *testing.T, target *appsv1.Deployment) *appsv1ac.DeploymentApplyConfiguration {
	t.Helper()
	applied, err := golden{}.kind().Primary(target, canary(), workload.PrimaryOptions{Revision: "r1-1"})
	require.NoError(t, err)
	primary, ok := applied.(*appsv1ac.DeploymentApplyConfiguration)
	require.True(t, ok)
	return primary
}

func TestSelectorLabel(t *testing.T) {
	cases := map[string]struct {
		reason string
		match  map[string]string
		key    string
		value  string
	}{
		"First":  {reason: "the order is that of the flag", match: map[string]string{"name": "b", "app": "a"}, key: "app", value: "a"},
		"Second": {reason: "the first that is there counts", match: map[string]string{"tier": "c", "name": "b"}, key: "name", value: "b"},
		"Empty":  {reason: "a label may be without a value", match: map[string]string{"app": ""}, key: "app"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			selector := primaryOf(t, deployment(tc.match)).Spec.Selector.MatchLabels
			want := maps.Clone(tc.match)
			want[tc.key] = tc.value + "-primary"
			require.Equal(t, want, selector, tc.reason)
		})
	}
}

func TestSelectorLabelMissing(t *testing.T) {
	k, c := golden{}.kind(), canary()
	bare := deployment(nil)
	bare.Spec.Selector = nil
	cases := map[string]struct {
		reason string
		target *appsv1.Deployment
	}{
		"Others":      {reason: "a label nobody listed could be shared by the sides", target: deployment(map[string]string{"tier": "web"})},
		"NoLabels":    {reason: "a selector of expressions has no value to append to", target: deployment(nil)},
		"NoSelector":  {reason: "an object that was never valid is an error and no panic", target: bare},
		"OtherCasing": {reason: "labels are compared as they are", target: deployment(map[string]string{"App": "a"})},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, label := k.Sides(workload.Workloads{Target: tc.target})
			_, primary := k.Primary(tc.target, c, workload.PrimaryOptions{Revision: "r1-1"})
			_, services := k.Services(c, workload.Workloads{Target: tc.target}, rollout.TargetSide, nil)
			_, restored := k.Restore(&corev1.Service{}, workload.Workloads{Target: tc.target})
			for _, err := range []error{label, primary, services, restored} {
				var invalid *rollout.InvalidError
				require.ErrorAs(t, err, &invalid, tc.reason)
				require.Equal(t, rollout.InvalidError{
					Field:   "spec.targetRef",
					Problem: "deployment podinfo.test spec.selector.matchLabels must contain one of [app name app.kubernetes.io/name]",
				}, *invalid, tc.reason)
			}
		})
	}
}

// A Canary without a service has port zero, which no Service takes.
func TestServicesNeedAPort(t *testing.T) {
	c := canary()
	c.Spec.Service = v1beta1.CanaryService{}
	_, err := golden{}.kind().Services(c, workload.Workloads{Target: deployment(map[string]string{"app": "podinfo"})}, rollout.TargetSide, nil)
	var invalid *rollout.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, rollout.InvalidError{Field: "spec.service.port", Problem: "is needed: the Services of Deployment podinfo have it"}, *invalid)
}

func TestRun(t *testing.T) {
	cases := map[string]struct {
		reason   string
		replicas int32
		stop     *workload.RestoreInfo
		note     string
		want     string
	}{
		"Start": {reason: "the size is all that is touched", replicas: 3, want: "3"},
		"Stop":  {reason: "zero is a size, and must not be left out", replicas: 0, want: "0"},
		"StopForNow": {
			reason: "what is needed to give it back goes with the write that stops it", stop: &workload.RestoreInfo{Canary: "podinfo", UID: "1", Size: 3},
			note: "  annotations:\n    sluice.dev/stopped: '{\"canary\":\"podinfo\",\"uid\":\"1\",\"size\":3}'\n", want: "0",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			target := deployment(map[string]string{"app": "podinfo"})
			applied := []runtime.ApplyConfiguration{workload.Deployment{}.Scale(target, tc.replicas, tc.stop)}
			appliable(t, objects(t, applied)[0])
			require.Equal(t, "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n"+tc.note+"  name: podinfo\n  namespace: test\n"+
				"spec:\n  replicas: "+tc.want+"\n", document(t, applied), tc.reason)
		})
	}
}

// A primary whose selector could select a pod of its target would adopt it.
func TestPrimarySelectsItsOwnPodsOnly(t *testing.T) {
	target := deployment(map[string]string{"app": "podinfo", "tier": "web"})
	target.Spec.Template.Labels = map[string]string{"app": "podinfo", "tier": "web"}
	primary := primaryOf(t, target)
	selects, err := metav1.LabelSelectorAsSelector(&metav1.LabelSelector{MatchLabels: primary.Spec.Selector.MatchLabels})
	require.NoError(t, err)
	require.True(t, selects.Matches(set(primary.Spec.Template.Labels)), "its own pods")
	require.False(t, selects.Matches(set(target.Spec.Template.Labels)), "not the target's")
	targets, err := metav1.LabelSelectorAsSelector(target.Spec.Selector)
	require.NoError(t, err)
	require.False(t, targets.Matches(set(primary.Spec.Template.Labels)), "nor does the target select the primary's")
}

func TestPrimaryOfTargetWithoutPodLabels(t *testing.T) {
	primary := primaryOf(t, deployment(map[string]string{"app": "podinfo"}))
	require.Equal(t, map[string]string{"app": "podinfo-primary"}, primary.Spec.Template.Labels)
}
