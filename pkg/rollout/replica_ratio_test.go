package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func TestPods(t *testing.T) {
	cases := map[string]struct {
		reason          string
		weight          int
		size            int32
		canary, primary int32
	}{
		"Nothing":    {"nobody is to meet it", 0, 5, 0, 5},
		"Exact":      {"a fifth of five", 20, 5, 1, 4},
		"Nearest":    {"a quarter of five is nearer to one than to two", 25, 5, 1, 4},
		"Half":       {"half a pod is rounded up", 50, 5, 3, 2},
		"Least":      {"a canary without pods would not be judged", 1, 5, 1, 4},
		"Most":       {"below all, the primary answers somebody", 99, 5, 4, 1},
		"Everything": {"all of them", 100, 5, 5, 0},
		"Single":     {"with one pod each side has one", 10, 1, 1, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			canary, primary := pods(c.weight, c.size)
			require.Equal(t, []int32{c.canary, c.primary}, []int32{canary, primary}, c.reason)
		})
	}
}

func TestPodsNeverFallShort(t *testing.T) {
	for size := int32(1); size <= 30; size++ {
		for weight := range everything + 1 {
			canary, primary := pods(weight, size)
			require.GreaterOrEqual(t, canary+primary, size, "weight %d of %d", weight, size)
			require.LessOrEqual(t, canary+primary, size+1, "weight %d of %d", weight, size)
		}
	}
}

func TestUnreachable(t *testing.T) {
	plan := Plan{Ratio: true, Steps: []Step{{Weight: 5}, {Weight: 25}, {Weight: 50}}}
	require.Equal(t, []Remark{
		{ReasonStrategyAdjusted, "A weight of 5% cannot be reached with 4 pods, the nearest is 25%"},
	}, plan.Unreachable(4))
	require.Empty(t, plan.Unreachable(20), "half a pod is near enough")
	back := Plan{Ratio: true, Steps: []Step{{Weight: 5}, {Weight: 50}, {Weight: 5}}}
	require.Equal(t, plan.Unreachable(4)[:1], back.Unreachable(4), "a weight that comes again is told once")
	require.Len(t, plan.Unreachable(1), 3, "with one pod on each side every step is a half, and one pod too many")
	plan.Ratio = false
	require.Empty(t, plan.Unreachable(1), "routes reach any weight")
}

func TestReplicaRatioIsRefused(t *testing.T) {
	ratio := analysis(func(a *v1beta1.CanaryAnalysis) { a.ReplicaRatio = true })
	_, err := Compile(specOf(ratio), Weighted)
	require.ErrorContains(t, err, "spec.analysis.replicaRatio: is for the provider kubernetes only")
	_, err = Compile(specOf(func(s *v1beta1.CanarySpec) {
		ratio(s)
		s.AutoscalerRef = &v1beta1.AutoscalerRef{Kind: "HorizontalPodAutoscaler", Name: "x"}
	}), 0)
	require.ErrorContains(t, err, "spec.analysis.replicaRatio: cannot be combined with autoscalerRef")
	p, err := Compile(specOf(ratio), 0)
	require.NoError(t, err)
	require.True(t, p.Ratio)
	require.False(t, p.Swap, "weights are what they are")
	require.Len(t, p.Steps, 5)
}

func TestActualWeight(t *testing.T) {
	plan := Plan{Ratio: true, Strategy: Canary, Steps: []Step{{Weight: 20}}}
	old := 20
	cases := map[string]struct {
		reason          string
		was, is         v1beta1.CanaryStatus
		target, primary int32
		want            int
	}{
		"Reached":  {"a fifth", v1beta1.CanaryStatus{CanaryWeight: 20}, v1beta1.CanaryStatus{CanaryWeight: 20}, 1, 4, 20},
		"OnItsWay": {"the primary has not shrunk yet", v1beta1.CanaryStatus{CanaryWeight: 20}, v1beta1.CanaryStatus{CanaryWeight: 20}, 1, 5, 17},
		"Leaving":  {"the primary has to grow first", v1beta1.CanaryStatus{CanaryWeight: 20, ActualWeight: &old}, v1beta1.CanaryStatus{}, 1, 4, 20},
		"Left":     {"it has grown", v1beta1.CanaryStatus{ActualWeight: &old}, v1beta1.CanaryStatus{}, 1, 5, 0},
		"Gone":     {"nobody is left to answer", v1beta1.CanaryStatus{ActualWeight: &old}, v1beta1.CanaryStatus{}, 0, 4, 0},
		"Never":    {"it is not behind the Service yet", v1beta1.CanaryStatus{}, v1beta1.CanaryStatus{}, 1, 4, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.was.PrimaryReplicas, c.was.LastAppliedSpec, c.was.Phase = 5, "r1-b", v1beta1.PhaseProgressing
			made := newTransition(Snapshot{Plan: plan, Status: c.was, Target: Workload{Available: c.target}, Primary: Workload{Available: c.primary}})
			made.next.CanaryWeight = c.is.CanaryWeight
			made.recordActualWeight()
			require.Equal(t, c.want, *made.next.ActualWeight, c.reason)
		})
	}
}

// TestRefusedSpecKeepsTheReachedWeight holds that the primary, which has given pods away, is whole again before a canary
// that still answers for them is stopped.
func TestRefusedSpecKeepsTheReachedWeight(t *testing.T) {
	s := snap(func(s *Snapshot) {
		s.Plan.Ratio, s.Status.PrimaryReplicas, s.Status.CanaryWeight, s.Status.ActualWeight = true, 10, 30, ptr(30)
		s.Target.Replicas, s.Target.Available, s.Primary.Replicas, s.Primary.Available = 3, 3, 7, 7
	})
	plan := s.Plan
	s.Plan = Plan{}
	s.Status = Refuse(s, invalid("spec.analysis", "no step")).Status
	require.Equal(t, ptr(30), s.Status.ActualWeight)
	s.Plan, s.Revision = plan, "r1-v1"
	s.Status = Decide(s, Findings{}).Status // the halt is over
	s.Status = Decide(s, Findings{}).Status // the target was put back
	require.Equal(t, v1beta1.PhaseSucceeded, s.Status.Phase)
	i := IntentOf(s.Plan, s.Status)
	require.True(t, i.Canary, "it answers until the primary has ten pods")
	require.Equal(t, int32(10), i.PrimaryMinimum)
}

func TestReachedWeightIsNotedBeforeAsking(t *testing.T) {
	s := snap(func(s *Snapshot) {
		s.Plan.Ratio, s.Status.PrimaryReplicas, s.Status.CanaryWeight, s.Status.ActualWeight = true, 5, 20, ptr(50)
		s.Plan.Steps[0].Weight = 20
		s.Target.Replicas, s.Target.Available, s.Primary.Replicas, s.Primary.Available = 1, 1, 4, 4
	})
	d := Decide(s, Findings{})
	require.Equal(t, ptr(20), d.Status.ActualWeight)
	s.Status = d.Status
	require.Equal(t, []string{"request-success-rate"}, asked(Decide(s, Findings{})))
}
