package rollout

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// outdated is what there is when the definition of Canaries lacks a field, and the condition Valid has said so.
func outdated(s Snapshot) Snapshot {
	s.SchemaMissing = []string{"analysis"}
	t := newTransition(s)
	t.recordSchemaOutdated()
	s.Status.Conditions = t.next.Conditions
	return s
}

func TestSchemaOutdated(t *testing.T) {
	failed := []told{{name: "request-success-rate", verdict: v1beta1.Failed, message: "Halt"}}
	passed := []told{{name: "request-success-rate", verdict: v1beta1.Passed}}
	newer := func(s *Snapshot) { s.Revision = "r1-v3" }
	untold := func(s Snapshot) Snapshot { s.SchemaMissing = []string{"analysis"}; return s }
	cases := map[string]struct {
		reason string
		given  Snapshot
		found  []told
		phase  v1beta1.CanaryPhase
		weight int
		waits  Wait
		events []Reason
	}{
		"Settled":    {reason: "It is told before anybody waits.", given: untold(snap(in(v1beta1.PhaseSucceeded))), phase: v1beta1.PhaseSucceeded, waits: WaitNothing, events: []Reason{ReasonSchemaOutdated}},
		"Revision":   {reason: "No rollout begins.", given: untold(snap(in(v1beta1.PhaseSucceeded), newer)), phase: v1beta1.PhaseSucceeded, waits: WaitSchema, events: []Reason{ReasonSchemaOutdated}},
		"AfterFirst": {reason: "It is said once.", given: outdated(snap(in(v1beta1.PhaseSucceeded), newer)), phase: v1beta1.PhaseSucceeded, waits: WaitSchema},
		"Waiting":    {reason: "A gate that opens lets nothing begin.", given: outdated(snap(in(v1beta1.PhaseWaiting))), phase: v1beta1.PhaseWaiting, waits: WaitSchema},
		"NoTarget":   {reason: "What else is missing is said as ever.", given: outdated(snap(in(v1beta1.PhaseFailed), func(s *Snapshot) { s.Revision = "" })), phase: v1beta1.PhaseFailed, waits: WaitTarget, events: []Reason{ReasonTargetMissing}},
		"Foreign": {reason: "Another controller's rollout is left as it was found.", given: outdated(snap(func(s *Snapshot) { s.Status.LastAppliedSpec = "5d8" })),
			phase: v1beta1.PhaseProgressing, weight: 10, waits: WaitSchema},
		"Advances": {reason: "A rollout under way goes on.", given: outdated(snap()), found: passed, phase: v1beta1.PhaseProgressing, weight: 50, waits: WaitInterval, events: []Reason{ReasonAdvanced}},
		"Fails": {reason: "And is judged.", given: outdated(snap(func(s *Snapshot) { s.Status.FailedChecks = 1 })), found: failed, phase: v1beta1.PhaseFailed,
			waits: WaitNothing, events: []Reason{ReasonCheckFailed, ReasonRolledBack, ReasonFailed}},
		"PrimaryDeleted": {reason: "Users are not left without a primary for it.", given: outdated(snap(in(v1beta1.PhaseSucceeded), func(s *Snapshot) { s.Primary = Workload{}; s.Status.LastPromotedSpec = "r1-v2" })),
			phase: v1beta1.PhaseInitializing, waits: WaitPrimary, events: []Reason{ReasonWorkloadNotReady}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			d := decide(tc.given, tc.found)
			require.Equal(t, tc.phase, d.Status.Phase, tc.reason)
			require.Equal(t, tc.weight, d.Status.CanaryWeight, tc.reason)
			waiting := meta.FindStatusCondition(d.Status.Conditions, v1beta1.ConditionWaiting)
			require.Equal(t, string(tc.waits), waiting.Reason, tc.reason)
			var events []Reason
			for _, n := range d.Notices {
				events = append(events, n.Reason)
			}
			require.Equal(t, tc.events, events, tc.reason)
			valid := meta.FindStatusCondition(d.Status.Conditions, v1beta1.ConditionValid)
			require.Equal(t, metav1.ConditionFalse, valid.Status)
			require.Equal(t, string(ReasonSchemaOutdated), valid.Reason)
			require.Contains(t, valid.Message, "does not store status.analysis. Update it: kubectl apply")
			require.Nil(t, d.Status.Analysis, "what is not stored is not sent")
		})
	}
}

// TestSchemaOlderThanAll has the definition of the version before the status had fields for what was told, and looks at each
// Canary twice: what cannot be stored is no reason to write.
func TestSchemaOlderThanAll(t *testing.T) {
	older := []string{"analysis", "cause", "haltedSince", "lastFailure", "planHash", "rollbackHooksAsked", "specTold", "stepStarted", "waitingFor", "waitingTold"}
	for name, given := range map[string]Snapshot{
		"Settled":    snap(in(v1beta1.PhaseSucceeded)),
		"Held":       snap(in(v1beta1.PhaseSucceeded), func(s *Snapshot) { s.Revision = "r1-v3" }),
		"Suspended":  snap(func(s *Snapshot) { s.Paused = true }),
		"Step":       snap(func(s *Snapshot) { s.Now = noon.Add(-time.Second) }),
		"Starting":   snap(func(s *Snapshot) { s.Target.Health, s.Target.Available, s.Status.CanaryWeight = Starting, 0, 0 }),
		"Promoting":  snap(promotion, func(s *Snapshot) { s.Primary.Health = Starting }),
		"Failed":     snap(in(v1beta1.PhaseFailed)),
		"Terminated": snap(in(v1beta1.PhaseTerminated), func(s *Snapshot) { s.Deleting = true }),
	} {
		t.Run(name, func(t *testing.T) {
			given.SchemaMissing = older
			for range 2 { // the second takes back sizes
				d := Decide(given, Findings{})
				require.True(t, d.Questions.Empty())
				given.Status = d.Status
			}
			given.Now = given.Now.Add(time.Second / 2)
			d := Decide(given, Findings{})
			require.Equal(t, given.Status, d.Status)
			require.Empty(t, d.Notices)
		})
	}
}

// TestSchemaUpdated looks at the decision after the definition's event.
func TestSchemaUpdated(t *testing.T) {
	updated := func(s Snapshot) Snapshot { s.SchemaMissing = nil; return s }
	resting := Decide(updated(outdated(snap(in(v1beta1.PhaseSucceeded), func(s *Snapshot) { s.Revision = "r1-v3" }))), Findings{})
	require.Equal(t, v1beta1.PhaseProgressing, resting.Status.Phase, "what has waited begins")
	require.True(t, meta.IsStatusConditionTrue(resting.Status.Conditions, v1beta1.ConditionValid))

	s := updated(outdated(snap(func(s *Snapshot) { s.Now = noon.Add(-time.Second) })))
	running := Decide(s, Findings{})
	require.Equal(t, s.Status.Since, running.Status.Since, "a rollout that went on was not halted: its deadlines are as they were")
	require.True(t, meta.IsStatusConditionTrue(running.Status.Conditions, v1beta1.ConditionValid))
}

func TestSchemaMessageIsBounded(t *testing.T) {
	s := snap(in(v1beta1.PhaseSucceeded))
	s.SchemaMissing = strings.Split("a b c d e f g", " ")
	valid := meta.FindStatusCondition(Decide(s, Findings{}).Status.Conditions, v1beta1.ConditionValid)
	require.Contains(t, valid.Message, "status.d, status.e and 2 more.")
}

func TestStorable(t *testing.T) {
	s := v1beta1.CanaryStatus{
		Phase: v1beta1.PhaseProgressing, Step: 2, NextCheck: micro(noon),
		Conditions: []metav1.Condition{{Type: "A", ObservedGeneration: 2}, {Type: "B", ObservedGeneration: 3}},
		Analysis: &v1beta1.AnalysisStatus{Started: micro(noon), Metrics: []v1beta1.MetricStatus{
			{Name: "one", Checks: 1, Measurements: []v1beta1.Measurement{{Value: "1", Query: "q"}}}, {Name: "two", Checks: 2},
		}},
	}
	kept := storable(s, []string{"step", "conditions[].observedGeneration", "analysis.started", "analysis.metrics[].measurements[].query", "absent.field", "phase=Paused"})
	want := *s.DeepCopy()
	want.Step = 0
	want.Conditions[0].ObservedGeneration, want.Conditions[1].ObservedGeneration = 0, 0
	want.Analysis.Started = nil
	want.Analysis.Metrics[0].Measurements[0].Query = ""
	want.NextCheck = kept.NextCheck
	require.True(t, s.NextCheck.Equal(kept.NextCheck))
	require.Equal(t, want, kept)
	require.Equal(t, 2, s.Step, "the decision's own is another")
}
