package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// preparing is a rollback from v2, of a primary without pods while it is updated: the target is made ready.
func preparing(change ...func(*Snapshot)) Snapshot {
	return snap(append([]func(*Snapshot){in(v1beta1.PhasePromoting), func(s *Snapshot) {
		s.Status.LastPromotedSpec, s.Status.Promoting, s.Status.RollbackTo, s.Status.CanaryWeight = "r1-v2", "r1-v2", "r1-v1", 100
		s.Primary.Revision, s.Plan.PrimaryStops, s.PreviousTemplateKept = "r1-v2", true, true
	}}, change...)...)
}

func TestPodsToConfirm(t *testing.T) {
	for name, c := range map[string]struct {
		reason          string
		given           Snapshot
		target, primary bool
	}{
		"FirstRequest":  {reason: "It was started for its rollout.", given: snap(in(v1beta1.PhaseProgressing)), target: true},
		"Step":          {reason: "It has had requests.", given: snap()},
		"Preparing":     {reason: "It was started for the rollback.", given: preparing(func(s *Snapshot) { s.Status.CanaryWeight = 0 }), target: true},
		"Prepared":      {reason: "The pods of the primary are about to end.", given: preparing(), target: true},
		"GivingBack":    {reason: "It was started to be given back.", given: snap(in(v1beta1.PhaseTerminating)), target: true},
		"GivenBack":     {reason: "It has all requests.", given: snap(in(v1beta1.PhaseTerminating), func(s *Snapshot) { s.Status.CanaryWeight = 100 })},
		"Promotion":     {reason: "The primary's pods are of a template that it did not have before.", given: snap(promotion)},
		"Returning":     {reason: "The primary has the template before again.", given: returning(func(s *Snapshot) { s.Status.CanaryWeight = 100 }), primary: true},
		"ReturningUsed": {reason: "Users are with it all the time.", given: returning()},
		"AtRest":        {reason: "Nobody is led anywhere.", given: snap(in(v1beta1.PhaseSucceeded))},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.target, MustConfirmTarget(c.given.Status), c.reason)
			require.Equal(t, c.primary, MustConfirmPrimary(c.given.Status), c.reason)
		})
	}
}

func TestRollbackPrepared(t *testing.T) {
	lost := func(s *Snapshot) { s.Target.Health, s.Target.Available = Starting, 1 }
	for name, c := range map[string]struct {
		reason    string
		given     Snapshot
		phase     v1beta1.CanaryPhase
		promoting string
		weight    int
	}{
		"Ready":       {reason: "The primary returns.", given: preparing(), phase: v1beta1.PhasePromoting, promoting: "r1-v1", weight: 100},
		"Lost":        {reason: "The primary's pods do not end while the target lacks some.", given: preparing(lost), phase: v1beta1.PhasePromoting, promoting: "r1-v2", weight: 100},
		"LostForGood": {reason: "What was promoted serves.", given: preparing(func(s *Snapshot) { broken(&s.Target) }), phase: v1beta1.PhaseSucceeded},
	} {
		t.Run(name, func(t *testing.T) {
			d := decide(c.given, nil)
			require.Equal(t, c.phase, d.Status.Phase, c.reason)
			require.Equal(t, c.promoting, d.Status.Promoting, c.reason)
			require.Equal(t, c.weight, d.Status.CanaryWeight, c.reason)
		})
	}
}
