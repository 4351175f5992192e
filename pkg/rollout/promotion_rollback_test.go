package rollout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

const ordered = "podinfo-primary.test returns to the promoted revision. Cause: the rollback hook stop asked for it."

// inPromotion is a promotion of v2 that began twenty seconds ago, with hooks that were asked ten seconds ago and are due now.
func inPromotion(change ...func(*Snapshot)) Snapshot {
	s := snap(promotion, func(s *Snapshot) {
		s.Plan.Hooks = []v1beta1.CanaryWebhook{
			{Name: "load"}, {Name: "ship", Type: v1beta1.ConfirmPromotionHook}, {Name: "stop", Type: v1beta1.RollbackHook},
		}
		s.Status.RollbackHooksAsked = micro(noon.Add(-10 * time.Second))
		s.Primary.Health, s.Primary.Available = Starting, 1
		s.PreviousTemplateKept = true
	})
	for _, c := range change {
		c(&s)
	}
	return s
}

// returning is what such a promotion is once it was taken back.
func returning(change ...func(*Snapshot)) Snapshot {
	return inPromotion(append([]func(*Snapshot){func(s *Snapshot) {
		s.Status.Promoting, s.Status.CanaryWeight, s.Status.Step = "r1-v1", 0, 0
		s.Primary.Revision = "r1-v1"
		s.Status.Conditions = []metav1.Condition{{Type: v1beta1.ConditionPromoted, Status: metav1.ConditionUnknown, Reason: "Promoting", Message: ordered}}
	}}, change...)...)
}

func askedAt(at time.Duration) func(*Snapshot) {
	return func(s *Snapshot) { s.Status.RollbackHooksAsked = micro(noon.Add(at)) }
}

func TestAskWhilePromoting(t *testing.T) {
	cases := map[string]struct {
		reason string
		given  Snapshot
		asked  bool
	}{
		"Due":        {"An interval is over.", inPromotion(), true},
		"Asked":      {"Once in an interval is enough.", inPromotion(askedAt(0)), false},
		"AskedMoved": {"That was the interval before.", inPromotion(askedAt(-time.Second)), true},
		"NotDue":     {"Many events of pods are no reason to ask.", inPromotion(func(s *Snapshot) { s.Now = noon.Add(9 * time.Second) }, askedAt(0)), false},
		"OtherWrite": {"Whatever else was stored in this second.", inPromotion(func(s *Snapshot) { s.Status.LastTransitionTime = metav1.NewTime(noon) }), true},
		"DueAgain":   {"The next interval is.", inPromotion(func(s *Snapshot) { s.Now = noon.Add(10 * time.Second) }, askedAt(0)), true},
		"First":      {"The round before the promotion asked already.", inPromotion(func(s *Snapshot) { s.Status.Since = micro(noon.Add(-9 * time.Second)) }, askedAt(-9*time.Second)), false},
		"Fractions":  {"An interval is counted from when the phase began.", inPromotion(func(s *Snapshot) { s.Status.Since = micro(noon.Add(-9500 * time.Millisecond)) }, askedAt(0)), false},
		"StepBack": {"A step back that is still to last changes nothing.", inPromotion(func(s *Snapshot) {
			s.Status.NextCheck, s.Primary.Health, s.Primary.Available = micro(noon.Add(5*time.Second)), Available, 2
		}), true},
		"PrimaryStuck": {"Before the canary takes all, somebody may want what there was before.", inPromotion(func(s *Snapshot) { broken(&s.Primary) }), true},
		"PrimaryLate":  {"Nor is one that does not answer waited for when the primary had its deadline.", inPromotion(func(s *Snapshot) { s.Now = noon.Add(10 * time.Minute) }), false},
		"Lost":         {"Whether it can be followed is another question.", inPromotion(func(s *Snapshot) { s.PreviousTemplateKept = false }), true},
		"TargetMoved":  {"The primary has what is asked about, whatever the target has.", inPromotion(func(s *Snapshot) { s.Revision = "r1-v3" }), true},
		"NotRendered":  {"A target that moved on first is another rollout.", inPromotion(func(s *Snapshot) { s.Revision, s.Primary.Revision = "r1-v3", "r1-v1" }), false},
		"PutBack":      {"What is called off need not be rolled back.", inPromotion(func(s *Snapshot) { s.Revision = "r1-v1" }), false},
		"Returning":    {"Nobody is asked twice for the same.", returning(), false},
		"Skipped":      {"Hooks are part of the analysis.", inPromotion(func(s *Snapshot) { s.Plan.Skip = true }), false},
		"Suspended":    {"A halt silences everybody.", inPromotion(func(s *Snapshot) { s.Paused = true }), false},
		"Deleted":      {"So does an end.", inPromotion(func(s *Snapshot) { s.Deleting = true }), false},
		"NoHook":       {"Others are not asked about what passed.", inPromotion(func(s *Snapshot) { s.Plan.Hooks = s.Plan.Hooks[:2] }), false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := asked(decide(c.given, nil))
			if !c.asked {
				require.Empty(t, got, c.reason)
				return
			}
			require.Equal(t, []string{"stop"}, got, c.reason)
		})
	}
}

func TestRollbackHookWhilePromoting(t *testing.T) {
	yes := []told{{"stop", v1beta1.Passed, ""}}
	no := []told{{"stop", v1beta1.Failed, ""}}
	cases := map[string]struct {
		reason    string
		given     Snapshot
		found     []told
		phase     v1beta1.CanaryPhase
		promoting string
		weight    int
		events    []Reason
		alerts    []string
		promoted  string // the message of the condition
	}{
		"Rendered": {
			reason: "The primary returns, and users are with it at once.", given: inPromotion(), found: yes,
			phase: v1beta1.PhasePromoting, promoting: "r1-v1", events: []Reason{ReasonHookPassed, ReasonRolledBack},
			alerts: []string{"Rolling back manual webhook invoked"}, promoted: ordered,
		},
		"NotRendered": {
			reason: "A primary that has nothing else yet is as it should be.", found: yes,
			given: inPromotion(func(s *Snapshot) {
				s.Primary.Revision, s.Primary.Health, s.PreviousTemplateKept = "r1-v1", Available, false
			}),
			phase: v1beta1.PhaseFailed, events: []Reason{ReasonHookPassed, ReasonRolledBack, ReasonFailed},
			alerts:   []string{"Rolling back manual webhook invoked"},
			promoted: "Canary analysis failed, Deployment scaled to zero. Cause: the rollback hook stop asked for it.",
		},
		"NobodyElse": {
			reason: "A primary without pods gets no users.", found: yes, given: inPromotion(func(s *Snapshot) { s.Primary.Available = 0 }),
			phase: v1beta1.PhasePromoting, promoting: "r1-v1", weight: 50, events: []Reason{ReasonHookPassed, ReasonRolledBack},
			alerts: []string{"Rolling back manual webhook invoked"}, promoted: ordered,
		},
		"Stuck": {
			reason: "A rollback goes before a canary that takes all.", found: yes, given: inPromotion(func(s *Snapshot) { broken(&s.Primary) }),
			phase: v1beta1.PhasePromoting, promoting: "r1-v1", events: []Reason{ReasonHookPassed, ReasonRolledBack},
			alerts: []string{"Rolling back manual webhook invoked"}, promoted: ordered,
		},
		"StuckDenied": {
			reason: "If nobody wants it back, the canary is the healthy copy.", found: no, given: inPromotion(func(s *Snapshot) { broken(&s.Primary) }),
			phase: v1beta1.PhaseFailed, promoting: "r1-v2", weight: 100, events: []Reason{ReasonPromotionFailed},
			alerts:   []string{"Promotion failed, primary not ready: podinfo-primary.test: ImagePullBackOff: no such image"},
			promoted: "Promotion failed, primary not ready: Deployment keeps serving all traffic. Cause: podinfo-primary.test: ImagePullBackOff: no such image.",
		},
		"Lost": {
			reason: "What is gone cannot be returned to, and the promotion goes on.", found: yes,
			given: inPromotion(func(s *Snapshot) { s.PreviousTemplateKept, s.NotKeptReason = false, "it is gone" }),
			phase: v1beta1.PhasePromoting, promoting: "r1-v2", weight: 50, events: []Reason{ReasonHookPassed},
			alerts: []string{"Rollback not possible: podinfo-primary.test cannot return to the promoted revision: it is gone; put podinfo.test back to it"},
			promoted: "Canary analysis completed, starting primary rolling update. podinfo-primary.test cannot return to the promoted revision: " +
				"it is gone; put podinfo.test back to it. Cause: the rollback hook stop asked for it.",
		},
		"TargetMoved": {
			reason: "What the target has by now is not what is taken back.", found: yes, given: inPromotion(func(s *Snapshot) { s.Revision = "r1-v3" }),
			phase: v1beta1.PhasePromoting, promoting: "r1-v1", events: []Reason{ReasonHookPassed, ReasonRolledBack},
			alerts: []string{"Rolling back manual webhook invoked"}, promoted: ordered,
		},
		"TargetGone": {
			reason: "There is no need of a target.", found: yes, given: inPromotion(func(s *Snapshot) { s.Revision, s.Target, s.Status.CanaryWeight = "", Workload{}, 0 }),
			phase: v1beta1.PhasePromoting, promoting: "r1-v1", events: []Reason{ReasonHookPassed, ReasonRolledBack},
			alerts: []string{"Rolling back manual webhook invoked"}, promoted: ordered,
		},
		"Denied": {reason: "Nothing changes but the time.", given: inPromotion(), found: no, phase: v1beta1.PhasePromoting, promoting: "r1-v2", weight: 50},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := decide(c.given, c.found)
			require.Equal(t, c.phase, d.Status.Phase, c.reason)
			require.Equal(t, c.promoting, d.Status.Promoting, c.reason)
			require.Equal(t, c.weight, d.Status.CanaryWeight, c.reason)
			require.Equal(t, "r1-v2", d.Status.LastAppliedSpec, "what is rolled back is not tried again")
			require.Equal(t, "r1-v1", d.Status.LastPromotedSpec)
			said(t, d.Notices, c.events, c.alerts)
			require.Equal(t, c.promoted, message(d.Status, v1beta1.ConditionPromoted), c.reason)
			if len(c.found) > 0 {
				require.Equal(t, noon, d.Status.LastTransitionTime.Time, "it is known when they were asked")
			}
		})
	}
}

func said(t *testing.T, notices []Notice, events []Reason, alerts []string) {
	t.Helper()
	var reasons []Reason
	var texts []string
	for _, n := range notices {
		reasons = append(reasons, n.Reason)
		if n.Alert != nil {
			texts = append(texts, n.Alert.Text)
		}
	}
	require.Equal(t, events, reasons)
	require.Equal(t, alerts, texts)
}

// TestNextPassOfAPromotion sees to it that somebody looks when a hook is due, and else only when there was reason to.
func TestNextPassOfAPromotion(t *testing.T) {
	three := func(s *Snapshot) { s.Now = noon.Add(3 * time.Second) }
	require.Equal(t, 5*time.Second, decide(inPromotion(three, askedAt(0)), nil).After, "the pods are looked at before that")
	up := func(s *Snapshot) { s.Primary.Health, s.Primary.Available, s.Routed = Available, 2, false }
	require.Equal(t, 7*time.Second, decide(inPromotion(three, askedAt(0), up), nil).After)
	none := func(s *Snapshot) { s.Plan.Hooks = nil }
	require.Equal(t, 37*time.Second+time.Millisecond, decide(inPromotion(three, askedAt(0), up, none), nil).After, "when the deadline of the routes has passed")
	require.Zero(t, decide(inPromotion(three, askedAt(0), up, func(s *Snapshot) { s.Paused = true }), nil).After)
}

func TestNeedsHistory(t *testing.T) {
	for name, c := range map[string]struct {
		reason string
		given  Snapshot
		want   bool
	}{
		"Promoting":   {"A hook may ask for it.", inPromotion(), true},
		"NoHook":      {"Nobody can.", inPromotion(func(s *Snapshot) { s.Plan.Hooks = nil }), false},
		"Progressing": {"There is nothing to return from.", snap(), false},
		"Returning":   {"It is what is returned to, even if the spec has no hook any more.", returning(func(s *Snapshot) { s.Plan.Hooks = nil }), true},
		"TurnedBack":  {"The target has it.", returning(func(s *Snapshot) { s.Status.LastAppliedSpec = "r1-v1" }), false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, NeedsHistory(c.given.Plan, c.given.Status), c.reason)
		})
	}
}
