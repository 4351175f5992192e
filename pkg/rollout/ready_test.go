package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// A status of an older version gets the conditions with a decision that is stored anyway, and none because of them.
func TestReadyIsNoReasonToStore(t *testing.T) {
	s := snap(func(s *Snapshot) {
		s.Status = v1beta1.CanaryStatus{Phase: v1beta1.PhaseSucceeded, LastAppliedSpec: "r1-v2", LastPromotedSpec: "r1-v2"}
		s.Primary.Revision = "r1-v2"
	})
	older := Decide(s, Findings{}).Status // it fills in what it lacks
	older.Conditions = without(older.Conditions, v1beta1.ConditionReady)
	s.Status = older
	require.Equal(t, older, Decide(s, Findings{}).Status)
	s.Generation++
	d := Decide(s, Findings{})
	require.True(t, meta.IsStatusConditionTrue(d.Status.Conditions, v1beta1.ConditionReady), "with what the new generation has stored")
}

func without(conditions []metav1.Condition, kind string) []metav1.Condition {
	kept := append([]metav1.Condition{}, conditions...)
	meta.RemoveStatusCondition(&kept, kind)
	return kept
}

func TestReady(t *testing.T) {
	rests := func(s *Snapshot) {
		s.Status = v1beta1.CanaryStatus{Phase: v1beta1.PhaseSucceeded, LastAppliedSpec: "r1-v2", LastPromotedSpec: "r1-v2"}
		s.Primary.Revision = "r1-v2"
	}
	for name, tc := range map[string]struct {
		reason         string
		change         func(*Snapshot)
		ready, stalled bool
		reconciling    bool // where the Canary is annotated so
	}{
		"Rests":      {"the primary is whole", rests, true, false, false},
		"Rolls":      {"users are served all the time", inPause, true, false, true},
		"OnePodLess": {"a pod that is replaced is no loss", func(s *Snapshot) { rests(s); s.Primary.Health, s.Primary.Available = Starting, 1 }, true, false, false},
		"NoPod": {"nobody serves, and that may pass", func(s *Snapshot) { rests(s); s.Primary.Health, s.Primary.Available = Starting, 0 },
			false, false, false},
		"Stuck": {"nobody will", func(s *Snapshot) { rests(s); s.Primary.Health = Stuck }, false, true, false},
		"ScaledToZero": {"that is somebody's wish", func(s *Snapshot) { rests(s); s.Primary.Health, s.Primary.Replicas, s.Primary.Available = Stopped, 0, 0 },
			true, false, false},
		"Fails": {"the target has something that is not served", func(s *Snapshot) { s.Requested = wish("abort") }, false, true, false},
		"First": {"there is no primary", func(s *Snapshot) { s.Status, s.Primary = v1beta1.CanaryStatus{}, Workload{} }, false, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, waited := range []bool{false, true} {
				s := snap(tc.change)
				s.WaitedFor = waited
				s.Generation++ // so that something is stored
				d := Decide(s, Findings{}).Status
				require.Equal(t, tc.ready, meta.IsStatusConditionTrue(d.Conditions, v1beta1.ConditionReady), tc.reason)
				require.NotNil(t, meta.FindStatusCondition(d.Conditions, v1beta1.ConditionReady))
				require.Equal(t, tc.stalled, meta.FindStatusCondition(d.Conditions, v1beta1.ConditionStalled) != nil, tc.reason)
				require.Equal(t, waited && tc.reconciling, meta.FindStatusCondition(d.Conditions, v1beta1.ConditionReconciling) != nil, tc.reason)
				if d.Phase.AtRest() {
					s.Status = d
					require.Equal(t, d.Conditions, Decide(s, Findings{}).Status.Conditions, "it is stored once")
				}
			}
		})
	}
	s := snap(rests)
	s.Generation++
	s.Status = Decide(s, Findings{}).Status
	s.Primary.Health, s.Primary.Available = Absent, 0
	lost := Refuse(s, invalid("spec", "is wrong")).Status
	require.True(t, meta.IsStatusConditionTrue(lost.Conditions, v1beta1.ConditionStalled))
	require.True(t, meta.IsStatusConditionFalse(lost.Conditions, v1beta1.ConditionReady))
	s.Status = lost
	s.Primary.Health, s.Primary.Available = Available, 2
	mended := Decide(s, Findings{}).Status
	require.Nil(t, meta.FindStatusCondition(mended.Conditions, v1beta1.ConditionStalled))
	require.True(t, meta.IsStatusConditionTrue(mended.Conditions, v1beta1.ConditionReady))
}
