package controller

import (
	"fmt"
	"maps"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/analysis"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

// The files faults_*_test.go have the API server, the line to it and the operator itself fail in mid-rollout. In all of them a
// witness looks for requests that are lost, and the rollout comes to the end that it would have come to. docs/development/tests.md
// says which test holds which fault.

// goesOnWithin is how soon after the end of a fault a rollout goes on.
const goesOnWithin = 5 * time.Second

// soak says that tests take their time: SOAK=1.
func soak() bool { return os.Getenv("SOAK") != "" }

// outage is how long the server is away: long enough that what waits for twice as long each time would be late.
func outage() time.Duration {
	if soak() {
		return time.Minute
	}
	return 12 * time.Second
}

// everyStage is each in which a fault may meet a Canary that goes on afterwards.
func everyStage() map[string]stage {
	all := stages()
	maps.Copy(all, gatedStages())
	return all
}

// behind has the operator of a world be behind a line that may fail.
func (w *world) behind(line *kubetest.Faults) (o *operator) {
	o = &operator{Crasher: &kubetest.Crasher{}}
	w.launch = func(tune ...func(*Reconciler)) *operator {
		o.launch(w.T, line.Wrap(kubetest.Config(w)), w.ns, w.clock, w.judge, tune...)
		return o
	}
	return o
}

// TestServerAwayInEveryPhase has the server be away for a while in every phase, and a new revision meet the operator when it is
// back.
func TestServerAwayInEveryPhase(t *testing.T) {
	t.Parallel()
	for phase, s := range everyStage() {
		t.Run(phase, func(t *testing.T) {
			t.Parallel()
			w, line := newWorld(t), &kubetest.Faults{}
			o := w.behind(line)
			s.reach(w)
			require.Equal(t, s.phase, w.status().Phase)
			line.Away(true)
			time.Sleep(outage())
			w.setImage(imageThree)
			s.release(w)
			writes := o.Writes()
			line.Away(false)
			w.goesOn(func() bool { return o.Writes() > writes })
			w.awaitRest(imageThree, "it comes to rest with what was wanted last")
		})
	}
}

// goesOn says that something happens soon. Time is counted in looks, each of which asks the server: on a machine that is slow for
// the operator they are slow as well.
func (w *world) goesOn(is func() bool) {
	w.Helper()
	for looks := goesOnWithin / lookout; !is(); looks-- {
		require.Positive(w, looks, "it does not go on: %+v", w.status())
		time.Sleep(lookout)
	}
}

// TestWatchesAreCompacted cuts all watches in mid-rollout, and has them find that the server has forgotten what happened since.
func TestWatchesAreCompacted(t *testing.T) {
	t.Parallel()
	w, line := newWorld(t), &kubetest.Faults{}
	w.behind(line)
	w.begin(slowly)
	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	line.Compacted()
	line.Away(true)
	w.setImage(imageThree)
	w.editCanary(every("10s"))
	line.Away(false)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageThree)
	require.Positive(t, line.Failed(), "watches began at what is gone")
}

// TestRequestsFail has a quarter of all requests fail in every way that there is, in the same order for the same seed.
func TestRequestsFail(t *testing.T) {
	t.Parallel()
	seeds := 6
	if soak() {
		seeds = 500
	}
	for seed := range seeds {
		t.Run(fmt.Sprintf("Seed%03d", seed), func(t *testing.T) {
			t.Parallel()
			w, line := newWorld(t), &kubetest.Faults{}
			w.behind(line)
			w.begin()
			want := outcome{phase: v1beta1.PhaseSucceeded, primary: imageTwo, weights: "100/0", selector: "podinfo-primary"}
			if seed%2 == 1 {
				w.judge.fail(-1)
				want = outcome{phase: v1beta1.PhaseFailed, primary: imageOne, weights: "100/0", selector: "podinfo-primary", failed: 2}
			}
			seen := w.history()
			line.At(0.25, uint64(seed))
			w.setImage(imageTwo)
			deadline := time.Now().Add(patience)
			for w.outcome() != want && time.Now().Before(deadline) {
				time.Sleep(lookout)
			}
			require.Equal(t, want, w.outcome(), "%+v", w.status())
			require.Positive(t, line.Failed())
			w.requireInOrder(seen(), want.phase)
			line.At(0, 0)
			w.judge.fail(0)
			w.judge.hold(50)
			w.setImage(imageThree)
			w.goesOn(func() bool { return w.status().Phase == v1beta1.PhaseProgressing })
		})
	}
}

// requireInOrder says that a rollout took its steps in their order, however often it was told that it had not.
func (w *world) requireInOrder(seen []string, end v1beta1.CanaryPhase) {
	w.Helper()
	order := map[string]int{"Initialized 0": 0, "Progressing 0": 1, "Progressing 50": 2, "Progressing 100": 3, "Promoting 100": 4, "Promoting 0": 4, "Finalising 0": 5, string(end) + " 0": 6}
	last := 0
	for _, s := range seen {
		at, known := order[s]
		require.True(w, known, "%q in %v", s, seen)
		require.GreaterOrEqual(w, at, last, "no step is taken back: %v", seen)
		last = at
	}
}

// TestNamespaceGoesInMidRollout deletes the namespace while half of the users are at the canary: what was deleted first cannot be
// made again, and nobody is left to be led elsewhere.
func TestNamespaceGoesInMidRollout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(revert)
	w.editCanary(slowly)
	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	require.NoError(t, w.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.ns}}))
	require.NoError(t, w.Delete(t.Context(), w.named("podinfo")))
	routes := w.generated()["VirtualService podinfo"]
	routes.SetNamespace(w.ns)
	require.NoError(t, client.IgnoreNotFound(w.Delete(t.Context(), routes)))
	w.gone(&v1beta1.Canary{}, "podinfo")
}

// TestQuotaIsMet has no pod of the canary be admitted: nobody is sent to it, and the rollout goes on once there is room.
func TestQuotaIsMet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	denial := kubetest.Denies(t, w.ns, "exceeded quota: pods", func(r *admissionv1.AdmissionRequest) bool {
		return r.Resource.Resource == "pods" && r.Operation == admissionv1.Create
	})
	w.setImage(imageTwo)
	w.await("pods were refused", func() bool { return denial.Answered() > 0 })
	w.awaitCondition(v1beta1.ConditionWaiting, metav1.ConditionTrue, "podinfo."+w.ns)
	require.Equal(t, "100/0", w.weights())
	denial.Lift()
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
}

// TestWebhookHangs has the server wait in vain for an admission webhook in mid-rollout: users stay where they are, and the rollout
// goes on when that answers again.
func TestWebhookHangs(t *testing.T) {
	t.Parallel()
	ours := func(r *admissionv1.AdmissionRequest) bool { return written[any](r.Resource.Resource, r.Name, nil)(r) }
	for name, tc := range map[string]struct {
		reason string
		match  func(*admissionv1.AdmissionRequest) bool
		users  string
		told   string // empty: nothing can be
	}{
		"Routes": {
			reason: "the next weight is not set, and the one before is judged",
			match:  writes("virtualservices", "podinfo"), users: "80/20", told: "patch VirtualService podinfo: ",
		},
		"Promotion": {
			reason: "the primary is not given the revision, and keeps its pods",
			match:  written[any]("deployments", "podinfo-primary", nil), users: "40/60", told: "patch Deployment podinfo-primary: ",
		},
		"Everything": {reason: "not even the status can be stored", match: ours, users: "80/20"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.begin(stepped, func(c *v1beta1.Canary) { c.Spec.Analysis.StepWeights = []int{20, 60} })
			w.judge.hold(20)
			w.setImage(imageTwo)
			w.awaitWeights("80/20")
			hanging := kubetest.Hangs(t, w.ns, tc.match)
			w.judge.goOn()
			w.await("writes were given up", func() bool { return hanging.Answered() > 2 })
			if tc.told != "" {
				w.unreconciled(tc.told)
				w.unreconciled("failed calling webhook")
			}
			require.Equal(t, tc.users, w.weights(), tc.reason)
			hanging.Lift()
			w.goesOn(func() bool { return w.weights() != tc.users })
			w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
			if tc.told != "" {
				w.awaitCondition(v1beta1.ConditionReconciled, metav1.ConditionTrue, "")
			}
		})
	}
}

// TestTemplateGoes deletes the MetricTemplate that judges a rollout: what cannot be judged is taken back, and the reason told.
func TestTemplateGoes(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.put(s.ns, "here", serve(t, measures(sample("3"))), `errors`, nil)
	a := analysis.New("http://127.0.0.1:1", "istio")
	a.Library = s.templates
	s.launch = func(tune ...func(*Reconciler)) *operator { return start(s.T, s.ns, s.clock, a, 0, tune...) }
	o := s.begin(slowly, func(c *v1beta1.Canary) {
		c.Spec.Analysis.Metrics = []v1beta1.CanaryMetric{referring("here", "")}
	})
	s.setImage(imageTwo)
	s.awaitWeights("50/50")
	template := &v1beta1.MetricTemplate{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "here"}}
	require.NoError(t, s.Delete(t.Context(), template))
	s.editCanary(every("10s"))
	s.awaitSettled(v1beta1.PhaseFailed, imageOne)
	s.awaitEvent(o, "Metric template here."+s.ns+" error: it does not exist")
	s.put(s.ns, "here", serve(t, measures(sample("3"))), `errors`, nil)
	s.setImage(imageThree)
	s.awaitSettled(v1beta1.PhaseSucceeded, imageThree)
}
