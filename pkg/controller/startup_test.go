package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
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
			w.set(imageBad)
			w.until(v1beta1.PhaseFailed)
			why := w.inNamespace(tc.want)
			w.told(v1beta1.ConditionPromoted, metav1.ConditionFalse, "Canary analysis failed, Deployment scaled to zero. Cause: "+why)
			w.hears(o, "Warning RolledBack Rolling back podinfo."+w.ns+" "+why)
			w.stopped()
			require.Zero(t, count(o, "Normal Advanced"), "nobody met it: %s", tc.reason)
			w.settles(v1beta1.PhaseFailed, imageOne)
		})
	}
}

// TestPrimaryDoesNotStart breaks only the primary, in its promotion: the canary is the healthy copy and serves, and a
// fix rolls out from there.
func TestPrimaryDoesNotStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin(hasty)
	w.broken("podinfo-primary", imageTwo)
	w.set(imageTwo)
	w.until(v1beta1.PhaseFailed)
	w.told(v1beta1.ConditionPromoted, metav1.ConditionFalse,
		"Promotion failed, primary not ready: Deployment keeps serving all traffic. Cause: podinfo-primary."+w.ns+": ")
	w.hears(o, "Warning PromotionFailed Promotion of podinfo."+w.ns+" failed, primary not ready: podinfo-primary."+w.ns)
	w.routed("0/100")
	require.Equal(t, int32(2), w.live("podinfo").Status.AvailableReplicas, "the canary runs at the primary's size")

	seen := w.history()
	w.set(imageThree)
	w.settles(v1beta1.PhaseSucceeded, imageThree)
	w.stopped()
	require.NotContains(t, seen(), "Progressing 50", "users stay with the side that can answer")
}

// TestPrimaryStartsAfterAll mends a primary that had been given up.
func TestPrimaryStartsAfterAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(hasty)
	w.broken("podinfo-primary", imageTwo)
	w.set(imageTwo)
	w.until(v1beta1.PhaseFailed)
	w.mended("podinfo-primary", imageTwo)
	w.settles(v1beta1.PhaseSucceeded, imageTwo)
}

// TestCanaryDiesMidway breaks the canary's pods while half of the users are there.
func TestCanaryDiesMidway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin(every("5m"))
	w.set(imageTwo)
	w.routed("50/50")
	w.broken("podinfo", imageTwo)
	w.routed("100/0")
	w.hears(o, "Warning Drained podinfo."+w.ns+" has no available pods, routing all traffic to primary")
	w.respec(every("10s"))
	w.mended("podinfo", imageTwo)
	w.settles(v1beta1.PhaseSucceeded, imageTwo)
}
