package rollout

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// scalerRefused and routesRefused are what the API server does not let us do.
func scalerRefused(s *Snapshot) {
	s.Refuse(Refusal{Object: "HorizontalPodAutoscaler podinfo-primary", Verb: "patch", Text: "admission webhook denied the request: not here."})
}

func routesRefused(s *Snapshot) {
	s.Refuse(Refusal{Object: "VirtualService podinfo", Verb: "patch", Text: "not here", MovesTraffic: true})
}

// noted is a snapshot of which people were told what was refused.
func noted(s Snapshot) Snapshot {
	t := newTransition(s)
	t.recordValid()
	recordReconciled(t)
	s.Status = t.conclude().Status
	return s
}

// step has a rollout be due at one of its steps.
func step(n, weight int) func(*Snapshot) {
	return func(s *Snapshot) { s.Status.Step, s.Status.CanaryWeight = n, weight }
}

func TestRefusedHoldsAndRollbacksGoOn(t *testing.T) {
	bad := []told{{"request-success-rate", v1beta1.Failed, "Halt podinfo.test advancement success rate 41.00% < 99%"}}
	good := []told{{"request-success-rate", v1beta1.Passed, ""}}
	stop := []told{{"stop", v1beta1.Passed, ""}, good[0]}
	for name, c := range map[string]struct {
		reason string
		given  Snapshot
		found  []told
		phase  v1beta1.CanaryPhase
		weight int
		failed int
		waits  Wait
	}{
		"NextStep":  {reason: "No step is taken.", given: snap(scalerRefused), found: good, phase: v1beta1.PhaseProgressing, weight: 10, waits: WaitRefused},
		"Failing":   {reason: "A failed check is counted.", given: snap(scalerRefused), found: bad, phase: v1beta1.PhaseProgressing, weight: 10, failed: 1, waits: WaitRetry},
		"TooOften":  {reason: "The last permitted failure rolls back.", given: snap(scalerRefused, func(s *Snapshot) { s.Status.FailedChecks = 1 }), found: bad, phase: v1beta1.PhaseFailed, failed: 2, waits: WaitNothing},
		"Hook":      {reason: "A person may want it back.", given: snap(scalerRefused, func(s *Snapshot) { s.Plan.Hooks = []v1beta1.CanaryWebhook{{Name: "stop", Type: v1beta1.RollbackHook}} }), found: stop, phase: v1beta1.PhaseFailed, waits: WaitNothing},
		"Promotion": {reason: "No promotion is begun.", given: snap(scalerRefused, step(2, 50)), found: good, phase: v1beta1.PhaseProgressing, weight: 50, waits: WaitRefused},
		"Skipped":   {reason: "Nor one without analysis.", given: snap(scalerRefused, in(v1beta1.PhaseProgressing), func(s *Snapshot) { s.Plan.Skip, s.Plan.Steps = true, nil }), phase: v1beta1.PhaseProgressing, waits: WaitRefused},
		"FirstStep": {reason: "Nothing is asked before the canary may get a request.", given: snap(scalerRefused, in(v1beta1.PhaseProgressing)), phase: v1beta1.PhaseProgressing, waits: WaitRefused},
		"Start":     {reason: "No rollout is begun.", given: snap(scalerRefused, in(v1beta1.PhaseSucceeded), func(s *Snapshot) { s.Revision = "r1-v3" }), phase: v1beta1.PhaseSucceeded, waits: WaitRefused},
		"AtRest":    {reason: "Nothing is waited for at rest.", given: snap(scalerRefused, in(v1beta1.PhaseSucceeded)), phase: v1beta1.PhaseSucceeded, waits: WaitNothing},
		"Stuck":     {reason: "Pods that cannot start end it.", given: snap(scalerRefused, func(s *Snapshot) { broken(&s.Target) }), phase: v1beta1.PhaseFailed, waits: WaitNothing},
		"Late":      {reason: "Silent pods have the deadline.", given: snap(scalerRefused, func(s *Snapshot) { s.Target.Health, s.Now = Starting, noon.Add(2*time.Minute) }), phase: v1beta1.PhaseFailed, waits: WaitNothing},
		"TooSmall":  {reason: "A canary that may not grow is judged by what it gets.", given: snap(scalerRefused, func(s *Snapshot) { s.Status.PrimaryReplicas = 8 }), found: bad, phase: v1beta1.PhaseProgressing, weight: 10, failed: 1, waits: WaitRetry},

		"FirstRoutes":       {reason: "Without requests it would fail its checks for want of those.", given: snap(routesRefused), phase: v1beta1.PhaseProgressing, weight: 10, waits: WaitRefused},
		"Routes":            {reason: "It is judged by the requests of the step before.", given: snap(routesRefused, step(2, 50)), found: bad, phase: v1beta1.PhaseProgressing, weight: 50, failed: 1, waits: WaitRetry},
		"RoutesHeld":        {reason: "What passes them is held.", given: snap(routesRefused, step(2, 50)), found: good, phase: v1beta1.PhaseProgressing, weight: 50, waits: WaitRefused},
		"RoutesOfPromotion": {reason: "Users do not leave the canary for routes that are not there.", given: snap(routesRefused, promotion), phase: v1beta1.PhasePromoting, weight: 50, waits: WaitRefused},
		"RoutesOfEnd":       {reason: "Nor is it over.", given: snap(routesRefused, in(v1beta1.PhaseFinalising)), phase: v1beta1.PhaseFinalising, waits: WaitRefused},
		"Initialising": {reason: "A Canary is not initialised before its routes are there.", given: snap(routesRefused, in(v1beta1.PhaseInitializing), func(s *Snapshot) {
			s.Primary.Revision, s.Status.LastPromotedSpec = "r1-v2", "r1-v2"
		}), phase: v1beta1.PhaseInitializing, waits: WaitRefused},
		"Primary": {reason: "A primary that may not be written is waited for by the name of what is wrong.", given: snap(scalerRefused, in(v1beta1.PhaseInitializing), func(s *Snapshot) {
			s.Status.LastPromotedSpec, s.Primary = "", Workload{}
		}), phase: v1beta1.PhaseInitializing, waits: WaitRefused},
		"Target": {reason: "So is a canary that may not be started.", given: snap(scalerRefused, in(v1beta1.PhaseProgressing), func(s *Snapshot) { s.Target.Health = Stopped }), phase: v1beta1.PhaseProgressing, waits: WaitRefused},
	} {
		t.Run(name, func(t *testing.T) {
			d := decide(noted(c.given), c.found)
			require.True(t, d.Questions.Empty(), c.reason)
			require.Equal(t, c.phase, d.Status.Phase, c.reason)
			require.Equal(t, c.weight, d.Status.CanaryWeight, c.reason)
			require.Equal(t, c.failed, d.Status.FailedChecks, c.reason)
			require.Equal(t, string(c.waits), reason(d.Status, v1beta1.ConditionWaiting), c.reason)
			told := meta.FindStatusCondition(d.Status.Conditions, v1beta1.ConditionReconciled)
			require.Equal(t, metav1.ConditionFalse, told.Status)
			require.Contains(t, told.Message, "not here")
		})
	}
}

// warnings are the Warnings of a decision with a reason.
func warnings(d Decision, why Reason) (found []Notice) {
	for _, n := range d.Notices {
		if n.Warning && n.Reason == why {
			found = append(found, n)
		}
	}
	return found
}

func TestRefusedIsToldOnce(t *testing.T) {
	s := snap(in(v1beta1.PhaseSucceeded))
	require.Nil(t, meta.FindStatusCondition(Decide(s, Findings{}).Status.Conditions, v1beta1.ConditionReconciled), "who never met one has no condition")
	refused := snap(in(v1beta1.PhaseSucceeded), scalerRefused)
	begins := Decide(refused, Findings{})
	require.Len(t, warnings(begins, ReasonRequestRefused), 1)
	require.Nil(t, warnings(begins, ReasonRequestRefused)[0].Alert)
	require.Equal(t, "patch HorizontalPodAutoscaler podinfo-primary: admission webhook denied the request: not here.",
		meta.FindStatusCondition(begins.Status.Conditions, v1beta1.ConditionReconciled).Message)

	refused.Status = begins.Status
	require.Equal(t, begins.Status, Decide(refused, Findings{}).Status, "nothing is stored for what is known")
	routesRefused(&refused)
	require.Empty(t, Decide(refused, Findings{}).Notices, "another object is in the condition")

	s.Status = begins.Status
	over := Decide(s, Findings{})
	require.Equal(t, metav1.ConditionTrue, meta.FindStatusCondition(over.Status.Conditions, v1beta1.ConditionReconciled).Status)
	require.Empty(t, over.Notices)
	s.Status = over.Status
	scalerRefused(&s)
	require.Len(t, warnings(Decide(s, Findings{}), ReasonRequestRefused), 1, "it begins anew")
}

// TestRollbackIsRefused has the server refuse to take users away from what was rolled back.
func TestRollbackIsRefused(t *testing.T) {
	s := noted(snap(step(2, 50), routesRefused, func(s *Snapshot) { s.Status.FailedChecks = 1 }))
	s.Status = decide(s, []told{{"request-success-rate", v1beta1.Failed, "bad"}}).Status
	require.Equal(t, v1beta1.PhaseFailed, s.Status.Phase)
	d := Decide(s, Findings{})
	loud := warnings(d, ReasonRollbackRefused)
	require.Len(t, loud, 1)
	require.Equal(t, "podinfo.test was rolled back and may still get requests: patch VirtualService podinfo: not here", loud[0].Message)
	require.Equal(t, v1beta1.SeverityError, loud[0].Alert.Severity)
	s.Status = d.Status
	require.Empty(t, Decide(s, Findings{}).Notices, "once")
}

// TestRoutesAreRefusedForLong has the deadline count however often the step is judged.
func TestRoutesAreRefusedForLong(t *testing.T) {
	for name, s := range map[string]Snapshot{"First": noted(snap(routesRefused)), "Second": noted(snap(step(2, 50), routesRefused))} {
		t.Run(name, func(t *testing.T) {
			began := s.Now
			for s.Status.Phase == v1beta1.PhaseProgressing {
				require.Less(t, s.Now.Sub(began), 10*time.Minute, "it ends")
				s.Status = decide(s, []told{{"request-success-rate", v1beta1.Passed, ""}}).Status
				s.Now = s.Now.Add(5 * time.Second)
			}
			require.Equal(t, v1beta1.PhaseFailed, s.Status.Phase)
			require.Equal(t, 70*time.Second, s.Now.Sub(began), "at the deadline")
			require.Contains(t, s.Status.Cause, "routes of podinfo.test were not taken: patch VirtualService podinfo: not here")
		})
	}
}

// TestHoldIsSteady has a step that is held say so for the whole of its interval, and no longer than it is.
func TestHoldIsSteady(t *testing.T) {
	s := noted(snap(scalerRefused))
	s.Status = decide(s, []told{{"request-success-rate", v1beta1.Passed, ""}}).Status
	s.Now = s.Now.Add(3 * time.Second)
	require.Equal(t, s.Status, Decide(s, Findings{}).Status, "nothing is stored")
	s.Refused = nil
	require.Equal(t, string(WaitInterval), reason(Decide(s, Findings{}).Status, v1beta1.ConditionWaiting))
}

// TestRoutesAreAllowedAgain has a step begin its interval when its routes are there.
func TestRoutesAreAllowedAgain(t *testing.T) {
	s := noted(snap(routesRefused))
	s.Status = decide(s, nil).Status
	s.Now, s.Refused, s.Routed, s.Trouble = noon.Add(30*time.Second), nil, true, ""
	s.Effective = s.Now.Add(-3 * time.Second)
	d := decide(s, nil)
	require.Equal(t, string(WaitInterval), reason(d.Status, v1beta1.ConditionWaiting))
	require.Equal(t, 7*time.Second, d.After)
	require.Nil(t, d.Status.RoutesRefused)
}

func TestRefusedTextIsBounded(t *testing.T) {
	s := snap()
	for i := range 5 {
		s.Refuse(Refusal{Object: fmt.Sprintf("Service podinfo-%d", i), Verb: "create", Text: "a\n" + strings.Repeat("ü", 1000)})
	}
	text := s.refusedText()
	require.Less(t, len(text), 1100)
	require.NotContains(t, text, "\n")
	require.True(t, strings.HasSuffix(text, "; and 2 more"))
	require.Equal(t, text, strings.ToValidUTF8(text, "?"), "no letter is cut")
}

// TestFail is the decision of a pass that could not see.
func TestFail(t *testing.T) {
	s := snap()
	d := Fail(s, `read Secret "token": forbidden`)
	require.Len(t, warnings(d, ReasonReconcileFailed), 1)
	require.Equal(t, `read Secret "token": forbidden.`, meta.FindStatusCondition(d.Status.Conditions, v1beta1.ConditionReconciled).Message)
	require.Equal(t, s.Status.NextCheck, d.Status.NextCheck, "everything stays where it was")
	s.Status = d.Status
	require.Empty(t, Fail(s, `read Secret "token": forbidden`).Notices, "once")
	require.Equal(t, string(ReasonReconciled), reason(decide(s, []told{{"request-success-rate", v1beta1.Passed, ""}}).Status, v1beta1.ConditionReconciled))
}
