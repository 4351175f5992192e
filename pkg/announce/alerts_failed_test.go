package announce

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// anything is a snapshot of whatever could be, and answers of any kind to what it asks.
type anything struct{ *rand.Rand }

func (a anything) one(from ...string) string { return from[a.IntN(len(from))] }
func (a anything) yes() bool                 { return a.IntN(2) == 0 }

func (a anything) side() rollout.Workload {
	w := rollout.Workload{
		Revision: a.one("r1-a", "r1-b", "r1-c", ""), Health: rollout.Health(a.IntN(5)), Replicas: int32(a.IntN(4)),
		Since: noon.Add(-time.Duration(a.IntN(30)) * time.Minute), Reason: a.one("", "ImagePullBackOff"),
	}
	w.Available = int32(a.IntN(int(w.Replicas) + 1))
	return w
}

func (a anything) snapshot() rollout.Snapshot {
	since := metav1.NewMicroTime(noon.Add(-time.Duration(a.IntN(30)) * time.Minute))
	phases := []string{"", "Initializing", "Initialized", "Waiting", "Progressing", "Progressing", "WaitingPromotion", "Promoting", "Finalising", "Succeeded", "Failed", "Terminating"}
	s := rollout.Snapshot{
		Now: noon, Names: rollout.Names{Namespace: "test", Canary: "podinfo", Kind: "Deployment", Target: "podinfo", Primary: "podinfo-primary"},
		Revision: a.one("r1-a", "r1-b", "r1-c", ""), Target: a.side(), Primary: a.side(), Routed: a.yes(), Paused: a.IntN(20) == 0, Deleting: a.IntN(20) == 0,
		Status: v1beta1.CanaryStatus{
			Phase: v1beta1.CanaryPhase(a.one(phases...)), Since: &since, CanaryWeight: []int{0, 0, 10, 50, 100}[a.IntN(5)], Step: a.IntN(4),
			FailedChecks: a.IntN(3), Iterations: a.IntN(3), PrimaryReplicas: int32(a.IntN(4)),
			LastAppliedSpec: a.one("r1-a", "r1-b"), LastPromotedSpec: a.one("r1-a", "r1-b", ""), Promoting: a.one("", "", "r1-b"),
		},
	}
	if a.yes() {
		s.Status.NextCheck = &since
	}
	s.Plan = a.plan()
	return s
}

// plan is compiled, so that it has all that a plan has.
func (a anything) plan() rollout.Plan {
	spec := v1beta1.CanarySpec{
		TargetRef: v1beta1.TargetRef{APIVersion: "apps/v1", Kind: "Deployment", Name: "podinfo"}, SkipAnalysis: a.IntN(10) == 0,
		Analysis: &v1beta1.CanaryAnalysis{Interval: "10s", Threshold: 1 + a.IntN(3), Metrics: []v1beta1.CanaryMetric{{Name: "request-success-rate"}}},
	}
	for _, moment := range []v1beta1.HookType{v1beta1.RollbackHook, v1beta1.ConfirmPromotionHook, v1beta1.ConfirmTrafficIncreaseHook} {
		if a.IntN(3) == 0 {
			spec.Analysis.Webhooks = append(spec.Analysis.Webhooks, v1beta1.CanaryWebhook{Name: string(moment), Type: moment, URL: "http://hook.test"})
		}
	}
	if a.yes() {
		spec.Analysis.StepWeight = 50
	} else {
		spec.Analysis.Iterations = 2
	}
	if a.IntN(4) == 0 {
		spec.Analysis.OnInconclusive = "abort"
	}
	p, err := rollout.Compile(spec, rollout.Weighted|rollout.Mirrored|rollout.Matched|rollout.Sticky)
	if err != nil {
		panic(err)
	}
	return p
}

// decide takes a decision, by whatever is found.
func (a anything) decide(s rollout.Snapshot) rollout.Decision {
	found := rollout.Findings{Answers: map[string]rollout.Finding{}}
	d := rollout.Decide(s, found)
	for !d.Questions.Empty() {
		found.Round = d.Questions.Round
		for _, q := range d.Questions.Asked {
			verdict := v1beta1.Verdict(a.one("Passed", "Failed", "Failed", "Waiting", "Inconclusive"))
			found.Answers[q.Key] = rollout.Finding{Verdict: verdict, Message: "no"}
		}
		d = rollout.Decide(s, found)
	}
	return d
}

// due is how bad an end is: a hook that asks for one has somebody who knows, and the return of an old failure is
// none of the revision that was called off for it.
func due(n rollout.Notice) v1beta1.AlertSeverity {
	asked := strings.HasSuffix(n.Message, "manual webhook invoked") || n.Alert.Text == "Rolled back, the promoted revision is back."
	if n.Reason == rollout.ReasonCalledOff || asked {
		return v1beta1.SeverityWarn
	}
	return v1beta1.SeverityError
}

// TestEveryWayToFailAlerts asks the machine itself, without what the announcer adds: whatever state a rollout is in, and
// whatever is found, a decision that enters Failed has an alert of the severity that is due.
func TestEveryWayToFailAlerts(t *testing.T) {
	ways := map[string]int{}
	for seed := range uint64(60_000) {
		a := anything{rand.New(rand.NewPCG(seed, 7))}
		s := a.snapshot()
		d := a.decide(s)
		if d.Status.Phase != v1beta1.PhaseFailed || s.Status.Phase == v1beta1.PhaseFailed {
			continue
		}
		at := slices.IndexFunc(d.Notices, func(n rollout.Notice) bool { return n.Alert != nil && n.Alert.Severity == due(n) })
		require.GreaterOrEqual(t, at, 0, "seed %d: %s becomes Failed, and says only %+v", seed, s.Status.Phase, d.Notices)
		require.NotEmpty(t, d.Notices[at].Alert.Text)
		ways[fmt.Sprintf("%s by %s", s.Status.Phase, d.Notices[at].Reason)]++
	}
	t.Log(ways)
	for _, way := range []string{"Progressing by RolledBack", "WaitingPromotion by RolledBack", "Promoting by PromotionFailed"} {
		require.Positive(t, ways[way], "the runs must have come by way of %q", way)
	}
}
