package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func TestIntentOf(t *testing.T) {
	steps := Plan{Steps: []Step{{Weight: 10}, {Weight: 50}}}
	swap := Plan{Iterations: 1, Steps: []Step{{}, {Weight: 100}}, Swap: true}
	test := Plan{Strategy: ABTesting, Matched: true, Iterations: 1, Steps: []Step{{Weight: 100}}}
	copies := Plan{Strategy: Canary, Steps: []Step{{Mirror: 30}, {Weight: 10}}}
	preview := Plan{Strategy: Canary, Preview: true, Steps: []Step{{Weight: 10}}}
	sticky := Plan{Strategy: Canary, Affinity: &v1beta1.SessionAffinity{CookieName: "c"}, Steps: []Step{{Weight: 10}}}
	cases := map[string]struct {
		reason string
		plan   Plan
		status v1beta1.CanaryStatus
		want   Intent
	}{
		"Unseen": {
			reason: "Nothing is touched before the first revision is known.",
			plan:   steps,
			want:   Intent{Apex: TargetSide, Canary: true, TargetMinimum: 1, StartFull: true},
		},
		"Initializing": {
			reason: "Users stay with the target while the primary is made; there is nothing to route yet.",
			plan:   steps, status: v1beta1.CanaryStatus{Phase: v1beta1.PhaseInitializing, LastAppliedSpec: "r1-a"},
			want: Intent{Apex: TargetSide, Primary: "r1-a", Canary: true, TargetMinimum: 1, StartFull: true},
		},
		"InitializingAgain": {
			reason: "A primary that was deleted is made again from the stopped target, and gets the traffic as soon as it is up.",
			plan:   steps, status: v1beta1.CanaryStatus{Phase: v1beta1.PhaseInitializing, LastAppliedSpec: "r1-a", LastPromotedSpec: "r1-a"},
			want: Intent{Apex: PrimarySide, Primary: "r1-a", Traffic: &Traffic{}, TargetMinimum: 1},
		},
		"Initialized": {
			reason: "The primary serves and the target is stopped.",
			plan:   steps, status: v1beta1.CanaryStatus{LastAppliedSpec: "r1-b", Phase: v1beta1.PhaseInitialized},
			want: Intent{Apex: PrimarySide, Traffic: &Traffic{}, TargetMinimum: 1},
		},
		"ProgressingBeforeTheFirstStep": {
			reason: "The target grows to what the first step needs before it is routed.",
			plan:   steps, status: v1beta1.CanaryStatus{LastAppliedSpec: "r1-b", Phase: v1beta1.PhaseProgressing, PrimaryReplicas: 30},
			want: Intent{Apex: PrimarySide, Traffic: &Traffic{}, Canary: true, TargetMinimum: 3, AutoscalerMinimum: 30},
		},
		"ProgressingAtAStep": {
			reason: "The target is already as large as the next step needs, so that none waits for pods.",
			plan:   steps, status: v1beta1.CanaryStatus{LastAppliedSpec: "r1-b", Phase: v1beta1.PhaseProgressing, Step: 1, CanaryWeight: 10, PrimaryReplicas: 4},
			want: Intent{Apex: PrimarySide, Traffic: &Traffic{Weight: 10}, Canary: true, TargetMinimum: 2, AutoscalerMinimum: 4},
		},
		"ProgressingAtTheLastStep": {
			reason: "No step is left, so the size of this one is kept.",
			plan:   steps, status: v1beta1.CanaryStatus{LastAppliedSpec: "r1-b", Phase: v1beta1.PhaseProgressing, Step: 2, CanaryWeight: 50, PrimaryReplicas: 4},
			want: Intent{Apex: PrimarySide, Traffic: &Traffic{Weight: 50}, Canary: true, TargetMinimum: 2, AutoscalerMinimum: 4},
		},
		"Promoting": {
			reason: "Should the primary not come up the canary takes it all, so it gets the size for that.",
			plan:   steps, status: v1beta1.CanaryStatus{LastAppliedSpec: "r1-b", Phase: v1beta1.PhasePromoting, Promoting: "r1-b", Step: 2, CanaryWeight: 50, PrimaryReplicas: 4},
			want: Intent{Apex: PrimarySide, Primary: "r1-b", Traffic: &Traffic{Weight: 50}, Canary: true, TargetMinimum: 4, AutoscalerMinimum: 4},
		},
		"Finalising": {
			reason: "Traffic is moving to the primary, which is kept at its size until it has arrived.",
			plan:   steps, status: v1beta1.CanaryStatus{LastAppliedSpec: "r1-b", Phase: v1beta1.PhaseFinalising, PrimaryReplicas: 4},
			want: Intent{Apex: PrimarySide, Traffic: &Traffic{}, TargetMinimum: 1, AutoscalerMinimum: 4},
		},
		"Failed": {
			reason: "The primary serves; its size is kept until the status lets it go.",
			plan:   steps, status: v1beta1.CanaryStatus{LastAppliedSpec: "r1-b", Phase: v1beta1.PhaseFailed, PrimaryReplicas: 4},
			want: Intent{Apex: PrimarySide, Traffic: &Traffic{}, TargetMinimum: 1, AutoscalerMinimum: 4},
		},
		"FailedWhilePromoting": {
			reason: "The canary is the healthy copy: it runs, at full size, and the primary is left alone.",
			plan:   steps, status: v1beta1.CanaryStatus{LastAppliedSpec: "r1-b", Phase: v1beta1.PhaseFailed, Promoting: "r1-b", CanaryWeight: 100, PrimaryReplicas: 4},
			want: Intent{Apex: PrimarySide, Traffic: &Traffic{Weight: 100}, Canary: true, TargetMinimum: 4, AutoscalerMinimum: 4},
		},
		"SwapAtZero": {
			reason: "Checks without users: the Service selects the primary.",
			plan:   swap, status: v1beta1.CanaryStatus{LastAppliedSpec: "r1-b", Phase: v1beta1.PhaseProgressing, Step: 1, PrimaryReplicas: 2},
			want: Intent{Apex: PrimarySide, Traffic: &Traffic{}, Canary: true, TargetMinimum: 2, AutoscalerMinimum: 2},
		},
		"SwapAtAll": {
			reason: "Without another way to route, the Service itself selects the canary.",
			plan:   swap, status: v1beta1.CanaryStatus{LastAppliedSpec: "r1-b", Phase: v1beta1.PhaseProgressing, Step: 2, CanaryWeight: 100, PrimaryReplicas: 2},
			want: Intent{Apex: TargetSide, Traffic: &Traffic{Weight: 100}, Canary: true, TargetMinimum: 2, AutoscalerMinimum: 2},
		},
		"Matched": {
			reason: "Those who fit meet the canary; it is sized as if all did.",
			plan:   test, status: v1beta1.CanaryStatus{LastAppliedSpec: "r1-b", Phase: v1beta1.PhaseProgressing, Step: 1, Iterations: 1, CanaryWeight: 100, Matched: true, PrimaryReplicas: 2},
			want: Intent{Apex: PrimarySide, Traffic: &Traffic{Weight: 100, Matched: true}, Canary: true, TargetMinimum: 2, AutoscalerMinimum: 2},
		},
		"MatchedByAnEarlierSpec": {
			reason: "Whoever fitted is known no more, and nobody else was meant to meet the canary.",
			plan:   steps, status: v1beta1.CanaryStatus{LastAppliedSpec: "r1-b", Phase: v1beta1.PhaseProgressing, Step: 1, Iterations: 1, CanaryWeight: 100, Matched: true, PrimaryReplicas: 2},
			want: Intent{Apex: PrimarySide, Traffic: &Traffic{Matched: true}, Canary: true, TargetMinimum: 2, AutoscalerMinimum: 2},
		},
		"FailedWhilePromotingATest": {
			reason: "The canary is the healthy copy for everybody, whether they fit or not.",
			plan:   test, status: v1beta1.CanaryStatus{LastAppliedSpec: "r1-b", Phase: v1beta1.PhaseFailed, Promoting: "r1-b", CanaryWeight: 100, PrimaryReplicas: 2},
			want: Intent{Apex: PrimarySide, Traffic: &Traffic{Weight: 100}, Canary: true, TargetMinimum: 2, AutoscalerMinimum: 2},
		},
		"Mirrored": {
			reason: "Copies are requests: the canary gets the pods for them.",
			plan:   copies, status: v1beta1.CanaryStatus{LastAppliedSpec: "r1-b", Phase: v1beta1.PhaseProgressing, Step: 1, PrimaryReplicas: 10},
			want: Intent{Apex: PrimarySide, Traffic: &Traffic{Mirror: 30}, Canary: true, TargetMinimum: 3, AutoscalerMinimum: 10},
		},
		"Preview": {
			reason: "Insiders meet the canary as soon as anybody does.",
			plan:   preview, status: v1beta1.CanaryStatus{LastAppliedSpec: "r1-b", Phase: v1beta1.PhaseProgressing, Step: 1, CanaryWeight: 10, PrimaryReplicas: 2},
			want: Intent{Apex: PrimarySide, Traffic: &Traffic{Weight: 10, Preview: true}, Canary: true, TargetMinimum: 1, AutoscalerMinimum: 2},
		},
		"PreviewBeforeTheFirstStep": {
			reason: "Not before the hooks agreed.",
			plan:   preview, status: v1beta1.CanaryStatus{LastAppliedSpec: "r1-b", Phase: v1beta1.PhaseProgressing, PrimaryReplicas: 2},
			want: Intent{Apex: PrimarySide, Traffic: &Traffic{}, Canary: true, TargetMinimum: 1, AutoscalerMinimum: 2},
		},
		"Sticky": {
			reason: "Cookies are in effect while the canary answers requests.",
			plan:   sticky, status: v1beta1.CanaryStatus{LastAppliedSpec: "r1-b", Phase: v1beta1.PhaseProgressing, Step: 1, CanaryWeight: 10, PrimaryReplicas: 2, SessionAffinityCookie: "c=1", PrimarySessionAffinityCookie: "p=1", PreviousSessionAffinityCookie: "c=0"},
			want: Intent{Apex: PrimarySide, Traffic: &Traffic{Weight: 10, Cookies: Cookies{Canary: "c=1", Primary: "p=1"}}, Canary: true, TargetMinimum: 1, AutoscalerMinimum: 2},
		},
		"NoLongerSticky": {
			reason: "Afterwards browsers are told to drop the canary's cookie.",
			plan:   sticky, status: v1beta1.CanaryStatus{LastAppliedSpec: "r1-b", Phase: v1beta1.PhaseInitialized, PreviousSessionAffinityCookie: "c=1"},
			want: Intent{Apex: PrimarySide, Traffic: &Traffic{Cookies: Cookies{Expired: "c=1"}}, TargetMinimum: 1},
		},
		"Foreign": {
			reason: "What another controller left is not touched before its status has been read for what it means.",
			plan:   steps, status: v1beta1.CanaryStatus{LastAppliedSpec: "5d89f7c6b4", Phase: v1beta1.PhaseFailed},
			want: Intent{Apex: PrimarySide, Canary: true},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, IntentOf(c.plan, c.status), c.reason)
		})
	}
}
