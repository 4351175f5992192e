package rollout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// reworded is a status whose conditions were worded by another version.
func reworded(s v1beta1.CanaryStatus) v1beta1.CanaryStatus {
	s = *s.DeepCopy()
	for i := range s.Conditions {
		s.Conditions[i].Message = "In other words."
	}
	return s
}

// asOlder is a status as a version wrote it that noted what it waits for in conditions alone.
func asOlder(s v1beta1.CanaryStatus) v1beta1.CanaryStatus {
	s = *s.DeepCopy()
	s.WaitingFor, s.WaitingTold, s.SpecTold, s.HaltedSince, s.Cause, s.LastFailure = "", "", "", nil, "", ""
	s.RollbackHook, s.RollbackImpossible = "", false
	return s
}

// TestProseIsNoState holds that what is said stays said, whatever words it was said in, and by whatever version.
func TestProseIsNoState(t *testing.T) {
	gone := func(s *Snapshot) { s.Primary = Workload{} }
	remarked := snap()
	remarked.Plan.remark("nobody means that")
	cases := map[string]struct {
		given Snapshot
		found []told
		wrong error
	}{
		"Suspended":     {given: snap(func(s *Snapshot) { s.Paused = true })},
		"PrimaryGone":   {given: snap(in(v1beta1.PhaseFailed), gone)},
		"TargetMissing": {given: snap(in(v1beta1.PhaseSucceeded), func(s *Snapshot) { s.Revision, s.Target = "", Workload{} })},
		"Refused":       {given: snap(), wrong: invalid("spec.analysis", "no step")},
		"Remarks":       {given: remarked},
		"PrimaryStuck":  {given: snap(in(v1beta1.PhaseInitializing), func(s *Snapshot) { s.Primary.Revision = "r1-v2"; broken(&s.Primary) })},
		"Gate": {given: snap(in(v1beta1.PhaseSucceeded), func(s *Snapshot) {
			s.Status.LastAppliedSpec = "r1-v1"
			s.Plan.Hooks = []v1beta1.CanaryWebhook{{Name: "ops", Type: v1beta1.ConfirmRolloutHook}}
		}), found: []told{{"ops", v1beta1.Failed, "not today"}}},
		"RollbackImpossible": {given: inPromotion(func(s *Snapshot) { s.PreviousTemplateKept = false }), found: []told{{"stop", v1beta1.Passed, ""}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			take := func(s Snapshot) Decision {
				if c.wrong != nil {
					return Refuse(s, c.wrong)
				}
				return decide(s, c.found)
			}
			first := take(c.given)
			require.NotEmpty(t, first.Notices, "it is told")
			for version, status := range map[string]v1beta1.CanaryStatus{"this": first.Status, "another": reworded(first.Status), "older": asOlder(first.Status)} {
				if version == "older" && name == "RollbackImpossible" {
					continue // that was noted in a message alone
				}
				again := c.given
				again.Status = status
				if status.NextCheck != nil {
					again.Now = status.NextCheck.Time
				}
				require.Empty(t, take(again).Notices, "of %s version's status", version)
			}
		})
	}
}

func TestOlderStatusIsNoReasonToWrite(t *testing.T) {
	for name, s := range map[string]Snapshot{
		"AtRest":    snap(in(v1beta1.PhaseSucceeded)),
		"InAStep":   snap(func(s *Snapshot) { s.Now = noon.Add(-5e9) }),
		"Suspended": snap(func(s *Snapshot) { s.Paused = true }),
	} {
		t.Run(name, func(t *testing.T) {
			s.Status = asOlder(Decide(s, Findings{}).Status)
			require.Equal(t, s.Status, Decide(s, Findings{}).Status)
		})
	}
}

func TestHaltOfAnOlderStatusEnds(t *testing.T) {
	s := snap(func(s *Snapshot) {
		s.Status.Conditions = []metav1.Condition{{Type: v1beta1.ConditionWaiting, Status: metav1.ConditionTrue, Reason: string(WaitResume), LastTransitionTime: metav1.NewTime(noon.Add(-3600e9))}}
	})
	d := Decide(s, Findings{})
	require.Nil(t, d.Status.HaltedSince)
	require.Equal(t, noon, d.Status.Since.Time, "no deadline ran meanwhile")
}

// TestNotesOfBefore holds that what an older version has left behind, since it does not know of it, is about a moment before.
func TestNotesOfBefore(t *testing.T) {
	longAgo := micro(noon.Add(-time.Hour))
	halted := snap(func(s *Snapshot) { s.Status.HaltedSince, s.Status.WaitingFor = longAgo, string(WaitResume) })
	require.NotEmpty(t, Decide(halted, Findings{}).Questions, "nothing is resumed that goes on")
	unready := snap(func(s *Snapshot) {
		s.Status.NotReadySince, s.Now = longAgo, noon.Add(-5*time.Second)
		s.Status.StepStarted = &v1beta1.StepStart{Revision: "r1-v1", Step: 1, Time: *longAgo}
	})
	require.Empty(t, Decide(unready, Findings{}).Questions, "a step is judged at its end")
	unready.Target.Health, unready.Now = Starting, noon
	require.NotEqual(t, v1beta1.PhaseFailed, Decide(unready, Findings{}).Status.Phase, "and given up by its own deadline")
}
