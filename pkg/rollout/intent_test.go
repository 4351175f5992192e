package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func TestIntentOf(t *testing.T) {
	steps := Plan{Steps: []Step{{Weight: 10}, {Weight: 50}}}
	swap := Plan{Steps: []Step{{Iteration: 1}, {Weight: 100}}, Swap: true}
	cases := map[string]struct {
		reason string
		plan   Plan
		status v1beta1.CanaryStatus
		want   Intent
	}{
		"Unseen": {
			reason: "Nothing is touched before the first revision is known.",
			plan:   steps,
			want:   Intent{Apex: TargetSide, Canary: true, Floor: 1},
		},
		"Initializing": {
			reason: "Users stay with the target while the primary is made; there is nothing to route yet.",
			plan:   steps, status: v1beta1.CanaryStatus{Phase: v1beta1.PhaseInitializing, LastAppliedSpec: "r1-a"},
			want: Intent{Apex: TargetSide, Primary: "r1-a", Canary: true, Floor: 1},
		},
		"InitializingAgain": {
			reason: "A primary that was deleted is made again from the stopped target, and gets the traffic as soon as it is up.",
			plan:   steps, status: v1beta1.CanaryStatus{Phase: v1beta1.PhaseInitializing, LastAppliedSpec: "r1-a", LastPromotedSpec: "r1-a"},
			want: Intent{Apex: PrimarySide, Primary: "r1-a", Traffic: &Traffic{}, Floor: 1},
		},
		"Initialized": {
			reason: "The primary serves and the target is stopped.",
			plan:   steps, status: v1beta1.CanaryStatus{Phase: v1beta1.PhaseInitialized},
			want: Intent{Apex: PrimarySide, Traffic: &Traffic{}, Floor: 1},
		},
		"ProgressingBeforeTheFirstStep": {
			reason: "The target grows to what the first step needs before it is routed.",
			plan:   steps, status: v1beta1.CanaryStatus{Phase: v1beta1.PhaseProgressing, PrimaryReplicas: 30},
			want: Intent{Apex: PrimarySide, Traffic: &Traffic{}, Canary: true, Floor: 3, Guard: 30},
		},
		"ProgressingAtAStep": {
			reason: "The target is already as large as the next step needs, so that none waits for pods.",
			plan:   steps, status: v1beta1.CanaryStatus{Phase: v1beta1.PhaseProgressing, Step: 1, CanaryWeight: 10, PrimaryReplicas: 4},
			want: Intent{Apex: PrimarySide, Traffic: &Traffic{Weight: 10}, Canary: true, Floor: 2, Guard: 4},
		},
		"ProgressingAtTheLastStep": {
			reason: "No step is left, so the size of this one is kept.",
			plan:   steps, status: v1beta1.CanaryStatus{Phase: v1beta1.PhaseProgressing, Step: 2, CanaryWeight: 50, PrimaryReplicas: 4},
			want: Intent{Apex: PrimarySide, Traffic: &Traffic{Weight: 50}, Canary: true, Floor: 2, Guard: 4},
		},
		"Promoting": {
			reason: "Should the primary not come up the canary takes it all, so it gets the size for that.",
			plan:   steps, status: v1beta1.CanaryStatus{Phase: v1beta1.PhasePromoting, Promoting: "r1-b", Step: 2, CanaryWeight: 50, PrimaryReplicas: 4},
			want: Intent{Apex: PrimarySide, Primary: "r1-b", Traffic: &Traffic{Weight: 50}, Canary: true, Floor: 4, Guard: 4},
		},
		"Finalising": {
			reason: "Traffic is moving to the primary, which is kept at its size until it has arrived.",
			plan:   steps, status: v1beta1.CanaryStatus{Phase: v1beta1.PhaseFinalising, PrimaryReplicas: 4},
			want: Intent{Apex: PrimarySide, Traffic: &Traffic{}, Floor: 1, Guard: 4},
		},
		"Failed": {
			reason: "The primary serves; its size is kept until the status lets it go.",
			plan:   steps, status: v1beta1.CanaryStatus{Phase: v1beta1.PhaseFailed, PrimaryReplicas: 4},
			want: Intent{Apex: PrimarySide, Traffic: &Traffic{}, Floor: 1, Guard: 4},
		},
		"FailedWhilePromoting": {
			reason: "The canary is the healthy copy: it runs, at full size, and the primary is left alone.",
			plan:   steps, status: v1beta1.CanaryStatus{Phase: v1beta1.PhaseFailed, Promoting: "r1-b", CanaryWeight: 100, PrimaryReplicas: 4},
			want: Intent{Apex: PrimarySide, Traffic: &Traffic{Weight: 100}, Canary: true, Floor: 4, Guard: 4},
		},
		"SwapAtZero": {
			reason: "Checks without users: the Service selects the primary.",
			plan:   swap, status: v1beta1.CanaryStatus{Phase: v1beta1.PhaseProgressing, Step: 1, PrimaryReplicas: 2},
			want: Intent{Apex: PrimarySide, Traffic: &Traffic{}, Canary: true, Floor: 2, Guard: 2},
		},
		"SwapAtAll": {
			reason: "Without another way to route, the Service itself selects the canary.",
			plan:   swap, status: v1beta1.CanaryStatus{Phase: v1beta1.PhaseProgressing, Step: 2, CanaryWeight: 100, PrimaryReplicas: 2},
			want: Intent{Apex: TargetSide, Traffic: &Traffic{Weight: 100}, Canary: true, Floor: 2, Guard: 2},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, IntentOf(c.plan, c.status), c.reason)
		})
	}
}
