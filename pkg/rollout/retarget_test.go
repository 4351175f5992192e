package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

var (
	old   = v1beta1.TargetName{Kind: "Deployment", Name: "podinfo"}
	other = v1beta1.TargetName{Kind: "Deployment", Name: "shop"}
	third = v1beta1.TargetName{Kind: "Deployment", Name: "third"}
)

// settledOnOne rests with v1 promoted, the target stopped.
func settledOnOne(s *Snapshot) {
	in(v1beta1.PhaseSucceeded)(s)
	s.Status.LastAppliedSpec, s.Revision, s.Target = "r1-v1", "r1-v1", Workload{Revision: "r1-v1", Health: Stopped}
}

// replacing has shop take the place of podinfo, whose primary has its users still.
func replacing(s *Snapshot) {
	in(v1beta1.PhaseInitializing)(s)
	s.Names = Names{Namespace: "test", Canary: "podinfo", Kind: "Deployment", Target: "shop", Primary: "shop-primary"}
	s.Status.Target, s.Status.Replaces = &other, &old
	s.Status.LastAppliedSpec, s.Status.LastPromotedSpec, s.Status.PrimaryReplicas = "r1-s", "", 3
	s.Revision = "r1-s"
	s.Target = Workload{Revision: "r1-s", Health: Available, Replicas: 1, Available: 1}
	s.Primary = Workload{Revision: "r1-s", Health: Available, Replicas: 3, Available: 3}
	s.Replaced = &Replaced{Primary: Workload{Revision: "r1-v1", Health: Available, Replicas: 3, Available: 3}, Pods: 3, Stopped: true}
}

func names(t v1beta1.TargetName) func(*Snapshot) {
	return func(s *Snapshot) { s.Retargeted = &t }
}

func TestRetarget(t *testing.T) {
	gone := func(s *Snapshot) { s.Primary = Workload{} }
	for name, c := range map[string]struct {
		reason   string
		given    Snapshot
		phase    v1beta1.CanaryPhase
		weight   int
		target   v1beta1.TargetName
		replaces *v1beta1.TargetName
		promoted string
		size     int32
		waits    Wait
		events   []Reason
	}{
		"AtRest": {
			reason: "Nothing of the one before is left to be done.", given: snap(settledOnOne, names(other)),
			phase: v1beta1.PhaseInitializing, target: other, replaces: &old, size: 2, waits: WaitPrimary, events: []Reason{ReasonRetargeted},
		},
		"NewRevisionAtRest": {
			reason: "No rollout of what is left begins.", given: snap(settledOnOne, names(other), func(s *Snapshot) { s.Revision = "r1-v9" }),
			phase: v1beta1.PhaseInitializing, target: other, replaces: &old, size: 2, waits: WaitPrimary, events: []Reason{ReasonRetargeted},
		},
		"Deleted": {
			reason: "The workload was renamed: the one before is gone.", given: snap(settledOnOne, names(other), func(s *Snapshot) { s.Revision, s.Target = "", Workload{} }),
			phase: v1beta1.PhaseInitializing, target: other, replaces: &old, size: 2, waits: WaitPrimary, events: []Reason{ReasonRetargeted},
		},
		"Unrouted": {
			reason: "Users may be with the target still.", given: snap(settledOnOne, names(other), func(s *Snapshot) { s.Routed = false }),
			phase: v1beta1.PhaseSucceeded, target: old, promoted: "r1-v1", size: 2, waits: WaitRoutes,
		},
		"Running": {
			reason: "It is stopped first, with a note of its size.",
			given:  snap(settledOnOne, names(other), func(s *Snapshot) { s.Target = Workload{Health: Available, Replicas: 2, Available: 2} }),
			phase:  v1beta1.PhaseSucceeded, target: old, promoted: "r1-v1", size: 2, waits: WaitRoutes,
		},
		"UnderWay": {
			reason: "The rollout is called off, and its traffic comes back.", given: snap(names(other)),
			phase: v1beta1.PhaseSucceeded, target: old, promoted: "r1-v1", size: 2, waits: WaitNothing, events: []Reason{ReasonCalledOff},
		},
		"ToBePromoted": {
			reason: "The primary was not given it yet.", given: snap(promotion, names(other), func(s *Snapshot) { s.Primary.Revision = "r1-v1" }),
			phase: v1beta1.PhaseSucceeded, target: old, promoted: "r1-v1", size: 2, waits: WaitNothing, events: []Reason{ReasonCalledOff},
		},
		"Promoting": {
			reason: "What has passed and is with the primary already is brought to its end.", given: snap(promotion, names(other)),
			phase: v1beta1.PhaseFinalising, target: old, promoted: "r1-v2", size: 2, waits: WaitRoutes, events: []Reason{ReasonRoutedToPrimary},
		},
		"Broken": {
			reason: "All users are with the target, and nobody else could answer them.",
			given:  snap(promotion, in(v1beta1.PhaseFailed), names(other), func(s *Snapshot) { broken(&s.Primary); s.Status.CanaryWeight = 100 }),
			phase:  v1beta1.PhaseFailed, weight: 100, target: old, promoted: "r1-v1", size: 2, waits: WaitNothing,
		},
		"FirstTime": {
			reason: "No user has left the target yet.",
			given:  snap(in(v1beta1.PhaseInitializing), names(other), func(s *Snapshot) { s.Status.LastPromotedSpec, s.Target.Replicas = "", 5 }),
			phase:  v1beta1.PhaseInitializing, target: other, replaces: &old, size: 5, waits: WaitPrimary, events: []Reason{ReasonRetargeted},
		},
		"OneBeforeLeft": {
			reason: "One after the other.",
			given:  snap(settledOnOne, names(other), func(s *Snapshot) { s.Status.Replaces, s.Replaced = &third, &Replaced{Primary: s.Primary} }),
			phase:  v1beta1.PhaseSucceeded, target: old, replaces: &third, promoted: "r1-v1", size: 2, waits: WaitPrimary,
		},
		"TooSmall": {
			reason: "It has to have room for all users of the one before.", given: snap(replacing, func(s *Snapshot) { s.Replaced.Pods = 4 }),
			phase: v1beta1.PhaseInitializing, target: other, replaces: &old, size: 4, waits: WaitPrimary,
		},
		"Ready": {
			reason: "Services and routes may lead to it.", given: snap(replacing),
			phase: v1beta1.PhaseInitializing, target: other, replaces: &old, promoted: "r1-s", size: 3, waits: WaitRoutes,
		},
		"Back": {
			reason: "Users are with it still; what was begun is gone.", given: snap(replacing, names(old), gone),
			phase: v1beta1.PhaseInitialized, target: old, promoted: "r1-v1", waits: WaitNothing, events: []Reason{ReasonRetargeted},
		},
		"BackTooSoon": {
			reason: "What was begun is deleted first.", given: snap(replacing, names(old)),
			phase: v1beta1.PhaseInitializing, target: other, replaces: &old, size: 3, waits: WaitPrimary,
		},
		"Third": {
			reason: "Users are with the first still.", given: snap(replacing, names(third), gone),
			phase: v1beta1.PhaseInitializing, target: third, replaces: &old, size: 3, waits: WaitPrimary, events: []Reason{ReasonRetargeted},
		},
		"GoingAway": {
			reason: "Users go back to what they have never left.", given: snap(replacing, func(s *Snapshot) { s.Deleting = true }),
			phase: v1beta1.PhaseInitialized, target: old, promoted: "r1-v1", waits: WaitNothing, events: []Reason{ReasonRetargeted},
		},
		"Left": {
			reason: "It has a note to be given back by.",
			given:  snap(replacing, in(v1beta1.PhaseInitialized), func(s *Snapshot) { s.Status.LastPromotedSpec, s.Replaced.Primary = "r1-s", Workload{} }),
			phase:  v1beta1.PhaseInitialized, target: other, replaces: &old, promoted: "r1-s", waits: WaitNothing,
		},
		"GivenBack": {
			reason: "Nothing of it is left.",
			given:  snap(replacing, in(v1beta1.PhaseInitialized), func(s *Snapshot) { s.Status.LastPromotedSpec, s.Replaced = "r1-s", &Replaced{} }),
			phase:  v1beta1.PhaseInitialized, target: other, promoted: "r1-s", waits: WaitNothing,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := decide(c.given, nil)
			require.Equal(t, c.phase, d.Status.Phase, c.reason)
			require.Equal(t, c.weight, d.Status.CanaryWeight, c.reason)
			require.Equal(t, c.target, *filledTarget(c.given, d.Status), c.reason)
			require.Equal(t, c.replaces, d.Status.Replaces, c.reason)
			require.Equal(t, c.promoted, d.Status.LastPromotedSpec, c.reason)
			require.Equal(t, c.size, d.Status.PrimaryReplicas, c.reason)
			require.Equal(t, string(c.waits), reason(d.Status, v1beta1.ConditionWaiting), c.reason)
			var events []Reason
			for _, n := range d.Notices {
				events = append(events, n.Reason)
			}
			require.Equal(t, c.events, events, c.reason)
		})
	}
}

// filledTarget is the target of a status, which one that was not stored may lack.
func filledTarget(s Snapshot, is v1beta1.CanaryStatus) *v1beta1.TargetName {
	if is.Target != nil {
		return is.Target
	}
	return &v1beta1.TargetName{Kind: s.Names.Kind, Name: s.Names.Target}
}

func TestRetargetIntent(t *testing.T) {
	s := snap(replacing)
	i := IntentOf(s.Plan, s.Status)
	require.Equal(t, Intent{Apex: PrimarySide, Primary: "r1-s", Canary: true, PrimaryMinimum: 3, KeepRouting: true}, i, "nobody is led to what does not serve")
	i = IntentOf(s.Plan, decide(s, nil).Status)
	require.Equal(t, Intent{Apex: PrimarySide, Primary: "r1-s", Traffic: &Traffic{}, TargetMinimum: 1, AutoscalerMinimum: 3}, i, "all are led to it at once")
}

func TestRetargetIsTold(t *testing.T) {
	d := decide(snap(promotion, in(v1beta1.PhaseFailed), names(other), func(s *Snapshot) { broken(&s.Primary); s.Status.CanaryWeight = 100 }), nil)
	require.Contains(t, meta.FindStatusCondition(d.Status.Conditions, v1beta1.ConditionValid).Message,
		"spec.targetRef names Deployment shop, which takes the place of podinfo once podinfo-primary serves all users.")
}
