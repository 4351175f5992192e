package controller

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

// services has a Canary do without a mesh.
func services(c *v1beta1.Canary) {
	c.Spec.Provider = "kubernetes"
	c.Spec.Analysis.StepWeight, c.Spec.Analysis.MaxWeight, c.Spec.Analysis.Iterations = 0, 0, 2
}

// selections notes every side that the apex Service comes to select.
func (w *world) selections() func() []string {
	c, err := client.NewWithWatch(kubetest.Config(w), client.Options{Scheme: w.Scheme()})
	require.NoError(w, err)
	watching, err := c.Watch(w.Context(), &corev1.ServiceList{}, client.InNamespace(w.ns))
	require.NoError(w, err)
	seen, done, version := []string{}, make(chan struct{}), &atomic.Int64{}
	go func() {
		defer close(done)
		for e := range watching.ResultChan() {
			s, ok := e.Object.(*corev1.Service)
			if !ok || s.Name != "podinfo" {
				continue
			}
			version.Store(versionOf(s))
			if side := s.Spec.Selector["app"]; len(seen) == 0 || seen[len(seen)-1] != side {
				seen = append(seen, side)
			}
		}
	}()
	return func() []string {
		w.await("the last of it was seen", func() bool { return version.Load() >= versionOf(w.service("podinfo")) })
		watching.Stop()
		<-done
		return seen
	}
}

func TestBlueGreenPromotes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin(services)
	require.Equal(t, "none", w.weights(), "there is no mesh")
	seen, users := w.history(), w.selections()
	w.setImage(imageTwo)
	w.awaitPhase(v1beta1.PhaseSucceeded)
	w.awaitTargetStopped()
	require.Equal(t, imageTwo, image(w.live("podinfo-primary")))
	require.Equal(t, []string{"podinfo-primary", "podinfo", "podinfo-primary"}, users(), "users meet it at once, and the primary again once that runs it")
	require.Equal(t, []string{
		"Initialized 0", "Progressing 0", "Progressing 100", "Promoting 100", "Finalising 0", "Succeeded 0",
	}, seen())
	w.awaitEvent(o, "Normal Advanced Advance podinfo."+w.ns+" canary iteration 2/2")
	w.awaitEvent(o, "Normal Advanced Routing all traffic to canary")
	w.awaitEvent(o, "Normal RoutedToPrimary Routing all traffic to primary")
}

func TestBlueGreenRollsBack(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		fails  func(w *world)
		users  []string
	}{
		"Unmet": {
			reason: "a revision that fails its iterations is met by nobody",
			fails:  func(w *world) { w.judge.fail(-1) },
			users:  []string{"podinfo-primary"},
		},
		"Met": {
			reason: "one that fails with users there is left by one selector",
			fails:  func(w *world) { w.judge.failFrom(100, -1) },
			users:  []string{"podinfo-primary", "podinfo", "podinfo-primary"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.begin(services, func(c *v1beta1.Canary) { c.Spec.Analysis.Threshold = 1 })
			users := w.selections()
			tc.fails(w)
			w.setImage(imageTwo)
			w.awaitPhase(v1beta1.PhaseFailed)
			w.awaitTargetStopped()
			require.Equal(t, imageOne, image(w.live("podinfo-primary")))
			require.Equal(t, tc.users, users(), tc.reason)
		})
	}
}

func TestSkipAnalysis(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.judge.fail(-1)
	o := w.begin(func(c *v1beta1.Canary) { c.Spec.SkipAnalysis = true })
	seen := w.history()
	w.setImage(imageTwo)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	require.Equal(t, []string{"Initialized 0", "Progressing 0", "Promoting 0", "Finalising 0", "Succeeded 0"}, seen())
	w.awaitEvent(o, "Normal Promoted Promotion completed! Canary analysis was skipped for podinfo."+w.ns)
}

func TestStepWeightPromotion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin(func(c *v1beta1.Canary) { c.Spec.Analysis.StepWeightPromotion = 40 })
	seen := w.history()
	w.setImage(imageTwo)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	require.Equal(t, []string{
		"Initialized 0", "Progressing 0", "Progressing 50", "Progressing 100",
		"Promoting 100", "Promoting 60", "Promoting 20", "Finalising 0", "Succeeded 0",
	}, seen())
	w.awaitEvent(o, "Normal Advanced Advance podinfo."+w.ns+" primary weight 40")
	w.awaitEvent(o, "Normal Advanced Advance podinfo."+w.ns+" primary weight 80")
}

func TestSuspendMidway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin(slowly)
	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	w.editCanary(func(c *v1beta1.Canary) { c.Spec.Suspend = true })
	w.awaitCondition(v1beta1.ConditionWaiting, metav1.ConditionTrue, "spec.suspend of podinfo."+w.ns+" is set; routes and workloads stay as they are.")
	w.awaitEvent(o, "Normal Suspended skipping canary run as object is suspended")
	w.judge.fail(-1)
	w.setImage(imageThree)
	w.await("the operator has seen it", func() bool { return w.live("podinfo").Status.ObservedGeneration == w.live("podinfo").Generation })
	require.Equal(t, "50/50", w.weights(), "nothing moves, whatever happens")
	require.Equal(t, v1beta1.PhaseProgressing, w.status().Phase)

	w.judge.fail(0)
	w.editCanary(func(c *v1beta1.Canary) { c.Spec.Suspend, c.Spec.Analysis.Interval = false, "10s" })
	w.awaitSettled(v1beta1.PhaseSucceeded, imageThree)
	require.Equal(t, 1, count(o, "Suspended"), "it is said once")
}
