package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// A newer API server reads a default into the template that the target has, so that its hash is another.
func TestRecognised(t *testing.T) {
	newer := func(s *Snapshot) { s.Revision = "r1-newer" }
	same := func(s *Snapshot) { s.PrimaryMatchesTarget = true }
	counted := func(s *Snapshot) {
		s.TargetTemplate = v1beta1.TargetTemplate{UID: "u", Number: "7"}
		s.Status.TargetTemplate = &v1beta1.TargetTemplate{Revision: s.Status.LastAppliedSpec, UID: "u", Number: "7"}
	}
	configs := func(then, now string) func(*Snapshot) {
		return func(s *Snapshot) {
			s.Status.TrackedConfigs, s.Configs = &map[string]string{"configmap/c": then}, map[string]string{"configmap/c": now}
		}
	}
	cases := map[string]struct {
		reason string
		given  []func(*Snapshot)
		want   string
	}{
		"Promoted":      {"the primary is still a copy of it", []func(*Snapshot){in(v1beta1.PhaseSucceeded), newer, same}, "r1-v1"},
		"Another":       {"the primary is not", []func(*Snapshot){in(v1beta1.PhaseSucceeded), newer}, "r1-newer"},
		"NoPrimary":     {"a primary that is gone is made again from it", []func(*Snapshot){in(v1beta1.PhaseSucceeded), newer, counted, func(s *Snapshot) { s.Primary = Workload{} }}, "r1-v2"},
		"Failed":        {"it is counted as it was when it failed", []func(*Snapshot){in(v1beta1.PhaseFailed), newer, counted}, "r1-v2"},
		"FailedMoved":   {"it is counted anew", []func(*Snapshot){in(v1beta1.PhaseFailed), newer, counted, func(s *Snapshot) { s.TargetTemplate.Number = "8" }}, "r1-newer"},
		"FailedRemade":  {"another object is counted from one", []func(*Snapshot){in(v1beta1.PhaseFailed), newer, counted, func(s *Snapshot) { s.TargetTemplate.UID = "v" }}, "r1-newer"},
		"FailedUnknown": {"its controller has not seen it yet", []func(*Snapshot){in(v1beta1.PhaseFailed), newer, counted, func(s *Snapshot) { s.TargetTemplate.Number = "" }}, "r1-newer"},
		"FailedStale":   {"the number is about another revision", []func(*Snapshot){in(v1beta1.PhaseFailed), newer, counted, func(s *Snapshot) { s.Status.TargetTemplate.Revision = "r1-v0" }}, "r1-newer"},
		"FailedConfig":  {"configs are part of a revision", []func(*Snapshot){in(v1beta1.PhaseFailed), newer, counted, configs("a", "b")}, "r1-newer"},
		"SameConfig":    {"these are the same", []func(*Snapshot){in(v1beta1.PhaseFailed), newer, counted, configs("a", "a")}, "r1-v2"},
		"Judged":        {"a number that comes late must bring nothing unproven to users", []func(*Snapshot){newer, counted}, "r1-newer"},
		"Given":         {"a primary on its way to it has it", []func(*Snapshot){promotion, newer, same}, "r1-v2"},
		"Known":         {"nothing is compared where the hash tells", []func(*Snapshot){in(v1beta1.PhaseSucceeded), same}, "r1-v2"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, Recognised(snap(tc.given...)), tc.reason) })
	}
}

// What the cluster counts the template as is stored with what is stored anyway.
func TestTargetTemplateIsNoReasonToWrite(t *testing.T) {
	s := snap(in(v1beta1.PhaseFailed), func(s *Snapshot) { s.TargetTemplate = v1beta1.TargetTemplate{UID: "u", Number: "7"} })
	s.Status = Decide(s, Findings{}).Status
	s.Status.TargetTemplate = nil
	require.Nil(t, Decide(s, Findings{}).Status.TargetTemplate)
	s.Generation++
	require.Equal(t, &v1beta1.TargetTemplate{Revision: "r1-v2", UID: "u", Number: "7"}, Decide(s, Findings{}).Status.TargetTemplate)
}
