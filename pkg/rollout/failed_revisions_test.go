package rollout

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// knownBad has a status know of r1-bad that it failed.
func knownBad(s *Snapshot) {
	s.Status.FailedRevisions = []v1beta1.FailedRevision{{Revision: "r1-bad", Time: metav1.NewTime(noon.Add(-time.Hour)), Cause: "too many 500s"}}
}

// TestFailedRevisionIsNotTriedAgain is about `kubectl rollout undo`, which goes back to the template before: promoted v1, failed
// bad, in progress v2.
func TestFailedRevisionIsNotTriedAgain(t *testing.T) {
	bad := func(s *Snapshot) { s.Revision, s.Target.Revision = "r1-bad", "r1-bad" }
	alone := func(s *Snapshot) { s.Primary = Workload{}; s.Status.Step, s.Status.CanaryWeight = 2, 100 }
	cases := map[string]struct {
		reason string
		given  Snapshot
		phase  v1beta1.CanaryPhase
		weight int
	}{
		"InMidRollout":  {"Users are taken off it, and stay with the primary.", snap(knownBad, bad), v1beta1.PhaseFailed, 0},
		"AtTheGate":     {"Nobody is asked about it.", snap(in(v1beta1.PhaseWaiting), knownBad, bad), v1beta1.PhaseFailed, 0},
		"AtRest":        {"Nothing begins.", snap(in(v1beta1.PhaseSucceeded), knownBad, bad), v1beta1.PhaseFailed, 0},
		"AfterAFailure": {"Nor after another one that failed.", snap(in(v1beta1.PhaseFailed), knownBad, bad), v1beta1.PhaseFailed, 0},
		"NotGivenYet": {"A primary that was not given anything is not given this.", snap(promotion, knownBad, bad, func(s *Snapshot) { s.Primary.Revision = "r1-v1" }),
			v1beta1.PhaseFailed, 0},
		"Given": {"One that was comes up with what passed.", snap(promotion, knownBad, bad), v1beta1.PhasePromoting, 0},
		"Alone": {"Where nobody else can answer it is judged: bad pods are better than none.", snap(knownBad, bad, alone), v1beta1.PhaseProgressing, 100},
		"Never": {"One that never failed is rolled out.", snap(in(v1beta1.PhaseSucceeded), bad), v1beta1.PhaseProgressing, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := c.given
			d := decide(s, nil)
			require.Equal(t, c.phase, d.Status.Phase, c.reason)
			require.Equal(t, c.weight, d.Status.CanaryWeight, c.reason)
			if c.phase != v1beta1.PhaseFailed {
				return
			}
			require.Equal(t, "r1-bad", d.Status.LastAppliedSpec)
			require.Equal(t, "podinfo.test is back at a revision that failed before, and is not tried again; "+
				"it failed at 2026-01-01 11:00:00 UTC: too many 500s", d.Status.Cause)
			require.Contains(t, d.Notices[len(d.Notices)-1].Message, "kubectl -n test rollout restart deployment/podinfo")
			s.Status = d.Status
			again := decide(s, nil)
			require.Equal(t, v1beta1.PhaseFailed, again.Status.Phase, "it stays so")
			require.Empty(t, again.Notices)
			require.Contains(t, message(d.Status, v1beta1.ConditionPromoted), "Canary analysis failed, ")
		})
	}
}

func TestFailedRevisionsAreRecorded(t *testing.T) {
	s := snap(func(s *Snapshot) {
		s.Status.FailedChecks = 1
		s.Target.Images, s.Primary.Images = "ghcr.io/stefanprodan/podinfo:9.9.9", "ghcr.io/stefanprodan/podinfo:3.1.1"
		for i := range mostFailed {
			s.Status.FailedRevisions = append(s.Status.FailedRevisions, v1beta1.FailedRevision{Revision: fmt.Sprint("r1-old", i)})
		}
	})
	s.Status = decide(s, []told{{"request-success-rate", v1beta1.Failed, "success rate 41.00% < 99%"}}).Status
	require.Equal(t, v1beta1.PhaseFailed, s.Status.Phase)
	require.Len(t, s.Status.FailedRevisions, mostFailed)
	require.Equal(t, v1beta1.FailedRevision{
		Revision: "r1-v2", Image: "podinfo:9.9.9", Time: metav1.NewTime(noon), Cause: "2 failed checks of podinfo.test, the last: success rate 41.00% < 99%",
	}, s.Status.FailedRevisions[0])
	require.Equal(t, "r1-old8", s.Status.FailedRevisions[mostFailed-1].Revision, "the oldest is forgotten")

	promoted := decide(snap(promotion, func(s *Snapshot) { s.Status.FailedRevisions = []v1beta1.FailedRevision{{Revision: "r1-v2"}} }), nil)
	require.Empty(t, promoted.Status.FailedRevisions, "what was promoted after all is none")

	serving := decide(snap(promotion, func(s *Snapshot) { broken(&s.Primary) }), nil)
	require.Equal(t, 100, serving.Status.CanaryWeight)
	require.Empty(t, serving.Status.FailedRevisions, "nor what users are left with")
}

// TestPromotedTemplateIsCounted holds the number by which `kubectl rollout undo --to-revision` finds the promoted revision.
func TestPromotedTemplateIsCounted(t *testing.T) {
	number := func(n string) func(*Snapshot) {
		return func(s *Snapshot) { s.TargetTemplate.Number, s.TargetTemplate.UID = n, "1" }
	}
	s := snap(promotion, number("7"))
	s.Status = decide(s, nil).Status
	require.Equal(t, "r1-v2", s.Status.LastPromotedSpec)
	require.Equal(t, &v1beta1.TargetTemplate{Revision: "r1-v2", UID: "1", Number: "7"}, s.Status.PromotedTemplate)
	s.Status = decide(s, nil).Status // Succeeded
	s.Revision = "r1-v3"
	number("8")(&s)
	s.Status = decide(s, nil).Status
	require.Equal(t, "8", s.Status.TargetTemplate.Number)
	require.Equal(t, "7", s.Status.PromotedTemplate.Number, "it stays that of the promoted one")
}
