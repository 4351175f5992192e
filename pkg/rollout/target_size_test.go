package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func TestSizeUnnoted(t *testing.T) {
	user := func(size int32) func(*Snapshot) {
		return func(s *Snapshot) { s.Target.Replicas, s.Target.SizedByUser = size, true }
	}
	noted := func(size int32, promoted string) func(*Snapshot) {
		return func(s *Snapshot) { s.Status.TargetSize = &v1beta1.TargetSize{Replicas: size, Promoted: promoted} }
	}
	atRest := in(v1beta1.PhaseSucceeded)
	cases := map[string]struct {
		reason string
		given  []func(*Snapshot)
		want   bool
	}{
		"Ours":       {"Sluice scales it for its own ends", []func(*Snapshot){func(s *Snapshot) { s.Target.Replicas = 1 }}, false},
		"Smaller":    {"somebody wants fewer", []func(*Snapshot){user(1)}, true},
		"Larger":     {"or more", []func(*Snapshot){user(5)}, true},
		"AtRest":     {"also between rollouts", []func(*Snapshot){atRest, user(5)}, true},
		"Same":       {"it is as large already", []func(*Snapshot){user(2)}, false},
		"Noted":      {"once is enough", []func(*Snapshot){user(1), noted(1, "r1-v1")}, false},
		"SecondMind": {"back to what it was", []func(*Snapshot){user(2), noted(1, "r1-v1")}, true},
		"Outdated":   {"another version has promoted since", []func(*Snapshot){user(2), noted(1, "r1-v0")}, false},
		"Zero":       {"nobody wants no users", []func(*Snapshot){user(0)}, false},
		"Autoscaled": {"sizes are the autoscaler's", []func(*Snapshot){user(5), func(s *Snapshot) { s.Plan.Autoscaled = true }}, false},
		"First":      {"the primary is made at its size", []func(*Snapshot){in(v1beta1.PhaseInitializing), user(5), func(s *Snapshot) { s.Status.LastPromotedSpec = "" }}, false},
		"Leaving":    {"nothing is promoted any more", []func(*Snapshot){in(v1beta1.PhaseTerminating), user(5)}, false},
		"NotStored":  {"the target would wait for ever to be noted", []func(*Snapshot){user(5), func(s *Snapshot) { s.SchemaMissing = []string{"targetSize"} }}, false},
		"Foreign":    {"it is put into our words first", []func(*Snapshot){user(5), func(s *Snapshot) { s.Status.LastAppliedSpec = "7c96dd5f8" }}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := snap(tc.given...)
			require.Equal(t, tc.want, SizeUnnoted(s), tc.reason)
			if d := Decide(s, Findings{}); tc.want {
				require.Equal(t, &v1beta1.TargetSize{Replicas: s.Target.Replicas, Promoted: "r1-v1"}, d.Status.TargetSize, tc.reason)
			}
		})
	}
}

// A smaller size waits for the users, a larger one does not: see IntentOf and what renders the primary.
func TestPromotedIsSizedLast(t *testing.T) {
	s := snap(promotion).Status
	s.TargetSize = &v1beta1.TargetSize{Replicas: 1, Promoted: "r1-v1"}
	require.Zero(t, IntentOf(Plan{}, s).PrimaryMaximum, "it is still to take its users back")
	s.Phase, s.Promoting, s.LastPromotedSpec, s.CanaryWeight = v1beta1.PhaseFinalising, "", "r1-v2", 0
	s.TargetSize.Promoted = "r1-v2"
	require.Equal(t, int32(1), IntentOf(Plan{}, s).PrimaryMaximum)
	require.Zero(t, IntentOf(Plan{Autoscaled: true}, s).PrimaryMaximum)
	still := 40
	s.ActualWeight = &still
	require.Zero(t, IntentOf(Plan{Ratio: true}, s).PrimaryMaximum, "the canary still has requests")
}
