package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/action"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

func rolledBack(c *v1beta1.Canary) {
	c.Status.Phase, c.Status.WaitingFor, c.Status.CanaryWeight, c.Status.StepStarted = v1beta1.PhaseFailed, "", 0, nil
	end(c, v1beta1.RunRolledBack, "request-success-rate 97 < 99")
}

func succeeded(c *v1beta1.Canary) {
	c.Status.Phase, c.Status.WaitingFor, c.Status.CanaryWeight, c.Status.StepStarted, c.Status.LastPromotedSpec = v1beta1.PhaseSucceeded, "", 0, nil, "r1-two"
	end(c, v1beta1.RunPromoted, "")
}

// end ends the run of a Canary.
func end(c *v1beta1.Canary, outcome v1beta1.RunOutcome, cause string) {
	s := &c.Status
	s.Run.Outcome, s.Run.Cause, s.Run.Finished = outcome, cause, new(metav1.NewTime(s.Run.Started.Add(time.Minute)))
	s.Cause = cause
	s.History = append([]v1beta1.PastRun{{Number: s.Run.Number, Revision: s.Run.Revision, Images: s.Run.Images, Outcome: outcome, Reason: cause,
		Started: s.Run.Started, Finished: *s.Run.Finished}}, s.History...)
}

func waits(why rollout.Wait) func(*v1beta1.Canary) {
	return func(c *v1beta1.Canary) { c.Status.WaitingFor = string(why) }
}

func running(c *v1beta1.Canary) {
	c.Status.WaitingFor, c.Status.StepStarted.Paused = string(rollout.WaitInterval), nil
}

// What docs/guides/plugin.md shows.
const (
	printedPromoted = "canary.flagger.app/podinfo promoted: step 2 of 3 goes on when one more check has passed\n"
	printedRefused  = "error: refused: step 2 of 3 is no pause; skip-step=true ends it before its time\n"
)

func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/guides/plugin.md")
	require.NoError(t, err)
	require.Contains(t, string(page), "```\n"+printedPromoted+printedRefused+"```\n")
}

// Each command asks for its verb, and prints what the machine makes of it.
func TestActions(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		args   string
		change func(*v1beta1.Canary)
		code   int
		stdout string
		stderr string
		asked  string // the annotation, without its id
	}{
		"Promote": {reason: "a pause is left", args: "promote --reason looks~good", change: func(*v1beta1.Canary) {},
			stdout: printedPromoted, asked: "promote revision=r1-two step=2 reason=looks good"},
		"NoPause": {reason: "a step that runs is no pause", args: "promote", change: running, code: 1, stderr: printedRefused, asked: "promote revision=r1-two step=2"},
		"SkipStep": {reason: "unless it is skipped", args: "promote --skip-step", change: running, stdout: "promoted: step 2 of 3 goes on",
			asked: "promote revision=r1-two step=2 skip-step=true"},
		"Full": {reason: "no further step is taken", args: "promote --full", change: running, stdout: "promoted: the steps that are left are not taken", asked: "promote-full revision=r1-two step=2"},
		"FullGate": {reason: "and no gate asked", args: "promote --full --override-gates", change: waits(rollout.WaitTrafficIncreaseApproval), stdout: "promoted: the steps",
			asked: "promote-full revision=r1-two step=2 override-gates=true"},
		"Gate": {reason: "a gate is passed by a verb of its own", args: "promote --override-gates", change: waits(rollout.WaitTrafficIncreaseApproval),
			stdout: "podinfo gate passed: step 2 of 3 goes on without confirm-traffic-increase", asked: "override revision=r1-two step=2"},
		"Abort":    {reason: "it is rolled back", args: "abort", change: running, stdout: "podinfo aborted: the canary is rolled back\n", asked: "abort revision=r1-two step=2"},
		"Pause":    {reason: "it is held", args: "pause --reason lunch", change: running, stdout: "podinfo paused: no next step is taken; the canary goes on being judged\n", asked: "pause revision=r1-two step=2 reason=lunch"},
		"Resume":   {reason: "nothing is held", args: "resume", change: running, code: 1, stderr: "refused: nothing is held", asked: "resume revision=r1-two step=2"},
		"Retry":    {reason: "it has failed", args: "retry", change: rolledBack, stdout: "podinfo retried: the revision is tried once more from its first step\n", asked: "retry revision=r1-two step=2"},
		"TooSoon":  {reason: "it has not failed", args: "retry", change: running, code: 1, stderr: "refused: retry is not possible in phase Progressing, only in Failed", asked: "retry revision=r1-two step=2"},
		"Rollback": {reason: "it has succeeded", args: "rollback", change: succeeded, stdout: "podinfo rolling back: podinfo-primary.", asked: "rollback revision=r1-two step=2"},
		"ToRun":    {reason: "a run is named", args: "rollback --to-run 1", change: succeeded, stdout: "returns to r1-one", asked: "rollback revision=r1-two step=2 run=1"},
		"NoRun":    {reason: "there is none of this number", args: "rollback --to-run 7", change: succeeded, code: 1, stderr: "refused: run 7 is none of status.history", asked: "rollback revision=r1-two step=2 run=7"},
		"Waiting": {reason: "a revision that waits is in the run alone", args: "abort", asked: "abort revision=r1-three step=0", change: func(c *v1beta1.Canary) {
			succeeded(c)
			c.Status.Phase, c.Status.WaitingFor, c.Status.Step = v1beta1.PhaseWaiting, string(rollout.WaitRolloutApproval), 0
			c.Status.Run = &v1beta1.Run{Number: 3, Revision: "r1-three", Started: metav1.Now()}
		}, code: 1, stderr: "it is about r1-three, and this is about r1-two"}, // this machine has no third one
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			s.canary("podinfo", tc.change)
			s.answering(0)
			args := strings.Fields(tc.args)
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "~", " ")
			}
			code, stdout, stderr := s.called(append(args, "podinfo", "-t", "1m")...)
			require.Equal(t, tc.code, code, "%s\n%s%s", tc.reason, stdout, stderr)
			require.Contains(t, stdout, tc.stdout)
			require.Contains(t, stderr, tc.stderr)
			c := s.live("podinfo")
			verb, rest, _ := strings.Cut(c.Annotations[v1beta1.ActionAnnotation], " ")
			_, rest, _ = strings.Cut(rest, " ")
			require.Equal(t, tc.asked, verb+" "+rest)
			require.Equal(t, "admin", c.Annotations[v1beta1.ActionByAnnotation])
			require.Equal(t, "admin", c.Status.LastAction.By)
			managers := map[string]bool{}
			for _, f := range c.ManagedFields {
				managers[f.Manager] = true
			}
			require.Contains(t, managers, "sluice-cli")
		})
	}
}

// Several names, or labels, are acted on at once; what is refused of them does not keep the others.
func TestActOnMany(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.canary("a")
	s.canary("b", running)
	s.canary("c", func(c *v1beta1.Canary) { c.Labels = nil })
	s.answering(0)
	code, out, stderr := s.called("promote", "-l", "team=web")
	require.Equal(t, 1, code)
	require.Contains(t, out, "canary.flagger.app/a promoted:")
	require.Contains(t, stderr, "error: canary.flagger.app/b: refused: step 2 of 3 is no pause")
	require.Empty(t, s.live("c").Annotations)
	code, out, stderr = s.called("abort", "a", "canary/c", "-o", "name")
	require.Zero(t, code, stderr)
	require.Equal(t, "canary.flagger.app/a\ncanary.flagger.app/c\n", out)
	code, _, stderr = s.called("abort", "a", "nobody")
	require.Equal(t, 1, code)
	containsAll(t, stderr, "canary.flagger.app/a: refused: abort is not possible in phase Failed", `canary.flagger.app/nobody: canaries.flagger.app "nobody" not found`)
}

// Who clicks late is told so: the guard is what was seen, not what is there when the action is written.
func TestActGuards(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	c := s.canary("podinfo")
	k := connected(s)
	a := &act{request: rollout.Request{Verb: v1beta1.ActionPromote}}
	r := a.about(c)
	s.edit("podinfo", func(st *v1beta1.CanaryStatus) { st.Step = 3 }) // the object as it was seen is old by now
	_, _, err := action.Writer{Client: k, Manager: fieldManager}.Write(t.Context(), c, r, "anna")
	require.NoError(t, err)
	now := s.live("podinfo")
	require.Contains(t, now.Annotations[v1beta1.ActionAnnotation], " step=2")
	s.decide(t.Context(), now)
	require.Equal(t, "it is about step 2, and this is step 3", s.live("podinfo").Status.LastAction.Message)
}

// An action that waits for its answer is not overwritten by another.
func TestActAfterAnother(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.canary("podinfo")
	s.answering(500 * time.Millisecond)
	first, second := s.start("pause", "podinfo", "--reason", "first"), s.start("pause", "podinfo", "--reason", "second")
	codes := map[int]int{}
	for _, c := range []*command{first, second} {
		code, stderr := c.end()
		codes[code]++
		if code == 1 {
			require.Contains(t, stderr, "it is held by admin already")
		}
	}
	require.Equal(t, map[int]int{0: 1, 1: 1}, codes)
}

// Nobody answers.
func TestActUnanswered(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.canary("podinfo")
	s.canary("new", func(c *v1beta1.Canary) { c.Status = v1beta1.CanaryStatus{} })
	code, _, stderr := s.called("pause", "podinfo", "-t", "1s")
	require.Equal(t, 3, code)
	require.Contains(t, stderr, "error: the operator has not answered within 1s")
	code, _, stderr = s.called("pause", "new")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "the operator has not looked at it yet")
	code, _, stderr = s.called("pause", "podinfo", "--reason", strings.Repeat("x", 2000))
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "bytes too long")
}

// What people write as a reason is one line of what the operator reads.
func TestActText(t *testing.T) {
	a := &act{request: rollout.Request{Verb: v1beta1.ActionAbort, Reason: "a\nb\x1b[31m skip-step=true"}}
	c := &v1beta1.Canary{Status: v1beta1.CanaryStatus{LastAppliedSpec: "r1-two", Step: 2}}
	text, id, err := a.about(c).Text(time.Now())
	require.NoError(t, err)
	require.Regexp(t, rollout.ActionPattern, text)
	require.Contains(t, text, "id="+id+" ")
	require.True(t, strings.HasSuffix(text, " reason=a b[31m skip-step=true"), text)
}

func connected(s *scene) *connection {
	s.Helper()
	var k cluster
	k.addFlags(&cobra.Command{})
	k.rules.ExplicitPath = os.Getenv(kubetest.Kubeconfig)
	k.overrides.Context.Namespace = s.ns
	c, err := k.connect()
	require.NoError(s, err)
	return c
}
