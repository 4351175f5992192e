package workload_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

func daemons(change ...func(*appsv1.DaemonSet)) *appsv1.DaemonSet {
	labels := map[string]string{"app": "podinfo"}
	d := &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Name: "podinfo", Namespace: "test", Generation: 2},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}},
		},
		Status: appsv1.DaemonSetStatus{
			ObservedGeneration: 2, DesiredNumberScheduled: 4, CurrentNumberScheduled: 4,
			UpdatedNumberScheduled: 4, NumberReady: 4, NumberAvailable: 4,
		},
	}
	for _, f := range change {
		f(d)
	}
	return d
}

func stop(d *appsv1.DaemonSet) {
	if d.Spec.Template.Spec.NodeSelector == nil {
		d.Spec.Template.Spec.NodeSelector = map[string]string{}
	}
	d.Spec.Template.Spec.NodeSelector[workload.ScaleToZero] = "true"
}

func available(n int32) func(*appsv1.DaemonSet) {
	return func(d *appsv1.DaemonSet) { d.Status.NumberAvailable = n }
}

func TestObserveDaemonSet(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		d      *appsv1.DaemonSet
		pods   []corev1.Pod
		ready  int
		want   rollout.Workload
	}{
		"Absent": {reason: "nil is one that is not there", want: rollout.Workload{Health: rollout.Absent}},
		"Serving": {
			reason: "however many nodes there are, it counts as one that is whole",
			d:      daemons(), ready: 100,
			want: rollout.Workload{Health: rollout.Available, Replicas: 1, Available: 1},
		},
		"Stopped": {
			reason: "its pods may still be ending",
			d:      daemons(stop), ready: 100,
			want: rollout.Workload{Health: rollout.Stopped, Available: 1},
		},
		"Unseen": {
			reason: "the status speaks of the version before",
			d:      daemons(func(d *appsv1.DaemonSet) { d.Generation = 3 }), ready: 100,
			want: rollout.Workload{Health: rollout.Starting, Replicas: 1, Available: 1, Reason: "the DaemonSet controller has not seen its newest version"},
		},
		"Homeless": {
			reason: "where no node takes a pod nobody is served",
			d:      daemons(func(d *appsv1.DaemonSet) { d.Status = appsv1.DaemonSetStatus{ObservedGeneration: 2} }), ready: 100,
			want: rollout.Workload{Health: rollout.Starting, Replicas: 1, Reason: "no node takes its pods"},
		},
		"Replacing": {
			reason: "pods of an older template do not count, though they serve",
			d:      daemons(func(d *appsv1.DaemonSet) { d.Status.UpdatedNumberScheduled = 3 }), ready: 50,
			want: rollout.Workload{Health: rollout.Starting, Replicas: 1, Available: 1, Reason: "its pods are still to be replaced"},
		},
		"Unready": {
			reason: "three of four are not all",
			d:      daemons(available(3)), ready: 100,
			want: rollout.Workload{Health: rollout.Starting, Replicas: 1, Available: 1, Reason: "its pods are not ready"},
		},
		"Enough": {
			reason: "and more than the threshold asks for",
			d:      daemons(available(3)), ready: 75,
			want: rollout.Workload{Health: rollout.Available, Replicas: 1, Available: 1},
		},
		"Drained": {
			reason: "no pod at all is a side that cannot answer",
			d:      daemons(available(0)), ready: 1,
			want: rollout.Workload{Health: rollout.Starting, Replicas: 1, Reason: "its pods are not ready"},
		},
		"Trouble": {
			reason: "its pods tell what is wrong before any deadline",
			d:      daemons(available(0)), ready: 100,
			pods: []corev1.Pod{pod("a", -40, crashed(1, "Error"))},
			want: rollout.Workload{
				Health: rollout.Stuck, Replicas: 1, Reason: "CrashLoopBackOff: podinfod: ended with exit code 1", Since: at(-40),
			},
		},
		"TroubleWithinGrace": {
			reason: "but not at once",
			d:      daemons(available(0)), ready: 100,
			pods: []corev1.Pod{pod("a", -20, crashed(1, "Error"))},
			want: rollout.Workload{
				Health: rollout.Starting, Replicas: 1, Reason: "CrashLoopBackOff: podinfod: ended with exit code 1", Since: at(-20),
			},
		},
		"Unplaced": {
			reason: "its node may be full",
			d:      daemons(available(0)), ready: 100,
			pods: []corev1.Pod{unplaced(pod("a", -600), "0/3 nodes are available: 1 Insufficient memory.")},
			want: rollout.Workload{Health: rollout.Starting, Replicas: 1, Reason: "Unschedulable: 0/3 nodes are available: 1 Insufficient memory"},
		},
		"Primary": {
			reason: "what a primary runs is written on it",
			d: daemons(func(d *appsv1.DaemonSet) {
				d.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(canary(), v1beta1.GroupVersion.WithKind("Canary"))}
				d.Annotations = map[string]string{workload.RevisionAnnotation: "r1-9"}
			}),
			want: rollout.Workload{Revision: "r1-9", Health: rollout.Available, Replicas: 1, Available: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var o workload.Object
			if tc.d != nil {
				o = tc.d
			}
			require.Equal(t, tc.want, workload.DaemonSet{}.Observe(o, tc.pods, tc.ready, at(0)), tc.reason)
		})
	}
}

func TestRunDaemonSet(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		size   int32
		stop   *workload.RestoreInfo
		want   string
		note   string
	}{
		"Start": {reason: "null takes the label away, whoever has set it", size: 3, want: "null", note: "null"},
		"Stop":  {reason: "what else the user selects nodes by is not touched", want: `"true"`, note: "null"},
		"StopForNow": {
			reason: "it carries what is needed to give it back", stop: &workload.RestoreInfo{Canary: "podinfo", UID: "1", Size: 1},
			want: `"true"`, note: `"{\"canary\":\"podinfo\",\"uid\":\"1\",\"size\":1}"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			made, ok := workload.DaemonSet{}.Scale(daemons(), tc.size, tc.stop).(workload.Patch)
			require.True(t, ok, "an apply could not say it")
			raw, err := made.MarshalJSON()
			require.NoError(t, err)
			require.JSONEq(t, `{"apiVersion": "apps/v1", "kind": "DaemonSet",
				"metadata": {"name": "podinfo", "namespace": "test", "annotations": {"sluice.dev/stopped": `+tc.note+`}},
				"spec": {"template": {"spec": {"nodeSelector": {"flagger.app/scale-to-zero": `+tc.want+`}}}}}`, string(raw), tc.reason)
		})
	}
}

func TestSketchOfDaemonSet(t *testing.T) {
	select1 := func(d *appsv1.DaemonSet) { d.Spec.Template.Spec.NodeSelector = map[string]string{"disk": "ssd"} }
	for name, change := range map[string][]func(*appsv1.DaemonSet){"Everywhere": nil, "SomeNodes": {select1}} {
		t.Run(name, func(t *testing.T) {
			running, off := workload.SummaryOf(daemons(change...)), workload.SummaryOf(daemons(append(change, stop)...))
			require.Equal(t, int32(1), running.Size)
			require.Equal(t, int32(4), running.Pods)
			require.Zero(t, off.Size)
			require.Zero(t, off.Pods)
			require.Equal(t, running.Template, off.Template, "to stop it is no change of what it runs")
			require.Equal(t, workload.Revision(*running.Template, nil), workload.Revision(*off.Template, nil))
		})
	}
	d := daemons(stop)
	workload.SummaryOf(d)
	require.Contains(t, d.Spec.Template.Spec.NodeSelector, workload.ScaleToZero, "looking at it changes nothing")
}

func TestCheckDaemonSet(t *testing.T) {
	k := workload.DaemonSet{LabelRules: golden{}.rules()}
	require.NoError(t, k.Check(daemons()))
	for name, tc := range map[string]struct {
		reason string
		d      *appsv1.DaemonSet
		want   string
	}{
		"OnDelete": {
			reason: "nobody would delete the primary's pods",
			d:      daemons(func(d *appsv1.DaemonSet) { d.Spec.UpdateStrategy.Type = appsv1.OnDeleteDaemonSetStrategyType }),
			want:   "spec.targetRef: daemonset podinfo.test spec.updateStrategy.type must be RollingUpdate, it is OnDelete",
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := k.Check(tc.d)
			require.ErrorAs(t, err, new(*rollout.InvalidError))
			require.EqualError(t, err, tc.want, tc.reason)
		})
	}
}

func TestKinds(t *testing.T) {
	for kind, want := range map[string]workload.Kind{"Deployment": workload.Deployment{}, "DaemonSet": workload.DaemonSet{}} {
		found, err := workload.Kinds{}.Of(v1beta1.TargetRef{Kind: kind})
		require.NoError(t, err)
		require.Equal(t, want, found)
		require.Equal(t, kind, workload.SummaryOf(found.New()).Kind)
		_, err = found.Primary(&appsv1.StatefulSet{}, canary(), workload.PrimaryOptions{})
		require.Error(t, err, "an object of another kind is an error and no panic")
		require.Equal(t, rollout.Absent, found.Observe(&appsv1.StatefulSet{}, nil, 100, at(0)).Health)
	}
	for kind, want := range map[string]string{
		"Service":     "has no pods to make a new revision of",
		"StatefulSet": `"StatefulSet" is not a kind of workload that can be rolled out`,
	} {
		_, err := workload.Kinds{}.Of(v1beta1.TargetRef{Kind: kind})
		require.ErrorAs(t, err, new(*rollout.InvalidError))
		require.ErrorContains(t, err, want)
	}
}
