package rollout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// snap is a rollout of v2 at its first step, ten seconds in and due; changed as a case needs it.
func snap(change ...func(*Snapshot)) Snapshot {
	s := Snapshot{
		Now: noon, Generation: 1, Revision: "r1-v2", Routed: true,
		Names: Names{Namespace: "test", Canary: "podinfo", Kind: "Deployment", Target: "podinfo", Primary: "podinfo-primary"},
		Plan: Plan{Strategy: Canary, Steps: []Step{{Weight: 10}, {Weight: 50}}, Interval: 10 * time.Second, Threshold: 2, Deadline: time.Minute,
			Metrics: []v1beta1.CanaryMetric{{Name: "request-success-rate"}}},
		Status: v1beta1.CanaryStatus{
			Phase: v1beta1.PhaseProgressing, LastAppliedSpec: "r1-v2", LastPromotedSpec: "r1-v1", Step: 1, CanaryWeight: 10,
			PrimaryReplicas: 2, NextCheck: micro(noon), Since: micro(noon.Add(-20 * time.Second)), ObservedGeneration: 1,
		},
		Target:  Workload{Revision: "r1-v2", Health: Available, Replicas: 2, Available: 2},
		Primary: Workload{Revision: "r1-v1", Health: Available, Replicas: 2, Available: 2},
	}
	for _, c := range change {
		c(&s)
	}
	return looked(s)
}

// looked is a Canary whose steps are laid down, and whose spec was looked at before, as it is by every decision.
func looked(s Snapshot) Snapshot {
	s.Plan.completeSteps()
	if meta.FindStatusCondition(s.Status.Conditions, v1beta1.ConditionValid) == nil {
		t := newTransition(s)
		t.recordValid()
		s.Status.Conditions, s.Status.SpecTold = t.next.Conditions, t.next.SpecTold
	}
	return s
}

func in(phase v1beta1.CanaryPhase) func(*Snapshot) {
	return func(s *Snapshot) {
		s.Status.Phase, s.Status.Step, s.Status.CanaryWeight, s.Status.NextCheck = phase, 0, 0, nil
	}
}

// promotion is a rollout of v2 whose primary has been given v2.
func promotion(s *Snapshot) {
	s.Status.Phase, s.Status.Promoting, s.Status.Step, s.Status.CanaryWeight, s.Status.NextCheck = v1beta1.PhasePromoting, "r1-v2", 2, 50, nil
	s.Primary.Revision = "r1-v2"
}

func broken(w *Workload) { w.Health, w.Reason = Stuck, "ImagePullBackOff: no such image" }

func TestDecide(t *testing.T) {
	bad := []told{{"request-success-rate", v1beta1.Failed, "Halt podinfo.test advancement success rate 41.00% < 99%"}}
	good := []told{{"request-success-rate", v1beta1.Passed, ""}}
	cases := map[string]struct {
		reason string
		given  Snapshot
		found  []told
		phase  v1beta1.CanaryPhase
		weight int
		failed int
		waits  Wait
		events []Reason
		alert  string
	}{
		"FirstSight":         {reason: "A new Canary waits for its primary.", given: snap(in(""), func(s *Snapshot) { s.Status, s.Primary = v1beta1.CanaryStatus{}, Workload{} }), phase: v1beta1.PhaseInitializing, waits: WaitPrimary},
		"NoTargetYet":        {reason: "A missing target is waited for by name.", given: snap(in(v1beta1.PhaseInitializing), func(s *Snapshot) { s.Revision, s.Target = "", Workload{} }), phase: v1beta1.PhaseInitializing, waits: WaitTarget, events: []Reason{ReasonTargetMissing}},
		"MovingToPrimary":    {reason: "Its Service and its routes come first.", given: snap(in(v1beta1.PhaseInitializing), func(s *Snapshot) { s.Status.LastPromotedSpec = ""; s.Primary.Revision = "r1-v2" }), phase: v1beta1.PhaseInitializing, waits: WaitRoutes},
		"Initialised":        {reason: "Once the primary serves, users move to it.", given: snap(in(v1beta1.PhaseInitializing), func(s *Snapshot) { s.Status.LastPromotedSpec = "r1-v2"; s.Primary.Revision = "r1-v2" }), found: []told{{"", v1beta1.Passed, ""}}, phase: v1beta1.PhaseInitialized, waits: WaitNothing, events: []Reason{ReasonMetricsReachable, ReasonInitialized}, alert: "New Deployment detected, initialization completed."},
		"Unmeasurable":       {reason: "Nobody is judged yet, so that a monitoring system out of reach is only said.", given: snap(in(v1beta1.PhaseInitializing), func(s *Snapshot) { s.Status.LastPromotedSpec = "r1-v2"; s.Primary.Revision = "r1-v2" }), found: []told{{"", v1beta1.Failed, "no answer"}}, phase: v1beta1.PhaseInitialized, waits: WaitNothing, events: []Reason{ReasonMetricsUnreachable, ReasonInitialized}, alert: "New Deployment detected, initialization completed."},
		"Idle":               {reason: "Nothing new, nothing to do.", given: snap(in(v1beta1.PhaseSucceeded)), phase: v1beta1.PhaseSucceeded, waits: WaitNothing},
		"NewRevision":        {reason: "A revision never seen begins a rollout.", given: snap(in(v1beta1.PhaseSucceeded), func(s *Snapshot) { s.Revision = "r1-v3" }), phase: v1beta1.PhaseProgressing, waits: WaitCanary, events: []Reason{ReasonNewRevision}, alert: "New revision detected, progressing canary analysis."},
		"NewButUnrouted":     {reason: "The end of one rollout is awaited before the next.", given: snap(in(v1beta1.PhaseFailed), func(s *Snapshot) { s.Revision, s.Routed = "r1-v3", false }), phase: v1beta1.PhaseFailed, waits: WaitRoutes},
		"FailedIsNotRetried": {reason: "A revision that failed is not tried again by itself.", given: snap(in(v1beta1.PhaseFailed)), phase: v1beta1.PhaseFailed, waits: WaitNothing},
		"Adopted":            {reason: "Another controller's revisions are renamed, nothing else.", given: snap(in(v1beta1.PhaseSucceeded), func(s *Snapshot) { s.Status.LastAppliedSpec, s.Status.LastPromotedSpec = "5d8", "5d8" }), phase: v1beta1.PhaseSucceeded, waits: WaitNothing, events: []Reason{ReasonAdopted}},
		"PrimaryDeleted":     {reason: "It is made again from a target that has the same revision.", given: snap(in(v1beta1.PhaseSucceeded), func(s *Snapshot) { s.Primary = Workload{}; s.Status.LastPromotedSpec = "r1-v2" }), phase: v1beta1.PhaseInitializing, waits: WaitPrimary, events: []Reason{ReasonWorkloadNotReady}},
		"PrimaryLost":        {reason: "What did not pass is not given to users, even if nothing else is left.", given: snap(in(v1beta1.PhaseFailed), func(s *Snapshot) { s.Primary = Workload{} }), phase: v1beta1.PhaseFailed, waits: WaitPrimary, events: []Reason{ReasonWorkloadNotReady}, alert: "podinfo-primary.test is gone and cannot be made again: podinfo.test does not have the promoted revision, put it back to that"},
		"Good":               {reason: "A step that passed leads to the next.", given: snap(), found: good, phase: v1beta1.PhaseProgressing, weight: 50, waits: WaitInterval, events: []Reason{ReasonAdvanced}},
		"Bad":                {reason: "A failed check is counted and tried again.", given: snap(), found: bad, phase: v1beta1.PhaseProgressing, weight: 10, failed: 1, waits: WaitRetry, events: []Reason{ReasonCheckFailed}},
		"BadOnceTooOften":    {reason: "The last permitted failure rolls back at once.", given: snap(func(s *Snapshot) { s.Status.FailedChecks = 1 }), found: bad, phase: v1beta1.PhaseFailed, failed: 2, waits: WaitNothing, events: []Reason{ReasonCheckFailed, ReasonRolledBack, ReasonFailed}, alert: "Failed checks threshold reached 2"},
		"NotDue":             {reason: "A step lasts its interval.", given: snap(func(s *Snapshot) { s.Now = noon.Add(-3 * time.Second) }), phase: v1beta1.PhaseProgressing, weight: 10, waits: WaitInterval},
		"LastStepPassed":     {reason: "The primary is given what passed; traffic stays.", given: snap(func(s *Snapshot) { s.Status.Step, s.Status.CanaryWeight = 2, 50 }), found: good, phase: v1beta1.PhasePromoting, weight: 50, waits: WaitPrimary, events: []Reason{ReasonPromotionStarted}},
		"TooSmall":           {reason: "A step waits for the pods of its share.", given: snap(func(s *Snapshot) { s.Status.PrimaryReplicas = 8 }), found: good, phase: v1beta1.PhaseProgressing, weight: 10, waits: WaitCapacity},
		"PrimaryGrew":        {reason: "The canary is sized for the primary as it is.", given: snap(func(s *Snapshot) { s.Primary.Replicas = 9 }), phase: v1beta1.PhaseProgressing, weight: 10},
		"CanaryStuck":        {reason: "Pods that cannot start end it without waiting.", given: snap(func(s *Snapshot) { broken(&s.Target) }), phase: v1beta1.PhaseFailed, waits: WaitNothing, events: []Reason{ReasonRolledBack, ReasonFailed}, alert: "Canary cannot become ready podinfo.test: ImagePullBackOff: no such image"},
		"CanaryLate":         {reason: "Silent pods have the deadline.", given: snap(func(s *Snapshot) { s.Target.Health, s.Now = Starting, noon.Add(2*time.Minute) }), phase: v1beta1.PhaseFailed, waits: WaitNothing, events: []Reason{ReasonRolledBack, ReasonFailed}, alert: "Progress deadline exceeded podinfo.test: its new pods are not available after 1m0s"},
		"CanaryRestarted": {reason: "The deadline of a late restart starts with it.", given: snap(func(s *Snapshot) {
			s.Now = noon.Add(2 * time.Minute)
			s.Target.Health, s.Target.Since = Starting, s.Now
		}), found: good, phase: v1beta1.PhaseProgressing, weight: 10, waits: WaitCanary},
		"Drained":           {reason: "No pods, no traffic; it counts as a failure.", given: snap(func(s *Snapshot) { s.Target.Health, s.Target.Available = Starting, 0 }), phase: v1beta1.PhaseProgressing, failed: 1, waits: WaitCanary, events: []Reason{ReasonDrained}},
		"Superseded":        {reason: "A newer revision starts over without traffic.", given: snap(func(s *Snapshot) { s.Revision = "r1-v3"; s.Status.FailedChecks = 1 }), found: good, phase: v1beta1.PhaseProgressing, waits: WaitCanary, events: []Reason{ReasonRestarted}, alert: "New revision detected, progressing canary analysis."},
		"CalledOff":         {reason: "The promoted revision is back: over at once, nothing failed.", given: snap(func(s *Snapshot) { s.Revision = "r1-v1"; s.Status.FailedChecks = 1 }), found: bad, phase: v1beta1.PhaseSucceeded, waits: WaitNothing, events: []Reason{ReasonCalledOff}, alert: "Rollout called off, the promoted revision is back."},
		"Suspended":         {reason: "Nothing moves, and that is said once.", given: snap(func(s *Snapshot) { s.Paused = true }), found: bad, phase: v1beta1.PhaseProgressing, weight: 10, waits: WaitResume, events: []Reason{ReasonSuspended}},
		"PrimaryStarting":   {reason: "Traffic stays until the primary serves.", given: snap(promotion, func(s *Snapshot) { s.Primary.Health = Starting }), phase: v1beta1.PhasePromoting, weight: 50, waits: WaitPrimary},
		"Promoted":          {reason: "The primary serves: traffic goes back to it.", given: snap(promotion), phase: v1beta1.PhaseFinalising, waits: WaitRoutes, events: []Reason{ReasonRoutedToPrimary}},
		"PrimaryStuck":      {reason: "The canary is the healthy copy and takes all.", given: snap(promotion, func(s *Snapshot) { broken(&s.Primary) }), phase: v1beta1.PhaseFailed, weight: 100, waits: WaitNothing, events: []Reason{ReasonPromotionFailed}, alert: "Promotion failed, primary not ready: podinfo-primary.test: ImagePullBackOff: no such image"},
		"PrimaryStuckMoved": {reason: "A target that moved on is no healthy copy.", given: snap(promotion, func(s *Snapshot) { broken(&s.Primary); s.Revision = "r1-v3" }), phase: v1beta1.PhaseFailed, waits: WaitNothing, events: []Reason{ReasonPromotionFailed}, alert: "Promotion failed, primary not ready: podinfo-primary.test: ImagePullBackOff: no such image"},
		"MovedOn":           {reason: "Unproven pods get no traffic while promoting.", given: snap(promotion, func(s *Snapshot) { s.Revision = "r1-v3" }), phase: v1beta1.PhasePromoting, waits: WaitPrimary, events: []Reason{ReasonTargetMoved}},
		"TurnedBack":        {reason: "A primary that was given v2 returns to v1.", given: snap(promotion, func(s *Snapshot) { s.Revision = "r1-v1" }), phase: v1beta1.PhasePromoting, waits: WaitPrimary, events: []Reason{ReasonCalledOff}},
		"Finalised":         {reason: "The proxies have it: done.", given: snap(in(v1beta1.PhaseFinalising)), phase: v1beta1.PhaseSucceeded, waits: WaitNothing, events: []Reason{ReasonPromoted}, alert: "Canary analysis completed successfully, promotion finished."},
		"Finalising":        {reason: "Proxies still have the old routes.", given: snap(in(v1beta1.PhaseFinalising), func(s *Snapshot) { s.Routed = false }), phase: v1beta1.PhaseFinalising, waits: WaitRoutes},
		"Skipped":           {reason: "Without analysis a ready canary is promoted.", given: snap(in(v1beta1.PhaseProgressing), func(s *Snapshot) { s.Plan.Skip, s.Plan.Steps = true, nil }), phase: v1beta1.PhasePromoting, waits: WaitPrimary, events: []Reason{ReasonPromotionStarted}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := decide(c.given, c.found)
			require.Equal(t, c.phase, d.Status.Phase, c.reason)
			require.Equal(t, c.weight, d.Status.CanaryWeight, c.reason)
			require.Equal(t, c.failed, d.Status.FailedChecks, c.reason)
			require.Equal(t, string(c.waits), reason(d.Status, v1beta1.ConditionWaiting), c.reason)
			var events []Reason
			alert := ""
			for _, n := range d.Notices {
				events = append(events, n.Reason)
				if n.Alert != nil {
					alert = n.Alert.Text
				}
			}
			require.Equal(t, c.events, events, c.reason)
			require.Equal(t, c.alert, alert, c.reason)
			require.Equal(t, d, decide(c.given, c.found), "the same facts have the same decision")
			again := c.given
			again.Status = d.Status
			require.NotPanics(t, func() { decide(again, c.found) }, c.reason)
		})
	}
}

func reason(s v1beta1.CanaryStatus, kind string) string {
	if c := meta.FindStatusCondition(s.Conditions, kind); c != nil {
		return c.Reason
	}
	return ""
}

func TestQuestions(t *testing.T) {
	hooks := []v1beta1.CanaryWebhook{{Name: "smoke", Type: v1beta1.PreRolloutHook}, {Name: "load"}}
	opening := func(s *Snapshot) { s.Status.Step, s.Status.CanaryWeight, s.Status.NextCheck = 0, 0, nil }
	cases := map[string]struct {
		reason string
		given  Snapshot
		want   []string
	}{
		"Due":        {"A step that is due is judged by hooks and metrics.", snap(), []string{"load", "request-success-rate"}},
		"Opening":    {"Before the first step the gates are asked.", snap(opening), []string{"smoke"}},
		"NotDue":     {"Nothing due, nothing asked.", snap(func(s *Snapshot) { s.Now = noon.Add(-time.Second) }), nil},
		"Idle":       {"A settled Canary asks nobody.", snap(in(v1beta1.PhaseSucceeded)), nil},
		"Promoting":  {"What passed is not asked about again.", snap(promotion), nil},
		"Suspended":  {"A halt silences everybody.", snap(func(s *Snapshot) { s.Paused = true }), nil},
		"Superseded": {"Nobody is asked about a revision that is gone.", snap(func(s *Snapshot) { s.Revision = "r1-v3" }), nil},
		"CalledOff":  {"Nor about a rollout that is over.", snap(func(s *Snapshot) { s.Revision = "r1-v1" }), nil},
		"Stuck":      {"Nor about pods that cannot start.", snap(func(s *Snapshot) { broken(&s.Target) }), nil},
		"Drained":    {"Nor about pods that are gone.", snap(func(s *Snapshot) { s.Target.Available = 0 }), nil},
		"Exhausted":  {"Nor when too much has failed already.", snap(func(s *Snapshot) { s.Status.FailedChecks = 2 }), nil},
		"Unrouted":   {"A step that users have not met is not judged.", snap(func(s *Snapshot) { s.Routed = false }), nil},
		"Starting":   {"A canary that lacks pods is judged by those that users meet.", snap(func(s *Snapshot) { s.Target.Health = Starting }), []string{"load", "request-success-rate"}},
		"NoUsers":    {"Pods that start are not.", snap(opening, func(s *Snapshot) { s.Target.Health = Starting }), nil},
		"Skipped":    {"Without analysis there is nothing to ask.", snap(func(s *Snapshot) { s.Plan.Skip = true }), nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.given.Plan.Hooks = hooks
			require.Equal(t, c.want, asked(decide(c.given, nil)), c.reason)
		})
	}
}

func TestPromotedCondition(t *testing.T) {
	cases := map[v1beta1.CanaryPhase]struct {
		status  metav1.ConditionStatus
		message string
	}{
		v1beta1.PhaseInitializing: {metav1.ConditionUnknown, "New Deployment detected, starting initialization."},
		v1beta1.PhaseInitialized:  {metav1.ConditionTrue, "Deployment initialization completed."},
		v1beta1.PhaseWaiting:      {metav1.ConditionUnknown, "Waiting for approval."},
		v1beta1.PhaseProgressing:  {metav1.ConditionUnknown, "New revision detected, progressing canary analysis."},
		v1beta1.PhasePromoting:    {metav1.ConditionUnknown, "Canary analysis completed, starting primary rolling update."},
		v1beta1.PhaseFinalising:   {metav1.ConditionUnknown, "Canary analysis completed, routing all traffic to primary."},
		v1beta1.PhaseSucceeded:    {metav1.ConditionTrue, "Canary analysis completed successfully, promotion finished."},
		v1beta1.PhaseFailed:       {metav1.ConditionFalse, "Canary analysis failed, Deployment scaled to zero. Cause: too many 500s."},
		v1beta1.PhaseTerminating:  {metav1.ConditionUnknown, "Canary is being deleted, giving the Deployment back."},
		v1beta1.PhaseTerminated:   {metav1.ConditionUnknown, "Canary is being deleted, the Deployment serves again."},
	}
	for phase, want := range cases {
		t.Run(string(phase), func(t *testing.T) {
			made := newTransition(snap())
			made.next.CanaryWeight = 0
			if phase == v1beta1.PhaseTerminated {
				made.next.CanaryWeight = everything
			}
			made.cause = "too many 500s"
			made.enter(phase)
			c := meta.FindStatusCondition(made.next.Conditions, v1beta1.ConditionPromoted)
			require.Equal(t, want.status, c.Status)
			require.Equal(t, string(phase), c.Reason)
			require.Equal(t, want.message, c.Message)
		})
	}
}

func TestRefuseSaysItOnce(t *testing.T) {
	wrong := &InvalidError{Field: "spec.analysis", Problem: "no step"}
	d := Refuse(snap(), wrong)
	require.Equal(t, "spec.analysis: no step", message(d.Status, v1beta1.ConditionValid))
	require.Len(t, d.Notices, 1)
	require.Equal(t, 10, d.Status.CanaryWeight, "users stay where they are")
	again := Refuse(snap(func(s *Snapshot) { s.Status = d.Status }), wrong)
	require.Empty(t, again.Notices)
	require.Equal(t, d.Status, again.Status)
	back := decide(snap(func(s *Snapshot) { s.Status = d.Status }), nil)
	require.Equal(t, "The spec is valid.", message(back.Status, v1beta1.ConditionValid))
	require.Equal(t, noon, back.Status.Since.Time, "no deadline ran while the spec could not be followed")
}

func TestStatusByHand(t *testing.T) {
	cases := map[string]struct {
		given  func(*Snapshot)
		weight int
		step   int
	}{
		"Step":    {func(s *Snapshot) { s.Status.Step = -1 }, 10, 1},
		"FarStep": {func(s *Snapshot) { s.Status.Step = 1 << 40 }, 10, 1},
		"Iterations": {func(s *Snapshot) {
			s.Status.Iterations, s.Plan.Strategy, s.Plan.Iterations, s.Plan.Steps = -7, BlueGreen, 5, []Step{{}, {Weight: 100}}
		}, 10, 0},
		"Weight":         {func(s *Snapshot) { s.Status.CanaryWeight = 104 }, 100, 2},
		"NegativeWeight": {func(s *Snapshot) { s.Status.CanaryWeight = -4 }, 0, 0},
		"Replicas":       {func(s *Snapshot) { s.Status.PrimaryReplicas, s.Primary.Replicas = -3, 0 }, 10, 1},
		"AtRest": {func(s *Snapshot) {
			in(v1beta1.PhaseSucceeded)(s)
			s.Status.CanaryWeight, s.Status.LastPromotedSpec, s.Primary.Revision = 104, "r1-v2", "r1-v2"
		}, 100, 0},
		"StepInPromotion": {func(s *Snapshot) { promotion(s); s.Status.Step, s.Routed = -1, false }, 50, 0},
		"MirrorOfNoStep":  {func(s *Snapshot) { s.Status.Step, s.Plan.Steps[0].Mirror = -1, 30 }, 10, 1},
		"ChecksOfAMetric": {func(s *Snapshot) {
			s.Status.Analysis = &v1beta1.AnalysisStatus{Metrics: []v1beta1.MetricStatus{{Name: "request-success-rate", Checks: -9}}}
		}, 10, 1},
		"FailuresBelowAll": {func(s *Snapshot) { s.Status.FailedChecks = -9 }, 10, 1},
	}
	good := []told{{"request-success-rate", v1beta1.Passed, ""}}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := snap(c.given)
			requireApplicable(t, s)
			d := decide(s, good)
			require.Equal(t, c.weight, d.Status.CanaryWeight)
			require.Equal(t, c.step, d.Status.Step)
			requireStorable(t, d.Status)
		})
	}
}
