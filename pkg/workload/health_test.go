package workload_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// The tests' clock: a few moments around noon, as seconds.
func at(seconds int) time.Time {
	return time.Date(2021, 7, 21, 12, 0, 0, 0, time.UTC).Add(time.Duration(seconds) * time.Second)
}

func stamp(seconds int) metav1.Time { return metav1.NewTime(at(seconds)) }

// running is a Deployment of four pods that serves its newest template, changed as a case needs.
func running(change func(*appsv1.Deployment)) *appsv1.Deployment {
	d := deployment(map[string]string{"app": "podinfo"})
	four := int32(4)
	d.Generation = 2
	d.Spec.Replicas = &four
	d.Status = appsv1.DeploymentStatus{
		ObservedGeneration: 2, Replicas: 4, UpdatedReplicas: 4, ReadyReplicas: 4, AvailableReplicas: 4,
		Conditions: []appsv1.DeploymentCondition{
			{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue, LastTransitionTime: stamp(-100), LastUpdateTime: stamp(-90)},
			{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: "NewReplicaSetAvailable", LastTransitionTime: stamp(-200), LastUpdateTime: stamp(-50)},
		},
	}
	if change != nil {
		change(d)
	}
	return d
}

func overdue(d *appsv1.Deployment) {
	d.Status.Conditions[1].Status = corev1.ConditionFalse
	d.Status.Conditions[1].Reason = "ProgressDeadlineExceeded"
	d.Status.Conditions[1].LastTransitionTime = stamp(-7)
}

func TestObserve(t *testing.T) {
	zero := int32(0)
	cases := map[string]struct {
		reason string
		d      *appsv1.Deployment
		ready  int
		want   rollout.Workload
	}{
		"Absent": {reason: "nil is a Deployment that is not there", want: rollout.Workload{Health: rollout.Absent}},
		"Stopped": {
			reason: "scaled to zero, even while its last pods end",
			d:      running(func(d *appsv1.Deployment) { d.Spec.Replicas = &zero }),
			want:   rollout.Workload{Health: rollout.Stopped, Available: 4},
		},
		"Available": {
			reason: "all pods serve the newest template, since the condition says so",
			d:      running(nil),
			want:   rollout.Workload{Health: rollout.Available, Replicas: 4, Available: 4, Since: at(-100)},
		},
		"SizeLeftOut": {
			reason: "the API's default is one",
			d: running(func(d *appsv1.Deployment) {
				d.Spec.Replicas = nil
				d.Status.Replicas, d.Status.UpdatedReplicas, d.Status.AvailableReplicas = 1, 1, 1
			}),
			want: rollout.Workload{Health: rollout.Available, Replicas: 1, Available: 1, Since: at(-100)},
		},
		"Unseen": {
			reason: "a status of an older version says nothing, not even that it is stuck",
			d: running(func(d *appsv1.Deployment) {
				d.Generation = 3
				overdue(d)
			}),
			want: rollout.Workload{
				Health: rollout.Starting, Replicas: 4, Available: 4,
				Reason: "the Deployment controller has not seen its newest version",
			},
		},
		"NotCreated": {
			reason: "pods of the newest template are still missing",
			d:      running(func(d *appsv1.Deployment) { d.Status.UpdatedReplicas, d.Status.AvailableReplicas = 1, 3 }),
			want: rollout.Workload{
				Health: rollout.Starting, Replicas: 4, Available: 3,
				Reason: "new pods are still to be created", Since: at(-50),
			},
		},
		"Paused": {
			reason: "somebody paused the Deployment, which no waiting helps",
			d: running(func(d *appsv1.Deployment) {
				d.Spec.Paused = true
				d.Status.UpdatedReplicas = 0
			}),
			want: rollout.Workload{
				Health: rollout.Starting, Replicas: 4, Available: 4,
				Reason: "the Deployment is paused", Since: at(-50),
			},
		},
		"PausedWhenDone": {
			reason: "a pause holds nothing back that is done",
			d:      running(func(d *appsv1.Deployment) { d.Spec.Paused = true }),
			want:   rollout.Workload{Health: rollout.Available, Replicas: 4, Available: 4, Since: at(-100)},
		},
		"OldPods": {
			reason: "as long as old pods answer, the old version is served",
			d:      running(func(d *appsv1.Deployment) { d.Status.Replicas = 5 }),
			want: rollout.Workload{
				Health: rollout.Starting, Replicas: 4, Available: 4,
				Reason: "old pods have not ended", Since: at(-50),
			},
		},
		"NotReady": {
			reason: "by default every pod has to be available; since when is when it fell short",
			d: running(func(d *appsv1.Deployment) {
				d.Status.AvailableReplicas = 3
				d.Status.Conditions[0].Status = corev1.ConditionFalse
				d.Status.Conditions[0].LastTransitionTime = stamp(-20)
			}),
			want: rollout.Workload{
				Health: rollout.Starting, Replicas: 4, Available: 3,
				Reason: "its pods are not ready", Since: at(-20),
			},
		},
		"ReadyThreshold": {
			reason: "half of four are two",
			ready:  50,
			d:      running(func(d *appsv1.Deployment) { d.Status.AvailableReplicas = 2 }),
			want:   rollout.Workload{Health: rollout.Available, Replicas: 4, Available: 2, Since: at(-100)},
		},
		"ReadyThresholdRoundsDown": {
			reason: "70% of four are 2.8, and two do",
			ready:  70,
			d:      running(func(d *appsv1.Deployment) { d.Status.AvailableReplicas = 2 }),
			want:   rollout.Workload{Health: rollout.Available, Replicas: 4, Available: 2, Since: at(-100)},
		},
		"ReadyThresholdIsNeverNobody": {
			reason: "a tenth of four is none, but nobody serves nobody",
			ready:  10,
			d:      running(func(d *appsv1.Deployment) { d.Status.AvailableReplicas = 0 }),
			want: rollout.Workload{
				Health: rollout.Starting, Replicas: 4,
				Reason: "its pods are not ready", Since: at(-50),
			},
		},
		"ReadyThresholdOutOfRange": {
			reason: "a percentage that is none stands for all",
			ready:  150,
			d:      running(func(d *appsv1.Deployment) { d.Status.AvailableReplicas = 3 }),
			want: rollout.Workload{
				Health: rollout.Starting, Replicas: 4, Available: 3,
				Reason: "its pods are not ready", Since: at(-50),
			},
		},
		"Overdue": {
			reason: "Kubernetes itself gave up on it",
			d: running(func(d *appsv1.Deployment) {
				d.Status.AvailableReplicas = 3
				overdue(d)
			}),
			want: rollout.Workload{
				Health: rollout.Stuck, Replicas: 4, Available: 3,
				Reason: "ProgressDeadlineExceeded: the Deployment exceeded its progress deadline", Since: at(-7),
			},
		},
		"OverdueButEnough": {
			reason: "the threshold allows for the pods that never came",
			ready:  75,
			d: running(func(d *appsv1.Deployment) {
				d.Status.AvailableReplicas = 3
				overdue(d)
			}),
			want: rollout.Workload{Health: rollout.Available, Replicas: 4, Available: 3, Since: at(-100)},
		},
		"Quota": {
			reason: "pods that are refused are named without their name and how many there are",
			d: running(func(d *appsv1.Deployment) {
				d.Status.UpdatedReplicas = 0
				d.Status.Conditions = append(d.Status.Conditions, appsv1.DeploymentCondition{
					Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate",
					Message: `pods "podinfo-75459749c9-8w9tl" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=10`,
				})
			}),
			want: rollout.Workload{
				Health: rollout.Starting, Replicas: 4, Available: 4,
				Reason: "FailedCreate: exceeded quota: compute", Since: at(-50),
			},
		},
		"Refused": {
			reason: "any other refusal is too wordy to be passed on",
			d: running(func(d *appsv1.Deployment) {
				d.Status.UpdatedReplicas = 0
				d.Status.Conditions = append(d.Status.Conditions, appsv1.DeploymentCondition{
					Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate",
					Message: `Internal error occurred: failed calling webhook "sidecar": Post "https://10.0.0.1": EOF`,
				})
			}),
			want: rollout.Workload{
				Health: rollout.Starting, Replicas: 4, Available: 4,
				Reason: "FailedCreate: its pods are refused", Since: at(-50),
			},
		},
		"NoConditions": {
			reason: "a Deployment made a moment ago has none, and no time is better than a wrong one",
			d: running(func(d *appsv1.Deployment) {
				d.Status = appsv1.DeploymentStatus{ObservedGeneration: 2}
			}),
			want: rollout.Workload{Health: rollout.Starting, Replicas: 4, Reason: "new pods are still to be created"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, workload.Deployment{}.Observe(tc.d, nil, tc.ready, at(0)), tc.reason)
		})
	}
}

func TestObservedRevision(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(*appsv1.Deployment)
		want   string
	}{
		"Target": {reason: "a target's is that of its template and its configs, which a status does not tell"},
		"TargetWithAnnotation": {
			reason: "a target that was made from a primary's manifest does not run what its annotation says",
			change: func(d *appsv1.Deployment) { d.Annotations = map[string]string{workload.RevisionAnnotation: "r1-9"} },
		},
		"TargetOfAnotherController": {
			reason: "an owner of another kind makes no primary",
			change: func(d *appsv1.Deployment) {
				d.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Canary"))}
			},
		},
		"Primary": {
			reason: "a primary's template is rendered, so its revision is written on it",
			change: func(d *appsv1.Deployment) {
				d.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(canary(), v1beta1.GroupVersion.WithKind("Canary"))}
				d.Annotations = map[string]string{workload.RevisionAnnotation: "r1-9"}
			},
			want: "r1-9",
		},
		"AdoptedPrimary": {
			reason: "of a primary that another controller made it is not known",
			change: func(d *appsv1.Deployment) {
				d.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(canary(), v1beta1.GroupVersion.WithKind("Canary"))}
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, workload.Deployment{}.Observe(running(tc.change), nil, 100, at(0)).Revision, tc.reason)
		})
	}
}

// An autoscaler that adds pods all the time has always one that is not ready.
func TestGrowing(t *testing.T) {
	with := func(asked, there, updated, available int32) *appsv1.Deployment {
		d := deployment(map[string]string{"app": "podinfo"})
		d.Spec.Replicas = &asked
		d.Status = appsv1.DeploymentStatus{Replicas: there, UpdatedReplicas: updated, AvailableReplicas: available}
		return d
	}
	cases := map[string]struct {
		reason string
		of     *appsv1.Deployment
		ready  int
		want   bool
	}{
		"OneMore":     {reason: "the needed ones serve", of: with(5, 5, 5, 4), want: true},
		"NotMade":     {reason: "the one more is still to be made", of: with(5, 4, 4, 4), want: true},
		"NotNeeded":   {reason: "as large as needed, all are waited for", of: with(4, 4, 4, 3)},
		"TooFew":      {reason: "one of the needed is missing", of: with(6, 6, 6, 3)},
		"Threshold":   {reason: "of the needed ones, a part is asked for", of: with(6, 6, 6, 3), ready: 75, want: true},
		"OldPodsLeft": {reason: "an old pod is among those that are available", of: with(5, 5, 4, 4)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := workload.Deployment{}.Observe(tc.of, nil, tc.ready, at(0))
			require.Equal(t, rollout.Starting, w.Health)
			require.Equal(t, tc.want, workload.Growing(tc.of, w, 4, tc.ready), tc.reason)
		})
	}
	stale := with(5, 5, 5, 4)
	stale.Generation = 1
	require.False(t, workload.Growing(stale, rollout.Workload{Health: rollout.Starting}, 4, 0), "its status is about another template")
}
