package controller

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

func TestCanaryDoesNotStart(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		fault  kubetest.Fault
		want   string // why, in the event and in the condition
	}{
		"ImagePull": {
			reason: "an image that does not exist will not come into being",
			fault:  kubetest.ImagePull,
			want:   `canary cannot become ready podinfo.NS: ImagePullBackOff: podinfod: cannot pull image "podinfo:bad"`,
		},
		"CrashLoop": {
			reason: "a process that ends again and again needs a change",
			fault:  kubetest.CrashLoop,
			want:   "canary cannot become ready podinfo.NS: CrashLoopBackOff: podinfod: ended with exit code 1",
		},
		"NeverReady": {
			reason: "what runs and is not ready has until the deadline",
			fault:  kubetest.NeverReady,
			want:   "progress deadline exceeded podinfo.NS: its pods are not ready",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			o := w.begin(hasty)
			w.pods.Fault(t, imageBad, tc.fault)
			w.setImage(imageBad)
			w.awaitPhase(v1beta1.PhaseFailed)
			why := w.inNamespace(tc.want)
			w.awaitCondition(v1beta1.ConditionPromoted, metav1.ConditionFalse, "Canary analysis failed, Deployment scaled to zero. podinfo:bad was rolled back; podinfo:1 serves all requests. Cause: "+why)
			w.awaitEvent(o, "Warning RolledBack Rolling back podinfo."+w.ns+" "+why)
			w.awaitTargetStopped()
			require.Zero(t, count(o, "Normal Advanced"), "nobody met it: %s", tc.reason)
			w.awaitSettled(v1beta1.PhaseFailed, imageOne)
		})
	}
}

// TestPodsOfOthersDoNotCount has a Job's pod bear the labels of the target's: what becomes of it says nothing of the canary.
func TestPodsOfOthersDoNotCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin()
	w.pods.Fault(t, imageBad, kubetest.NeverReady)
	w.setImage(imageBad)
	w.await("the canary has a pod", func() bool { return w.live("podinfo").Status.UpdatedReplicas > 0 })
	w.crashingJob()
	w.editCanary(hasty)
	w.awaitPhase(v1beta1.PhaseFailed)
	w.awaitEvent(o, "Warning RolledBack Rolling back podinfo."+w.ns+" progress deadline exceeded podinfo."+w.ns+": its pods are not ready")
}

// crashingJob makes the pod of a Job that runs what the target runs, and ends again and again. By its age, and by its name
// among those of one second, it is the newest.
func (w *world) crashingJob() {
	w.Helper()
	template := w.live("podinfo").Spec.Template
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "zimport"}}
	job.Spec.Template.Spec = template.Spec
	job.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyOnFailure
	require.NoError(w, w.Create(w.Context(), job))
	pod := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
	pod.Namespace, pod.Name = w.ns, "zimport"
	pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(job, batchv1.SchemeGroupVersion.WithKind("Job"))}
	require.NoError(w, w.Create(w.Context(), pod))
	began := metav1.NewTime(w.clock.now().Add(-time.Hour))
	pod.Status.StartTime = &began
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "podinfod", Image: imageOne, RestartCount: 3,
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
	}}
	require.NoError(w, w.Status().Update(w.Context(), pod))
}

// TestPrimaryDoesNotStart breaks only the primary, in its promotion: the canary is the healthy copy and serves, and a
// fix rolls out from there.
func TestPrimaryDoesNotStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin(hasty)
	w.breakPods("podinfo-primary", imageTwo)
	w.setImage(imageTwo)
	w.awaitPhase(v1beta1.PhaseFailed)
	w.awaitCondition(v1beta1.ConditionPromoted, metav1.ConditionFalse,
		"Promotion failed, primary not ready: Deployment keeps serving all traffic. podinfo:2 serves all requests. Cause: podinfo-primary."+w.ns+": ")
	w.awaitEvent(o, "Warning PromotionFailed Promotion of podinfo."+w.ns+" failed, primary not ready: podinfo-primary."+w.ns)
	w.awaitWeights("0/100")
	require.Equal(t, int32(2), w.live("podinfo").Status.AvailableReplicas, "the canary runs at the primary's size")

	seen := w.history()
	w.setImage(imageThree)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageThree)
	w.awaitTargetStopped()
	require.NotContains(t, seen(), "Progressing 50", "users stay with the side that can answer")
}

// TestPrimaryStartsAfterAll mends a primary that had been given up.
func TestPrimaryStartsAfterAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(hasty)
	w.breakPods("podinfo-primary", imageTwo)
	w.setImage(imageTwo)
	w.awaitPhase(v1beta1.PhaseFailed)
	w.healPods("podinfo-primary", imageTwo)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
}

// TestCanaryDiesMidway breaks the canary's pods while half of the users are there.
func TestCanaryDiesMidway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin(slowly)
	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	w.breakPods("podinfo", imageTwo)
	w.awaitWeights("100/0")
	w.awaitEvent(o, "Warning Drained podinfo."+w.ns+" has no available pods, routing all traffic to primary")
	w.editCanary(every("10s"))
	w.healPods("podinfo", imageTwo)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
}
