package rollout

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func TestParseAction(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want action
		err  string
	}{
		"Promote":   {text: "promote id=2026-01-01T12:00:00.5Z revision=r1-5f3c step=3 reason=looks good = yes", want: action{verb: "promote", revision: "r1-5f3c", step: 3, reason: "looks good = yes"}},
		"Seconds":   {text: "pause id=1767268800", want: action{verb: "pause", step: -1}},
		"Skip":      {text: "promote id=1 revision=r skip-step=true", want: action{verb: "promote", revision: "r", step: -1, skipStep: true}},
		"Override":  {text: "promote-full id=1 revision=r override-gates=true", want: action{verb: "promote-full", revision: "r", step: -1, override: true}},
		"NoID":      {text: "pause", err: "it has no id"},
		"NoTime":    {text: "pause id=now", err: `id "now" is no time`},
		"Century":   {text: "pause id=99999999999999999999", err: "is no time"},
		"NotANum":   {text: "pause id=NaN", err: "is no time"},
		"NoVerb":    {text: "fly id=1", err: `"fly" is none of promote, promote-full, override, abort, retry, pause, resume, rollback`},
		"NoRev":     {text: "abort id=1", err: "it names no revision"},
		"Twice":     {text: "abort id=1 revision=a revision=b", err: "revision is given twice"},
		"Step":      {text: "abort id=1 revision=a step=x", err: `step "x" is not a number`},
		"NotHere":   {text: "abort id=1 revision=a skip-step=true", err: "skip-step=true is not possible here"},
		"Unknown":   {text: "abort id=1 revision=a colour=red", err: "colour is none of"},
		"Tab":       {text: "promote\tid=1", err: "it is not of the form"},
		"Line":      {text: "promote id=1 revision=a reason=x\ny", err: "it is not of the form"},
		"TwoSpaces": {text: "promote  id=1", err: "it is not of the form"},
		"Long":      {text: "promote id=1 revision=a reason=" + strings.Repeat("x", 1024), err: "at most 1024 bytes"},
		"Run":       {text: "rollback id=1 revision=a run=3", want: action{verb: "rollback", revision: "a", step: -1, run: 3}},
		"RunOfWhat": {text: "abort id=1 revision=a run=3", err: "run=3 is not possible here"},
		"RunZero":   {text: "rollback id=1 revision=a run=0", err: "run=0 is not possible here"},
		"Parameter": {text: "abort id=1 revision=a reason=skip-step=true", want: action{verb: "abort", revision: "a", step: -1, reason: "skip-step=true"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseAction(tc.text)
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			require.NotEmpty(t, got.id)
			require.False(t, got.at.IsZero())
			got.id, got.at = "", time.Time{}
			require.Equal(t, tc.want, got)
		})
	}
}

// wish is an action of now about the revision of snap.
func wish(text string) Requested {
	verb, more, _ := strings.Cut(text, " ")
	return Requested{Text: strings.TrimSuffix(fmt.Sprintf("%s id=%d revision=r1-v2 %s", verb, noon.Unix(), more), " "), By: "anna"}
}

func inPause(s *Snapshot) {
	s.Plan.Steps[0].Until.Pauses = []Pause{{Wait: WaitStepPaused}}
	s.Status.StepStarted = &v1beta1.StepStart{Revision: "r1-v2", Step: 1, Time: *micro(noon.Add(-time.Minute)), Paused: micro(noon.Add(-time.Second))}
	s.Status.WaitingFor = string(WaitStepPaused)
}

// situations are all that an action may meet.
var situations = []struct {
	name   string
	change func(*Snapshot)
}{
	{"Initializing", func(s *Snapshot) {
		s.Status = v1beta1.CanaryStatus{Phase: v1beta1.PhaseInitializing, LastAppliedSpec: "r1-v2"}
	}},
	{"Initialized", func(s *Snapshot) {
		s.Status = v1beta1.CanaryStatus{Phase: v1beta1.PhaseInitialized, LastAppliedSpec: "r1-v2", LastPromotedSpec: "r1-v2"}
		s.Primary.Revision = "r1-v2"
	}},
	{"Waiting", func(s *Snapshot) {
		s.Status = v1beta1.CanaryStatus{Phase: v1beta1.PhaseWaiting, LastAppliedSpec: "r1-v1", LastPromotedSpec: "r1-v1", WaitingFor: string(WaitRolloutApproval)}
	}},
	{"Waiting, held", func(s *Snapshot) {
		s.Status = v1beta1.CanaryStatus{Phase: v1beta1.PhaseWaiting, LastAppliedSpec: "r1-v1", LastPromotedSpec: "r1-v1", WaitingFor: string(WaitHeld),
			Held: &v1beta1.Hold{Since: *micro(noon), By: "ben"}}
	}},
	{"Progressing, pods start", func(s *Snapshot) {
		s.Status.Step, s.Status.CanaryWeight, s.Status.NextCheck = 0, 0, nil
		s.Target.Health, s.Target.Available = Starting, 0
	}},
	{"Progressing", func(s *Snapshot) {
		s.Status.StepStarted = &v1beta1.StepStart{Revision: "r1-v2", Step: 1, Time: *micro(noon.Add(-time.Second))}
	}},
	{"Progressing, paused", inPause},
	{"Progressing, paused and held", func(s *Snapshot) { inPause(s); s.Status.Held = &v1beta1.Hold{Since: *micro(noon), By: "ben"} }},
	{"Progressing, a check failed", func(s *Snapshot) {
		s.Status.WaitingFor, s.Status.LastFailure, s.Status.FailedChecks = string(WaitRetry), "success rate 41% < 99%", 1
	}},
	{"Progressing, inconclusive", func(s *Snapshot) { s.Status.WaitingFor = string(WaitClarity) }},
	{"Progressing, gate closed", func(s *Snapshot) { s.Status.WaitingFor = string(WaitTrafficIncreaseApproval) }},
	{"Progressing, target moved on", func(s *Snapshot) { s.Revision, s.Target.Revision = "r1-v3", "r1-v3" }},
	{"WaitingPromotion", func(s *Snapshot) {
		s.Status.Phase, s.Status.WaitingFor = v1beta1.PhaseWaitingPromotion, string(WaitPromotionApproval)
	}},
	{"Promoting, primary as before", func(s *Snapshot) { s.Status.Phase, s.Status.Promoting = v1beta1.PhasePromoting, "r1-v2" }},
	{"Promoting", func(s *Snapshot) {
		s.Status.Phase, s.Status.Promoting, s.Primary.Revision, s.PreviousTemplateKept = v1beta1.PhasePromoting, "r1-v2", "r1-v2", true
	}},
	{"Promoting, no history", func(s *Snapshot) {
		s.Status.Phase, s.Status.Promoting, s.Primary.Revision, s.NotKeptReason = v1beta1.PhasePromoting, "r1-v2", "r1-v2", "its history does not hold it"
	}},
	{"Promoting, on the way back", func(s *Snapshot) { s.Status.Phase, s.Status.Promoting = v1beta1.PhasePromoting, "r1-v1" }},
	{"Finalising", func(s *Snapshot) { s.Status.Phase, s.Status.LastPromotedSpec = v1beta1.PhaseFinalising, "r1-v2" }},
	{"Succeeded", func(s *Snapshot) {
		s.Status = v1beta1.CanaryStatus{Phase: v1beta1.PhaseSucceeded, LastAppliedSpec: "r1-v2", LastPromotedSpec: "r1-v2"}
		s.Primary.Revision = "r1-v2"
	}},
	{"Succeeded, after another", func(s *Snapshot) {
		s.Status = v1beta1.CanaryStatus{Phase: v1beta1.PhaseSucceeded, LastAppliedSpec: "r1-v2", LastPromotedSpec: "r1-v2",
			Run: &v1beta1.Run{Number: 2, Revision: "r1-v2", Outcome: v1beta1.RunPromoted, Finished: &metav1.Time{Time: noon}, From: &v1beta1.RunOrigin{Revision: "r1-v1"}}}
		s.Primary.Revision, s.PreviousTemplateKept = "r1-v2", true
	}},
	{"Succeeded, after another, no history", func(s *Snapshot) {
		s.Status = v1beta1.CanaryStatus{Phase: v1beta1.PhaseSucceeded, LastAppliedSpec: "r1-v2", LastPromotedSpec: "r1-v2",
			History: []v1beta1.PastRun{{Number: 2, Revision: "r1-v2", Outcome: v1beta1.RunPromoted}, {Number: 1, Revision: "r1-v1", Outcome: v1beta1.RunPromoted}}}
		s.Primary.Revision, s.NotKeptReason = "r1-v2", "its history does not hold it"
	}},
	{"Failed", func(s *Snapshot) {
		s.Status = v1beta1.CanaryStatus{Phase: v1beta1.PhaseFailed, LastAppliedSpec: "r1-v2", LastPromotedSpec: "r1-v1"}
	}},
	{"Failed, canary kept", func(s *Snapshot) {
		s.Status = v1beta1.CanaryStatus{Phase: v1beta1.PhaseFailed, LastAppliedSpec: "r1-v2", LastPromotedSpec: "r1-v1", CanaryKept: true}
	}},
	{"Failed, target put back", func(s *Snapshot) {
		s.Status = v1beta1.CanaryStatus{Phase: v1beta1.PhaseFailed, LastAppliedSpec: "r1-v2", LastPromotedSpec: "r1-v1"}
		s.Revision = "r1-v1"
	}},
	{"Terminating", func(s *Snapshot) { s.Status.Phase, s.Deleting = v1beta1.PhaseTerminating, true }},
	{"suspended", func(s *Snapshot) { s.Paused = true }},
}

var updateTable = flag.Bool("update-actions", false, "write testdata/actions.golden anew")

// TestActions holds what comes of each action in each situation.
func TestActions(t *testing.T) {
	var table strings.Builder
	for _, in := range situations {
		fmt.Fprintf(&table, "%s\n", in.name)
		for _, verb := range v1beta1.ActionVerbs {
			s := snap(in.change)
			s.Requested = wish(string(verb))
			d := Decide(s, Findings{})
			require.NotNil(t, d.Status.LastAction, "%s in %s is answered at once", verb, in.name)
			last := d.Status.LastAction
			result := string(last.Result)
			if last.Result == v1beta1.ActionAccepted && d.Status.Phase != s.Status.Phase {
				result += ", " + string(d.Status.Phase)
			}
			fmt.Fprintf(&table, "  %-12s  %-24s  %s\n", verb, result, last.Message)
			again := s
			again.Status = d.Status
			require.False(t, ActionPending(again), "%s in %s is answered once", verb, in.name)
			if last.Result != v1beta1.ActionAccepted {
				same := d.Status
				same.LastAction, same.LastTransitionTime = s.Status.LastAction, s.Status.LastTransitionTime
				none := s
				none.Requested = Requested{}
				require.Equal(t, s.Status.Phase, same.Phase, "%s in %s: what is refused changes nothing", verb, in.name)
				require.Equal(t, s.Status.CanaryWeight, same.CanaryWeight)
				require.Equal(t, s.Status.Step, same.Step)
			}
		}
	}
	const file = "testdata/actions.golden"
	if *updateTable {
		require.NoError(t, os.WriteFile(file, []byte(table.String()), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), table.String())
}

// An action that came before, for something else, or from another time, does nothing.
func TestActionsOutOfPlace(t *testing.T) {
	at := func(seconds int) string { return fmt.Sprint(noon.Add(time.Duration(seconds) * time.Second).Unix()) }
	handled := &v1beta1.ActionRecord{ID: at(-5), Verb: "promote", By: "anna", Result: v1beta1.ActionAccepted, Digest: "other"}
	for name, tc := range map[string]struct {
		text   string
		by     string
		last   *v1beta1.ActionRecord
		result v1beta1.ActionResult
		why    string
	}{
		"Older":         {"promote id=" + at(-6) + " revision=r1-v2", "anna", handled, v1beta1.ActionRefused, "was answered already"},
		"SameSecond":    {"promote id=" + at(-5) + " revision=r1-v2", "anna", handled, v1beta1.ActionRefused, "was answered already"},
		"SomebodyElse":  {"promote id=" + at(-5) + " revision=r1-v2", "ben", handled, v1beta1.ActionAccepted, "goes on"},
		"Newer":         {"promote id=" + at(-4) + " revision=r1-v2", "anna", handled, v1beta1.ActionAccepted, "goes on"},
		"TooOld":        {"promote id=" + at(-601) + " revision=r1-v2", "anna", nil, v1beta1.ActionExpired, "its id is of 2026-01-01 11:49:59 UTC, and here it is 2026-01-01 12:00:00 UTC"},
		"Ahead":         {"promote id=" + at(61) + " revision=r1-v2", "anna", nil, v1beta1.ActionExpired, "and 1m0s ahead"},
		"OtherRevision": {"promote id=" + at(0) + " revision=r1-v3", "anna", nil, v1beta1.ActionRefused, "it is about r1-v3, and this is about r1-v2"},
		"OtherStep":     {"promote id=" + at(0) + " revision=r1-v2 step=2", "anna", nil, v1beta1.ActionRefused, "it is about step 2, and this is step 1"},
		"StepMovedOn":   {"abort id=" + at(0) + " revision=r1-v2 step=0", "anna", nil, v1beta1.ActionAccepted, "the canary is rolled back"},
		"OddAuthor":     {"promote id=" + at(0) + " revision=r1-v2", "an\nna", nil, v1beta1.ActionAccepted, "goes on"},
	} {
		t.Run(name, func(t *testing.T) {
			s := snap(inPause)
			s.Status.LastAction, s.Requested = tc.last, Requested{Text: tc.text, By: tc.by}
			d := Decide(s, Findings{})
			require.Equal(t, tc.result, d.Status.LastAction.Result)
			require.Contains(t, d.Status.LastAction.Message, tc.why)
			require.NotContains(t, d.Status.LastAction.By, "\n")
		})
	}
	invalid := snap(inPause)
	invalid.Requested = wish("promote")
	d := Refuse(invalid, &InvalidError{Field: "spec.analysis", Problem: "no"})
	require.Equal(t, v1beta1.ActionRefused, d.Status.LastAction.Result)
	require.Equal(t, "the spec cannot be followed, see the condition Valid", d.Status.LastAction.Message)
	outdated := snap(inPause)
	outdated.Requested, outdated.SchemaMissing = wish("promote"), []string{"lastAction"}
	require.Nil(t, Decide(outdated, Findings{}).Status.LastAction, "what is not stored would be done again and again")
}
