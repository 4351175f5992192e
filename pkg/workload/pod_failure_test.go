package workload_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// pod of a template that was created and started at some second.
func pod(template string, second int, containers ...corev1.ContainerStatus) corev1.Pod {
	started := stamp(second)
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name:              "podinfo-" + template,
			Labels:            map[string]string{appsv1.DefaultDeploymentUniqueLabelKey: template},
			CreationTimestamp: stamp(second),
		},
		Status: corev1.PodStatus{StartTime: &started, ContainerStatuses: containers},
	}
}

func waiting(name, reason, message string) corev1.ContainerStatus {
	return corev1.ContainerStatus{
		Name: name, Image: "podinfo:nope",
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}},
	}
}

func crashed(exit int32, why string) corev1.ContainerStatus {
	s := waiting("podinfod", "CrashLoopBackOff", "back-off 10s restarting failed container=podinfod pod=podinfo-1")
	s.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: exit, Reason: why}
	return s
}

// ran says when the last run of a container began and ended, and how many there were before.
func ran(s corev1.ContainerStatus, before int32, began, ended int) corev1.ContainerStatus {
	s.RestartCount = before
	s.LastTerminationState.Terminated.StartedAt, s.LastTerminationState.Terminated.FinishedAt = stamp(began), stamp(ended)
	return s
}

func unreadySince(p corev1.Pod, second int) corev1.Pod {
	p.Status.Conditions = []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: stamp(second + 5)},
		{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: stamp(second)},
	}
	return p
}

func unplaced(p corev1.Pod, message string) corev1.Pod {
	p.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: message,
	}}
	return p
}

func ending(p corev1.Pod) corev1.Pod {
	now := stamp(0)
	p.DeletionTimestamp = &now
	return p
}

func TestObserveTrouble(t *testing.T) {
	const starting, stuck = rollout.Starting, rollout.Stuck
	const noImage = `ImagePullBackOff: podinfod: cannot pull image "podinfo:nope"`
	const unready = "its pods are not ready"
	preparing := pod("a", -40)
	preparing.Status.InitContainerStatuses = []corev1.ContainerStatus{waiting("migrate", "CreateContainerConfigError", `secret "db" not found`)}
	const noCommand = `exec: "podinfod": executable file not found in $PATH`
	unrun := crashed(128, "StartError")
	unrun.LastTerminationState.Terminated.Message = noCommand
	unstarted := pod("a", -40, waiting("podinfod", "ErrImagePull", ""))
	unstarted.Status.StartTime = nil

	migrated := pod("a", -120, waiting("podinfod", "ErrImagePull", ""))
	migrated.Status.InitContainerStatuses = []corev1.ContainerStatus{
		{Name: "migrate", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{StartedAt: stamp(-115), FinishedAt: stamp(-3)}}},
	}

	cases := map[string]struct {
		reason string
		pods   []corev1.Pod
		health rollout.Health
		text   string
		since  int
	}{
		"NoPods": {reason: "pods are not always read", health: starting, text: unready, since: -50},
		"Pulling": {
			reason: "a container that is being prepared is in no trouble",
			pods:   []corev1.Pod{pod("a", -300, waiting("podinfod", "ContainerCreating", ""))},
			health: starting, text: unready, since: -50,
		},
		"ImageWithinGrace": {
			reason: "a registry may answer late; Since tells when the grace ends",
			pods:   []corev1.Pod{pod("a", -29, waiting("podinfod", "ImagePullBackOff", "Back-off pulling image"))},
			health: starting, text: noImage, since: -29,
		},
		"ImageOutlastsGrace": {
			reason: "thirty seconds are enough",
			pods:   []corev1.Pod{pod("a", -30, waiting("podinfod", "ImagePullBackOff", "Back-off pulling image"))},
			health: stuck, text: noImage, since: -30,
		},
		"ImageBetweenTries": {
			reason: "the kubelet goes back and forth between two reasons, people shall read one",
			pods:   []corev1.Pod{pod("a", -40, waiting("podinfod", "ErrImagePull", "rpc error"))},
			health: stuck, text: noImage, since: -40,
		},
		"ImageNameWrong": {
			reason: "no waiting helps against a name that is none",
			pods:   []corev1.Pod{pod("a", -1, waiting("podinfod", "InvalidImageName", "couldn't parse"))},
			health: stuck, text: `InvalidImageName: podinfod: "podinfo:nope" is not the name of an image`, since: -1,
		},
		"ConfigMissing": {
			reason: "the message names what is missing, which is what people need",
			pods:   []corev1.Pod{pod("a", -31, waiting("podinfod", "CreateContainerConfigError", `configmap "settings" not found`))},
			health: stuck, text: `CreateContainerConfigError: podinfod: configmap "settings" not found`, since: -31,
		},
		"ImageForbidden": {
			reason: "it can be had nowhere but from the node, which does not have it",
			pods:   []corev1.Pod{pod("a", -31, waiting("podinfod", "ErrImageNeverPull", "Container image is not present"))},
			health: stuck, text: `ErrImageNeverPull: podinfod: its node does not have image "podinfo:nope", and may not pull it`, since: -31,
		},
		"NotCreated": {
			reason: "the runtime says what it does not like about the container",
			pods:   []corev1.Pod{pod("a", -31, waiting("podinfod", "CreateContainerError", "path /data is not shared"))},
			health: stuck, text: "CreateContainerError: podinfod: path /data is not shared", since: -31,
		},
		"NotRun": {
			reason: "a command that is not in the image is named",
			pods:   []corev1.Pod{pod("a", -31, waiting("podinfod", "RunContainerError", noCommand))},
			health: stuck, text: "RunContainerError: podinfod: " + noCommand, since: -31,
		},
		"NotRunBetweenTries": {
			reason: "while the next try is waited for it is the same trouble",
			pods:   []corev1.Pod{pod("a", -31, unrun)},
			health: stuck, text: "RunContainerError: podinfod: " + noCommand, since: -31,
		},
		"InitContainer": {
			reason: "a container that prepares the pod holds it up just as well",
			pods:   []corev1.Pod{preparing},
			health: stuck, text: `CreateContainerConfigError: migrate: secret "db" not found`, since: -40,
		},
		"CrashLoop": {
			reason: "the exit code is what can be told of a crash",
			pods:   []corev1.Pod{pod("a", -45, crashed(2, "Error"))},
			health: stuck, text: "CrashLoopBackOff: podinfod: ended with exit code 2", since: -45,
		},
		"CrashLoopWithinGrace": {
			reason: "a process may wait for its database by crashing",
			pods:   []corev1.Pod{pod("a", -20, crashed(1, "Error"))},
			health: starting, text: "CrashLoopBackOff: podinfod: ended with exit code 1", since: -20,
		},
		"CrashLoopAfterServing": {
			reason: "the grace of a pod that has served begins when it no longer does",
			pods:   []corev1.Pod{unreadySince(pod("a", -900, crashed(1, "Error")), -10)},
			health: starting, text: "CrashLoopBackOff: podinfod: ended with exit code 1", since: -10,
		},
		"OutOfMemory": {
			reason: "137 says less than what happened",
			pods:   []corev1.Pod{pod("a", -45, crashed(137, "OOMKilled"))},
			health: stuck, text: "CrashLoopBackOff: podinfod: ended for want of memory", since: -45,
		},
		"CrashForgotten": {
			reason: "the last end of a container is not always kept",
			pods:   []corev1.Pod{pod("a", -45, waiting("podinfod", "CrashLoopBackOff", ""))},
			health: stuck, text: "CrashLoopBackOff: podinfod: keeps ending", since: -45,
		},
		"NotStarted": {
			reason: "a pod the kubelet has not acknowledged counts from its creation",
			pods:   []corev1.Pod{unstarted},
			health: stuck, text: noImage, since: -40,
		},
		"OldTemplate": {
			reason: "what is wrong with the pods that are being replaced is no reason to stop replacing them",
			pods:   []corev1.Pod{pod("old", -600, crashed(1, "Error")), pod("new", -5, waiting("podinfod", "ContainerCreating", ""))},
			health: starting, text: unready, since: -50,
		},
		"OldTemplateInAnyOrder": {
			reason: "the order of a list means nothing",
			pods:   []corev1.Pod{pod("new", -5, waiting("podinfod", "ContainerCreating", "")), pod("old", -600, crashed(1, "Error"))},
			health: starting, text: unready, since: -50,
		},
		"OlderPodOfNewTemplate": {
			reason: "all pods of the newest template count, not only the newest pod",
			pods:   []corev1.Pod{pod("new", -50, crashed(1, "Error")), pod("new", -5), pod("old", -600)},
			health: stuck, text: "CrashLoopBackOff: podinfod: ended with exit code 1", since: -50,
		},
		"Ending": {
			reason: "a pod on its way out crashes as it likes, and makes no template the newest",
			pods:   []corev1.Pod{ending(pod("new", -5, crashed(1, "Error"))), pod("old", -600, crashed(2, "Error"))},
			health: stuck, text: "CrashLoopBackOff: podinfod: ended with exit code 2", since: -600,
		},
		"FirstToOutlast": {
			reason: "the trouble that ends the rollout first is the one to tell",
			pods:   []corev1.Pod{pod("a", -10, crashed(1, "Error")), pod("a", -15, waiting("podinfod", "ErrImagePull", ""))},
			health: starting, text: noImage, since: -15,
		},
		"FinalBeatsFirst": {
			reason: "what no waiting helps ends the rollout at once",
			pods: []corev1.Pod{
				pod("a", -15, waiting("podinfod", "ErrImagePull", "")),
				pod("a", -10, waiting("sidecar", "InvalidImageName", "")),
			},
			health: stuck, text: `InvalidImageName: sidecar: "podinfo:nope" is not the name of an image`, since: -10,
		},
		"FirstCrash": {
			reason: "a slow starter has its grace from when it crashed, not from when it began",
			pods:   []corev1.Pod{pod("a", -120, ran(crashed(1, "Error"), 0, -118, -1))},
			health: starting, text: "CrashLoopBackOff: podinfod: ended with exit code 1", since: -1,
		},
		"SecondCrash": {
			reason: "its second run began when the first had crashed",
			pods:   []corev1.Pod{pod("a", -120, ran(crashed(1, "Error"), 1, -40, -2))},
			health: stuck, text: "CrashLoopBackOff: podinfod: ended with exit code 1", since: -40,
		},
		"CrashedAgain": {
			reason: "of the runs before the last nothing is known but that there were some",
			pods:   []corev1.Pod{pod("a", -120, ran(crashed(1, "Error"), 4, -20, -19))},
			health: starting, text: "CrashLoopBackOff: podinfod: ended with exit code 1", since: -20,
		},
		"FirstPull": {
			reason: "no image is pulled before what prepares the pod has ended",
			pods:   []corev1.Pod{migrated},
			health: starting, text: noImage, since: -3,
		},
		"SameTime": {
			reason: "of troubles that began together it is always the same one, whatever the order",
			pods:   []corev1.Pod{pod("a", -15, waiting("podinfod", "ErrImagePull", "")), pod("a", -15, crashed(1, "Error"))},
			health: starting, text: "CrashLoopBackOff: podinfod: ended with exit code 1", since: -15,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			d := running(func(d *appsv1.Deployment) { d.Status.AvailableReplicas = 0 })
			w := workload.Deployment{}.Observe(d, tc.pods, 100, at(0))
			require.Equal(t, tc.health, w.Health, tc.reason)
			require.Equal(t, tc.text, w.Reason, tc.reason)
			require.Equal(t, at(tc.since), w.Since, tc.reason)
			if tc.health == rollout.Starting && tc.text != unready {
				later := workload.Deployment{}.Observe(d, tc.pods, 100, w.Since.Add(workload.PodFailureGrace))
				require.Equal(t, rollout.Stuck, later.Health, "Since plus Grace is when it is stuck")
				require.Equal(t, w.Reason, later.Reason, "for the same reason")
			}
		})
	}
}

// TestObserveUnplaced is about pods that no node takes, which is said and waited for: a cluster may grow.
func TestObserveUnplaced(t *testing.T) {
	const full = "0/3 nodes are available: 3 Insufficient cpu"
	lonely := unplaced(pod("a", -600), full+". preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.")
	short := running(func(d *appsv1.Deployment) { d.Status.AvailableReplicas = 0 })
	late := running(func(d *appsv1.Deployment) {
		d.Status.AvailableReplicas = 0
		overdue(d)
	})
	for name, tc := range map[string]struct {
		reason string
		from   *appsv1.Deployment
		pods   []corev1.Pod
		health rollout.Health
		text   string
	}{
		"Waits":     {"ten minutes are no reason to give up by ourselves", short, []corev1.Pod{pod("a", -600), lonely}, rollout.Starting, "Unschedulable: " + full},
		"Late":      {"the Deployment's own deadline is one", late, []corev1.Pod{lonely}, rollout.Stuck, "Unschedulable: " + full},
		"Worse":     {"a crash does not end with another node", short, []corev1.Pod{lonely, pod("a", -45, crashed(2, "Error"))}, rollout.Stuck, "CrashLoopBackOff: podinfod: ended with exit code 2"},
		"Scheduled": {"a node was found", short, []corev1.Pod{unreadySince(pod("a", -60), -50)}, rollout.Starting, "its pods are not ready"},
		"OldPods":   {"where those of the old template lie is over", short, []corev1.Pod{lonely, pod("b", -5)}, rollout.Starting, "its pods are not ready"},
	} {
		t.Run(name, func(t *testing.T) {
			w := workload.Deployment{}.Observe(tc.from, tc.pods, 100, at(0))
			require.Equal(t, tc.health, w.Health, tc.reason)
			require.Equal(t, tc.text, w.Reason, tc.reason)
		})
	}
}

func TestObserveTroubleBesideEnough(t *testing.T) {
	d := running(func(d *appsv1.Deployment) { d.Status.AvailableReplicas = 3 })
	pods := []corev1.Pod{pod("a", -90, crashed(1, "Error")), pod("a", -90), pod("a", -90), pod("a", -90)}
	require.Equal(t, rollout.Available, workload.Deployment{}.Observe(d, pods, 75, at(0)).Health,
		"three of four are enough, whatever the fourth is up to")
	require.Equal(t, rollout.Stuck, workload.Deployment{}.Observe(d, pods, 100, at(0)).Health)
}

func TestObserveNamesWhatMadeItLate(t *testing.T) {
	d := running(func(d *appsv1.Deployment) {
		d.Status.AvailableReplicas = 0
		overdue(d)
	})
	w := workload.Deployment{}.Observe(d, []corev1.Pod{pod("a", -10, crashed(1, "Error"))}, 100, at(0))
	require.Equal(t, rollout.Stuck, w.Health, "the Deployment gave up before the pod's grace was over")
	require.Equal(t, "CrashLoopBackOff: podinfod: ended with exit code 1", w.Reason, "the cause is of more use than the deadline")
	w = workload.Deployment{}.Observe(d, nil, 100, at(0))
	require.Equal(t, "ProgressDeadlineExceeded: the Deployment exceeded its progress deadline", w.Reason, "where nothing more is known")
}

func TestConfirm(t *testing.T) {
	ready := func(p corev1.Pod) corev1.Pod {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		return p
	}
	said := rollout.Workload{Revision: "r1-a", Health: rollout.Available, Replicas: 2, Available: 2, Since: at(-100)}
	for name, tc := range map[string]struct {
		reason string
		pods   []corev1.Pod
		ready  int
		want   rollout.Workload
	}{
		"Serving": {
			reason: "the pods are there, as the status says",
			pods:   []corev1.Pod{ready(pod("a", -9)), ready(pod("a", -9))}, ready: 100,
			want: said,
		},
		"Ending": {
			reason: "the status still counts a pod that is ready and on its way out",
			pods:   []corev1.Pod{ready(pod("a", -9)), ending(ready(pod("a", -99)))}, ready: 100,
			want: rollout.Workload{Revision: "r1-a", Health: rollout.Starting, Replicas: 2, Available: 1},
		},
		"NotReady": {
			reason: "a pod that has only just been made serves nobody",
			pods:   []corev1.Pod{pod("a", -1), pod("a", -1)}, ready: 100,
			want: rollout.Workload{Revision: "r1-a", Health: rollout.Starting, Replicas: 2},
		},
		"Enough": {
			reason: "the threshold allows for one that is missing",
			pods:   []corev1.Pod{ready(pod("a", -9)), pod("a", -9)}, ready: 50,
			want: rollout.Workload{Revision: "r1-a", Health: rollout.Available, Replicas: 2, Available: 1, Since: at(-100)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, workload.ConfirmByPods(said, tc.pods, said.Replicas, tc.ready), tc.reason)
		})
	}
}
