package rollout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func TestReturning(t *testing.T) {
	up := func(s *Snapshot) { s.Primary.Health, s.Primary.Available = Available, 2 }
	unrendered := func(s *Snapshot) { s.Primary.Revision = "r1-v2" }
	moved := func(s *Snapshot) { s.Revision = "r1-v3" }
	kept := func(s *Snapshot) { s.Status.CanaryWeight, s.Primary.Available = 50, 0 }
	stops := func(s *Snapshot) { s.Plan.PrimaryStops = true }
	cases := map[string]struct {
		reason    string
		given     Snapshot
		phase     v1beta1.CanaryPhase
		promoting string
		applied   string
		weight    int
		events    []Reason
		alerts    []string
	}{
		"Starting": {reason: "It takes its time.", given: returning(), phase: v1beta1.PhasePromoting, promoting: "r1-v1", applied: "r1-v2"},
		"Unrouted": {reason: "Proxies have to have it.", given: returning(up, func(s *Snapshot) { s.Routed = false }), phase: v1beta1.PhasePromoting, promoting: "r1-v1", applied: "r1-v2"},
		"Small":    {reason: "It has to have its size.", given: returning(up, func(s *Snapshot) { s.Primary.Available = 1 }), phase: v1beta1.PhasePromoting, promoting: "r1-v1", applied: "r1-v2"},
		"Back": {
			reason: "The rollout has failed, and that is told.", given: returning(up), phase: v1beta1.PhaseFailed, applied: "r1-v2",
			events: []Reason{ReasonRolledBack, ReasonFailed}, alerts: []string{"Rolled back, the promoted revision is back."},
		},
		"Moved":      {reason: "A newer revision has to wait until it is over.", given: returning(unrendered, moved), phase: v1beta1.PhasePromoting, promoting: "r1-v1", applied: "r1-v2"},
		"MovedUp":    {reason: "And not longer.", given: returning(up, moved), phase: v1beta1.PhaseFailed, applied: "r1-v2", events: []Reason{ReasonRolledBack, ReasonFailed}, alerts: []string{"Rolled back, the promoted revision is back."}},
		"TargetGone": {reason: "Nobody waits for a target.", given: returning(unrendered, func(s *Snapshot) { s.Revision, s.Target = "", Workload{} }), phase: v1beta1.PhasePromoting, promoting: "r1-v1", applied: "r1-v2"},
		"PutBack":    {reason: "A target that is back makes it a call-off.", given: returning(func(s *Snapshot) { s.Revision = "r1-v1" }), phase: v1beta1.PhasePromoting, promoting: "r1-v1", applied: "r1-v1", events: []Reason{ReasonCalledOff}},
		"PutBackUnrendered": {
			reason: "Be it before the primary was given anything.", given: returning(unrendered, func(s *Snapshot) { s.Revision = "r1-v1" }),
			phase: v1beta1.PhasePromoting, promoting: "r1-v1", applied: "r1-v1", events: []Reason{ReasonCalledOff},
		},
		"Forgotten": {
			reason: "A history that ended in between leaves what the primary has.", given: returning(unrendered, func(s *Snapshot) { s.PreviousTemplateKept, s.NotKeptReason = false, "it is gone" }),
			phase: v1beta1.PhasePromoting, promoting: "r1-v2", applied: "r1-v2", events: []Reason{ReasonHookPassed},
			alerts: []string{"Rollback not possible: podinfo-primary.test cannot return to the promoted revision: it is gone; put podinfo.test back to it"},
		},
		"Stuck": {
			reason: "Users are with it already: it has failed.", given: returning(func(s *Snapshot) { broken(&s.Primary) }), phase: v1beta1.PhaseFailed, applied: "r1-v2",
			events: []Reason{ReasonFailed, ReasonPromotionFailed}, alerts: []string{"Rollback failed, primary not ready: podinfo-primary.test: ImagePullBackOff: no such image"},
		},
		"Kept": {reason: "Users stay while nobody else answers.", given: returning(kept), phase: v1beta1.PhasePromoting, promoting: "r1-v1", applied: "r1-v2", weight: 50},
		"KeptNoMore": {
			reason: "The first pod gets them.", given: returning(kept, func(s *Snapshot) { s.Primary.Available = 1 }),
			phase: v1beta1.PhasePromoting, promoting: "r1-v1", applied: "r1-v2",
		},
		"KeptStops": {
			reason: "The pods that it has are those that end.", given: returning(kept, stops, func(s *Snapshot) { s.Primary.Available = 2 }),
			phase: v1beta1.PhasePromoting, promoting: "r1-v1", applied: "r1-v2", weight: 50,
		},
		"KeptStopsNoMore": {reason: "It has its own.", given: returning(kept, stops, up), phase: v1beta1.PhasePromoting, promoting: "r1-v1", applied: "r1-v2"},
		"KeptStuck": {
			reason: "However long that takes.", given: returning(kept, func(s *Snapshot) { broken(&s.Primary) }), phase: v1beta1.PhasePromoting, promoting: "r1-v1", applied: "r1-v2", weight: 50,
			events: []Reason{ReasonWorkloadNotReady},
			alerts: []string{"Rollback stuck, primary not ready: podinfo-primary.test: ImagePullBackOff: no such image; until it has a pod podinfo.test keeps its requests"},
		},
		"KeptStuckNoMore": {
			reason: "A pod that answers is enough, even if others never will.", given: returning(kept, func(s *Snapshot) { broken(&s.Primary); s.Primary.Available = 1 }),
			phase: v1beta1.PhasePromoting, promoting: "r1-v1", applied: "r1-v2", events: []Reason{ReasonWorkloadNotReady},
		},
		"KeptDrained": {
			reason: "A canary without pods keeps nothing.", given: returning(kept, func(s *Snapshot) { s.Target.Available = 0 }),
			phase: v1beta1.PhasePromoting, promoting: "r1-v1", applied: "r1-v2", events: []Reason{ReasonDrained},
		},
		"NoCause": {
			reason: "A condition that somebody has changed is no reason to hang.", given: returning(up, func(s *Snapshot) { s.Status.Conditions = nil }),
			phase: v1beta1.PhaseFailed, applied: "r1-v2", events: []Reason{ReasonRolledBack, ReasonFailed}, alerts: []string{"Rolled back, the promoted revision is back."},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := decide(c.given, nil)
			require.Equal(t, c.phase, d.Status.Phase, c.reason)
			require.Equal(t, c.promoting, d.Status.Promoting, c.reason)
			require.Equal(t, c.applied, d.Status.LastAppliedSpec, c.reason)
			require.Equal(t, c.weight, d.Status.CanaryWeight, c.reason)
			said(t, d.Notices, c.events, c.alerts)
			if c.phase == v1beta1.PhaseFailed {
				require.Contains(t, message(d.Status, v1beta1.ConditionPromoted), "rollback hook", c.reason)
			}
		})
	}
}

// TestRollbackOfAPromotionIsToldOnce goes on after decisions that will be taken again and again.
func TestRollbackOfAPromotionIsToldOnce(t *testing.T) {
	yes := []told{{"stop", v1beta1.Passed, ""}}
	lost := inPromotion(func(s *Snapshot) { s.PreviousTemplateKept = false })
	stuck := returning(func(s *Snapshot) { broken(&s.Primary); s.Status.CanaryWeight, s.Primary.Available = 50, 0 })
	for name, c := range map[string]struct {
		reason string
		given  Snapshot
		found  []told
	}{
		"Lost":  {"A hook that goes on asking is answered once.", lost, yes},
		"Stuck": {"So is a primary that stays as it is.", stuck, nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := decide(c.given, c.found)
			require.NotEmpty(t, d.Notices, c.reason)
			again := c.given
			again.Status, again.Now = d.Status, noon.Add(10*time.Second)
			require.Empty(t, decide(again, c.found).Notices, c.reason)
		})
	}
}
