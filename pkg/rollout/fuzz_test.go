package rollout

import (
	"fmt"
	"maps"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// drawn makes values of the bytes that a fuzzer changes: mostly plausible ones, now and then any.
type drawn struct{ bytes []byte }

func (d *drawn) byte() int {
	if len(d.bytes) == 0 {
		return 0
	}
	b := d.bytes[0]
	d.bytes = d.bytes[1:]
	return int(b)
}

func (d *drawn) yes() bool { return d.byte()%2 == 1 }

// int is a small number, or one that nobody would write.
func (d *drawn) int() int {
	b := d.byte()
	if b < 200 {
		return b - 20
	}
	return []int{math.MinInt, math.MinInt32, -1, 100, 101, 104, mostIterations, math.MaxInt32, math.MaxInt}[b%9]
}

func pick[T any](d *drawn, of ...T) T { return of[d.byte()%len(of)] }

func (d *drawn) revision() string {
	return pick(d, "r1-v1", "r1-v2", "r1-v3", "", "5d89f7c6b4", unknownRevision)
}

// when is a time near noon, or one that no clock shows; nil: none.
func (d *drawn) when() *metav1.MicroTime {
	switch b := d.byte(); {
	case b < 80:
		return nil
	case b > 250:
		return pick(d, micro(time.Time{}), micro(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)))
	default:
		return micro(noon.Add(time.Duration(b-160) * time.Second))
	}
}

func (d *drawn) metrics() (specs []v1beta1.CanaryMetric) {
	for range d.byte() % 3 {
		specs = append(specs, v1beta1.CanaryMetric{
			Name: pick(d, "request-success-rate", "request-duration"), Count: max(d.int(), 0), InitialDelay: pick(d, "", "10s", "5m"),
			ConsecutiveSuccessLimit: pick(d, 0, 1, 3), DryRun: d.yes(), FailureLimit: pick(d, nil, ptr(0), ptr(2)),
		})
	}
	return specs
}

func (d *drawn) hooks() (specs []v1beta1.CanaryWebhook) {
	for range d.byte() % 4 {
		specs = append(specs, v1beta1.CanaryWebhook{Name: "hook", URL: "http://hook", Type: pick(d, hookTypes...), MuteAlert: d.yes()})
	}
	return specs
}

func (d *drawn) spec() v1beta1.CanarySpec {
	s := v1beta1.CanarySpec{TargetRef: v1beta1.TargetRef{Kind: "Deployment", Name: "podinfo"}, SkipAnalysis: d.byte() > 230}
	if d.yes() {
		s.ProgressDeadlineSeconds = ptr(int32(d.int()))
	}
	if d.byte() > 240 {
		return s
	}
	a := &v1beta1.CanaryAnalysis{Interval: pick(d, "10s", "1m", "1h"), Threshold: d.int(), Metrics: d.metrics(), Webhooks: d.hooks(),
		OnInconclusive: pick(d, "", v1beta1.InconclusivePause, v1beta1.InconclusiveAbort, v1beta1.InconclusiveContinue)}
	s.Analysis = a
	switch d.byte() % 4 {
	case 0:
		a.Iterations = d.int()
	case 1:
		a.StepWeight, a.MaxWeight = d.int(), d.int()
	default:
		for range d.byte() % 6 {
			a.StepWeights = append(a.StepWeights, d.int())
		}
	}
	if d.yes() {
		a.Match = some
	}
	if d.yes() {
		a.SessionAffinity = &v1beta1.SessionAffinity{CookieName: "c", PrimaryCookieName: "p"}
	}
	a.Mirror, a.MirrorWeight, a.ReplicaRatio, a.StepWeightPromotion = d.yes(), d.int(), d.yes(), d.int()
	a.CanaryReadyThreshold, a.PrimaryReadyThreshold = pick(d, nil, ptr(d.int())), pick(d, nil, ptr(d.int()))
	return s
}

func (d *drawn) status() v1beta1.CanaryStatus {
	s := v1beta1.CanaryStatus{
		Phase: pick(d, "", v1beta1.PhaseInitializing, v1beta1.PhaseInitialized, v1beta1.PhaseWaiting, v1beta1.PhaseProgressing,
			v1beta1.PhaseWaitingPromotion, v1beta1.PhasePromoting, v1beta1.PhaseFinalising, v1beta1.PhaseSucceeded, v1beta1.PhaseFailed,
			v1beta1.PhaseTerminating, v1beta1.PhaseTerminated, "Dreaming"),
		FailedChecks: d.int(), CanaryWeight: d.int(), Iterations: d.int(), Step: d.int(), PrimaryReplicas: int32(d.int()),
		LastAppliedSpec: d.revision(), LastPromotedSpec: d.revision(), Promoting: d.revision(), Matched: d.yes(),
		NextCheck: d.when(), Since: d.when(), RoutesRefused: d.when(), SessionAffinityCookie: pick(d, "", "c=1", "x"),
	}
	if d.yes() {
		s.ActualWeight = ptr(d.int())
	}
	for range d.byte() % 3 {
		s.Conditions = append(s.Conditions, metav1.Condition{
			Type:   pick(d, v1beta1.ConditionWaiting, v1beta1.ConditionPromoted, v1beta1.ConditionValid, v1beta1.ConditionReconciled),
			Status: pick(d, metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown),
			Reason: pick(d, string(WaitResume), string(WaitNothing), string(WaitRoutes), string(WaitRetry), "x"), Message: pick(d, "", "Cause: x."),
		})
	}
	if d.yes() {
		return s
	}
	s.Analysis = &v1beta1.AnalysisStatus{Started: d.when(), WaitingSince: d.when()}
	for i := range d.byte() % 3 {
		s.Analysis.Metrics = append(s.Analysis.Metrics, v1beta1.MetricStatus{
			Name: pick(d, "request-success-rate", "request-duration", fmt.Sprint(i)), Checks: d.int(), Failures: d.int(), PassesInRow: d.int(),
			Measurements: make([]v1beta1.Measurement, d.byte()%8),
		})
	}
	return s
}

func (d *drawn) workload() Workload {
	w := Workload{Revision: d.revision(), Health: Health(d.byte() % 5), Replicas: int32(atLeastZero(d.int())), Available: int32(atLeastZero(d.int())), Reason: pick(d, "", "x")}
	if at := d.when(); at != nil {
		w.Since = at.Time
	}
	return w
}

// snapshot is any spec that compiles, any status, and anything that may be there.
func (d *drawn) snapshot() (Snapshot, error) {
	p, err := Compile(d.spec(), Capabilities(d.byte()))
	s := Snapshot{
		Now: noon, Plan: p, Names: snap().Names, Generation: 2, Status: d.status(), Revision: pick(d, "r1-v1", "r1-v2", "r1-v3", ""),
		Target: d.workload(), Primary: d.workload(), Routed: d.yes(), Trouble: pick(d, "", "x"), PrimaryMatchesTarget: d.yes(), Template: pick(d, "", "r1-t"), TargetTemplate: v1beta1.TargetTemplate{UID: "1", Number: pick(d, "", "1", "2")}, PreviousTemplateKept: d.yes(), NotKeptReason: "x",
		Paused: d.byte() > 230, Deleting: d.byte() > 230,
	}
	if d.yes() {
		s.Configs = map[string]string{"configmap/a": "1"}
	}
	if at := d.when(); at != nil {
		s.Settles = at.Time
	}
	s.SchemaMissing = pick(d, nil, nil, nil, []string{"analysis", "step"}, []string{"nextCheck", "promoting", "since"}, []string{"conditions[].observedGeneration", "primaryReplicas"})
	for range d.byte() % 3 {
		s.Refuse(Refusal{Object: "Service podinfo", Verb: pick(d, "create", "patch"), Text: pick(d, "no", ""), MovesTraffic: d.yes()})
	}
	return s, err
}

// answers are those to questions, now and then not to all of them, or to another round's.
func (d *drawn) answers(q Questions) Findings {
	f := Findings{Round: q.Round, Answers: map[string]Finding{}}
	for _, one := range q.Asked {
		f.Answers[one.Key] = Finding{
			Verdict: pick(d, v1beta1.Passed, v1beta1.Passed, v1beta1.Failed, v1beta1.Waiting, v1beta1.Inconclusive, "Maybe"),
			Message: "x", Measurement: pick(d, nil, &v1beta1.Measurement{}),
		}
	}
	switch d.byte() % 8 {
	case 0:
		delete(f.Answers, q.Asked[0].Key)
	case 1:
		f.Round += "x"
	}
	return f
}

// FuzzDecide holds that the machine is total: whatever a status says, there is a decision, it can be stored, it shares
// requests out, and the same facts lead to it again.
func FuzzDecide(f *testing.F) {
	for i := range 64 {
		seed := make([]byte, 160)
		for k := range seed {
			seed[k] = byte(i * (k + 7) * 31 >> (k % 5))
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, bytes []byte) {
		d := &drawn{bytes: bytes}
		s, err := d.snapshot()
		if err != nil {
			requireStorable(t, Refuse(s, err).Status)
			return
		}
		requireApplicable(t, s)
		for range 6 {
			found, given := Findings{}, *s.Status.DeepCopy()
			next := Decide(s, found)
			for stages := 0; !next.Questions.Empty() && stages < 3; stages++ {
				require.Equal(t, Decision{Questions: next.Questions, After: next.After}, next, "it asks or concludes, never both")
				require.Positive(t, next.After, "answers that do not come are waited for no longer than an interval")
				answers := d.answers(next.Questions)
				maps.Copy(answers.Answers, found.Answers)
				found = answers
				next = Decide(s, found)
			}
			require.Equal(t, next, Decide(s, found), "the same facts lead to the same decision")
			require.True(t, equality.Semantic.DeepEqual(given, s.Status), "facts stay as they are")
			if !next.Questions.Empty() {
				continue
			}
			requireStorable(t, next.Status)
			require.GreaterOrEqual(t, next.After, time.Duration(0))
			if equality.Semantic.DeepEqual(next.Status, s.Status) {
				require.Empty(t, next.Notices, "nothing is said of what is not stored")
			}
			s.Status, s.Now = next.Status, s.Now.Add(min(max(next.After, time.Second), time.Hour))
			requireApplicable(t, s)
		}
	})
}

// requireStorable holds what anybody may rely on in a status that is stored.
func requireStorable(t *testing.T, s v1beta1.CanaryStatus) {
	t.Helper()
	require.True(t, percent(s.CanaryWeight), "weight %d", s.CanaryWeight)
	require.True(t, s.ActualWeight == nil || percent(*s.ActualWeight))
	for name, n := range map[string]int{"step": s.Step, "iterations": s.Iterations, "failedChecks": s.FailedChecks, "primaryReplicas": int(s.PrimaryReplicas)} {
		require.GreaterOrEqual(t, n, 0, name)
	}
	if s.Analysis == nil {
		return
	}
	for _, m := range s.Analysis.Metrics {
		require.GreaterOrEqual(t, min(m.Checks, m.Failures, m.PassesInRow), 0, m.Name)
	}
}

// requireApplicable holds that whatever is called for can be written.
func requireApplicable(t *testing.T, s Snapshot) {
	t.Helper()
	i := IntentOf(s.Plan, s.Status)
	require.GreaterOrEqual(t, min(i.TargetMinimum, i.PrimaryMinimum, i.AutoscalerMinimum), int32(0))
	if i.Traffic != nil {
		require.True(t, percent(i.Traffic.Weight), "weight %d", i.Traffic.Weight)
		require.True(t, percent(i.Traffic.Mirror), "mirror %d", i.Traffic.Mirror)
	}
	s.Plan.Unreachable(s.Primary.Replicas)
	ReturningToPrevious(s.Status)
	NeedsHistory(s.Plan, s.Status)
}
