package announce

import (
	"testing"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// TestWaitsAreExposed has what a Canary waits for be a series, as well as how long its phase may take.
func TestWaitsAreExposed(t *testing.T) {
	canary := func(phase v1beta1.CanaryPhase, waits rollout.Wait) v1beta1.Canary {
		c := *newsOf(stands("", "", 0), stands(phase, "r1-b", 1)).Canary
		c.Spec.Analysis = &v1beta1.CanaryAnalysis{Interval: "1m", Threshold: 5, StepWeight: 10, MaxWeight: 50}
		c.Status.WaitingFor = string(waits)
		return c
	}
	const waiting, expected = "sluice_canary_waiting", "sluice_canary_phase_expected_seconds"
	one := "name=podinfo namespace=test "
	cases := map[string]struct {
		reason         string
		given          v1beta1.Canary
		waits, expects map[string]float64
	}{
		"Steps":     {"Five steps, five repeated checks, and the pods.", canary(v1beta1.PhaseProgressing, rollout.WaitInterval), map[string]float64{one + "reason=StepRunning": 1}, map[string]float64{one + "phase=Progressing": 1200}},
		"Promotes":  {"It waits for pods alone.", canary(v1beta1.PhasePromoting, rollout.WaitPrimary), map[string]float64{one + "reason=PrimaryStarting": 1}, map[string]float64{one + "phase=Promoting": 600}},
		"Gate":      {"A person takes as long as a person takes.", canary(v1beta1.PhaseWaitingPromotion, rollout.WaitPromotionApproval), map[string]float64{one + "reason=PromotionApproval": 1}, map[string]float64{}},
		"Suspended": {"So does one who suspends.", canary(v1beta1.PhaseSucceeded, rollout.WaitResume), map[string]float64{one + "reason=Suspended": 1}, map[string]float64{}},
		"Invalid":   {"A spec that cannot be followed has no silence.", canary(v1beta1.PhaseSucceeded, rollout.WaitSpec), map[string]float64{one + "reason=SpecInvalid": 1}, map[string]float64{}},
		"AtRest":    {"Nothing is waited for.", canary(v1beta1.PhaseSucceeded, rollout.WaitNothing), map[string]float64{}, map[string]float64{}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, into := newTelemetry(t, c.given)
			exposes(t, into, waiting, c.waits)
			exposes(t, into, expected, c.expects)
		})
	}
}

// TestWeightOfWhatIsThere has no series of a workload that does not exist.
func TestWeightOfWhatIsThere(t *testing.T) {
	begins := *newsOf(stands("", "", 0), stands(v1beta1.PhaseInitializing, "r1-b", 1)).Canary
	_, into := newTelemetry(t, begins)
	exposes(t, into, "flagger_canary_weight", map[string]float64{"namespace=test workload=podinfo": 100})
	gone := *newsOf(stands("", "", 0), stands(v1beta1.PhaseSucceeded, "r1-b", 1)).Canary
	gone.Status.WaitingFor = string(rollout.WaitTarget)
	_, into = newTelemetry(t, gone)
	exposes(t, into, "flagger_canary_weight", map[string]float64{"namespace=test workload=podinfo-primary": 100})
}
