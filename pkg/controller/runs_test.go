package controller

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

// records are the CanaryRuns of the namespace, by name.
func (w *world) records() map[string]v1beta1.CanaryRun {
	w.Helper()
	list := &v1beta1.CanaryRunList{}
	require.NoError(w, w.List(w.Context(), list, client.InNamespace(w.ns)))
	all := map[string]v1beta1.CanaryRun{}
	for _, run := range list.Items {
		all[run.Name] = run
	}
	return all
}

// recordName is the name of the CanaryRun of a run.
func (w *world) recordName(number string) string {
	w.Helper()
	return "podinfo-" + number + "-" + string(w.named("podinfo").UID)[:5]
}

func (w *world) awaitRecorded(number int64) {
	w.Helper()
	is := func() bool {
		run := w.status().Run
		return run != nil && run.Number == number && run.Recorded != nil && *run.Recorded
	}
	w.eventually(is, func() string { return "it is not noted that the run is recorded" }, func() any { return w.records() })
}

// recordsKept sets how many CanaryRuns are kept.
func recordsKept(n int32) func(*v1beta1.Canary) {
	return func(c *v1beta1.Canary) { c.Spec.History = &v1beta1.CanaryHistory{Records: &n} }
}

// TestRunIsRecorded follows the record of a rollout: what it says, what it costs, and that nobody changes it.
func TestRunIsRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin()
	w.setImage(imageTwo)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	w.awaitRecorded(1)
	require.Equal(t, map[kubetest.Call]int{{Verb: "create", Resource: "canaryruns"}: 1}, callsOn(o, "canaryruns"), "it is neither read nor watched")
	all := w.records()
	require.Len(t, all, 1)
	run, there := all[w.recordName("1")]
	require.True(t, there, "%v", all)
	c := w.named("podinfo")
	require.True(t, metav1.IsControlledBy(&run, c))
	require.Equal(t, map[string]string{v1beta1.RunCanaryLabel: "podinfo", v1beta1.RunOutcomeLabel: "Promoted"}, run.Labels)
	want := c.Status.Run.DeepCopy()
	want.Recorded = nil
	require.Equal(t, *want, run.Record.Run, "it has what the status has")
	require.Equal(t, c.Status.Analysis.Metrics, run.Record.Metrics)
	require.Equal(t, []v1beta1.RunStep{{Weight: 50}, {Weight: 100}}, run.Record.Plan.Steps)

	changed := run.DeepCopy()
	changed.Record.Run.Outcome = v1beta1.RunAborted
	err := w.Patch(t.Context(), changed, client.MergeFrom(&run))
	require.True(t, apierrors.IsInvalid(err), "%v", err)
	require.ErrorContains(t, err, "a record cannot be changed")
	changed = run.DeepCopy()
	changed.Labels["team"] = "a"
	require.NoError(t, w.Patch(t.Context(), changed, client.MergeFrom(&run)), "labels are the user's")
}

// callsOn are an operator's requests about a resource.
func callsOn(o *operator, resource string) map[kubetest.Call]int {
	calls := map[kubetest.Call]int{}
	for call, n := range o.Calls() {
		if call.Resource == resource {
			calls[call] = n
		}
	}
	return calls
}

// TestRecordsAreKept has one rollout after the other recorded, a failed one and one that was superseded among them.
func TestRecordsAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin(recordsKept(2))
	w.judge.hold(50)
	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	w.setImage(imageThree)
	w.await("the one that was superseded is recorded", func() bool { return w.records()[w.recordName("1")].Record.Run.Outcome == v1beta1.RunSuperseded })
	w.judge.goOn()
	w.awaitSettled(v1beta1.PhaseSucceeded, imageThree)
	w.awaitRecorded(2)
	require.Nil(t, w.status().Superseded, "it is noted")
	w.judge.fail(-1)
	w.setImage(imageTwo)
	w.awaitSettled(v1beta1.PhaseFailed, imageThree)
	w.awaitRecorded(3)
	all := w.records()
	require.Len(t, all, 2, "the oldest goes by its name")
	require.Equal(t, v1beta1.RunPromoted, all[w.recordName("2")].Record.Run.Outcome)
	require.Equal(t, v1beta1.RunRolledBack, all[w.recordName("3")].Record.Run.Outcome)
	require.Equal(t, map[kubetest.Call]int{{Verb: "create", Resource: "canaryruns"}: 3, {Verb: "delete", Resource: "canaryruns"}: 1}, callsOn(o, "canaryruns"))
}

// TestRecordsAreNotWanted has none made.
func TestRecordsAreNotWanted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin(recordsKept(0))
	w.setImage(imageTwo)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	w.setImage(imageThree)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageThree)
	require.Empty(t, callsOn(o, "canaryruns"))
	require.Nil(t, w.status().Run.Recorded)
}

// TestRecordIsRefused has no record be made, by a quota, a right that is missing, or a webhook that fails. Nothing waits for it.
func TestRecordIsRefused(t *testing.T) {
	t.Parallel()
	records := func(r *admissionv1.AdmissionRequest) bool { return r.Resource.Resource == "canaryruns" }
	for name, tc := range map[string]struct {
		deny func(testing.TB, string, string, func(*admissionv1.AdmissionRequest) bool) *kubetest.Denial
		says string
	}{
		"Quota":   {deny: kubetest.Denies, says: "exceeded quota: count/canaryruns.flagger.app"},
		"Failing": {deny: kubetest.Fails, says: "nobody answers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			denial := tc.deny(t, w.ns, tc.says, records)
			o := w.begin()
			w.setImage(imageTwo)
			w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
			w.awaitEvent(o, "Warning RunNotRecorded create CanaryRun "+w.recordName("1"))
			w.unreconciled(tc.says)
			require.Equal(t, metav1.ConditionTrue, meta.FindStatusCondition(w.status().Conditions, v1beta1.ConditionReady).Status, "users are served")
			asked := denial.Answered()
			w.await("it is tried again", func() bool { return denial.Answered() > asked })
			require.Equal(t, 1, count(o, "RunNotRecorded"), "it is told once")

			w.setImage(imageThree)
			w.awaitSettled(v1beta1.PhaseSucceeded, imageThree)
			denial.Lift()
			w.awaitRecorded(2)
			w.awaitCondition(v1beta1.ConditionReconciled, metav1.ConditionTrue, "All objects are as the Canary calls for.")
			require.Contains(t, w.records(), w.recordName("2"))
			require.NotContains(t, w.records(), w.recordName("1"), "the next run had begun")
		})
	}
}

// TestRecordsMayNotBeMade has an operator with the rights of an earlier version.
func TestRecordsMayNotBeMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.Create(t.Context(), w.canary()))
	o := w.entrust(append(everythingBut("flagger.app"), rbacv1.PolicyRule{
		APIGroups: []string{"flagger.app"}, Verbs: []string{"*"},
		Resources: []string{"canaries", "canaries/status", "canaries/finalizers", "metrictemplates", "alertproviders"},
	}))
	w.awaitSettled(v1beta1.PhaseInitialized, imageOne)
	w.awaitTargetStopped()
	w.setImage(imageTwo)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	w.unreconciled(`cannot create resource "canaryruns"`)
	w.awaitEvent(o, "Warning RunNotRecorded")
}

// TestRecordsAreNotDefined has a cluster without the kind, and one that gets it.
func TestRecordsAreNotDefined(t *testing.T) {
	without := t.TempDir()
	require.NoError(t, os.CopyFS(without, os.DirFS(ownCRDs)))
	require.NoError(t, os.Remove(filepath.Join(without, "flagger.app_canaryruns.yaml")))
	elsewhere(t, without, istioCRDs())
	w := newWorld(t)
	o := w.begin()
	w.setImage(imageTwo)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	w.awaitEvent(o, `Warning RunNotRecorded create CanaryRun `+w.recordName("1")+`: no matches for kind "CanaryRun"`)
	w.judge.fail(-1)
	w.setImage(imageThree)
	w.awaitSettled(v1beta1.PhaseFailed, imageTwo)
	w.unreconciled(w.recordName("2"))
	require.Equal(t, 1, count(o, "RunNotRecorded"), "it is told once: %v", o.events())
	kubetest.Install(t, kubetest.Config(t), ownCRDs)
	w.awaitRecorded(2)
	w.awaitCondition(v1beta1.ConditionReconciled, metav1.ConditionTrue, "")
}

// severed is a line to the API server that is cut when a CanaryRun has been made, before anybody hears of that.
type severed struct {
	next http.RoundTripper
	*cut
}

type cut struct {
	once sync.Once
	made chan struct{}
}

func (s severed) RoundTrip(req *http.Request) (*http.Response, error) {
	select {
	case <-s.made:
		return nil, kubetest.ErrCrashed
	default:
	}
	resp, err := s.next.RoundTrip(req)
	if err == nil && req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "/canaryruns") {
		_ = resp.Body.Close()
		s.once.Do(func() { close(s.made) })
		return nil, kubetest.ErrCrashed
	}
	return resp, err
}

// TestCrashAfterRecord ends the operator between the record and the status that says that it is there.
func TestCrashAfterRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.Create(t.Context(), w.canary()))
	line := &cut{made: make(chan struct{})}
	cfg := rest.CopyConfig(kubetest.Config(t))
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return severed{next: next, cut: line} })
	o := &operator{Crasher: &kubetest.Crasher{}}
	o.launch(t, cfg, w.ns, w.clock, w.judge)
	w.awaitSettled(v1beta1.PhaseInitialized, imageOne)
	w.awaitTargetStopped()
	w.setImage(imageTwo)
	<-line.made
	o.stop()
	require.False(t, *w.status().Run.Recorded)
	made := w.records()[w.recordName("1")]
	require.NotEmpty(t, made.UID)
	next := w.start()
	w.awaitRecorded(1)
	require.Equal(t, made, w.records()[w.recordName("1")], "it is the same")
	require.Equal(t, 1, next.Count("create", "canaryruns"))
	require.Zero(t, count(next, "RunNotRecorded"))
}

// TestRunTotal has a replica that begins to work delete the oldest records beyond the most.
func TestRunTotal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	record := func(name string) {
		run := &v1beta1.CanaryRun{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name}}
		run.Record.Run = v1beta1.Run{Number: 1, Revision: "r1-a", Started: metav1.Now()}
		require.NoError(t, w.Create(t.Context(), run))
	}
	for _, name := range []string{"a", "b", "c", "d"} {
		record(name)
	}
	left := func() (names []string) {
		for _, name := range []string{"a", "b", "c", "d"} {
			run := &v1beta1.CanaryRun{}
			if w.Get(t.Context(), types.NamespacedName{Namespace: w.ns, Name: name}, run) == nil {
				names = append(names, name)
			}
		}
		return names
	}
	total := NewRunTotal(4, w.Client, w.Client)
	total.Namespace = w.ns
	require.NoError(t, total.prune(t.Context()))
	require.Equal(t, []string{"a", "b", "c", "d"}, left())
	total.Most, total.Leads = 2, func() bool { return false }
	require.NoError(t, total.prune(t.Context()))
	require.Len(t, left(), 4, "one that does not lead deletes nothing")
	total.Leads = func() bool { return true }
	require.NoError(t, total.prune(t.Context()))
	require.Len(t, left(), 2)
}
