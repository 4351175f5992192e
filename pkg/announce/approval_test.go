package announce

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/notify"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/simulate"
)

// An alert that asks for an approval says what is approved, by which command, and where.
func TestApprovalsAreAskedFor(t *testing.T) {
	const annotate = `kubectl annotate canary podinfo -n test --overwrite sluice.dev/action="`
	for name, tc := range map[string]struct {
		reason, console string
		before, after   v1beta1.CanaryStatus
		approval        rollout.Approval
		step, url       string
	}{
		"Pause": {
			reason: "a pause is left by promote", console: "https://sluice.example.com/sluice",
			before: stands(v1beta1.PhaseProgressing, "r1-b", 1), after: stands(v1beta1.PhaseProgressing, "r1-b", 1),
			approval: rollout.Approval{Verb: v1beta1.ActionPromote, Revision: "r1-b", Step: 1, Command: annotate + `promote"`},
			step:     "1 of 2", url: "https://sluice.example.com/sluice/ns/test/podinfo?do=promote&revision=r1-b&step=1",
		},
		"Gate": {
			reason: "a gate is passed by override", console: "https://sluice.example.com",
			before: stands(v1beta1.PhaseSucceeded, "r1-a", 0), after: stands(v1beta1.PhaseWaiting, "r1-a", 1),
			approval: rollout.Approval{Verb: v1beta1.ActionOverride, Revision: "r1-b", Command: annotate + `override"`},
			step:     "before the first of 2", url: "https://sluice.example.com/ns/test/podinfo?do=override&revision=r1-b&step=0",
		},
		"NoConsole": {
			reason: "without a page there is the command",
			before: stands(v1beta1.PhaseProgressing, "r1-b", 1), after: stands(v1beta1.PhaseProgressing, "r1-b", 1),
			approval: rollout.Approval{Verb: v1beta1.ActionPromote, Revision: "r1-b", Step: 1, Command: annotate + `promote"`}, step: "1 of 2",
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newsOf(tc.before, tc.after)
			n.Canary.Status.Step = tc.approval.Step
			n.Plan = rollout.Plan{Steps: []rollout.Step{{Weight: 10}, {Weight: 50}}}
			is := rolloutRecord{revision: "r1-b", images: []notify.Image{{Container: "app", Old: "podinfo:1", New: "podinfo:2"}}}
			m := (&Announcer{Console: tc.console}).message(n, is, rollout.Alert{Severity: v1beta1.SeverityWarn, Text: "waits", Approval: &tc.approval})
			values := map[string]string{}
			for _, f := range m.Fields {
				require.NotContains(t, values, f.Name, "it is said once")
				values[f.Name] = f.Value
			}
			require.Equal(t, "app: podinfo:1 → podinfo:2", values["Images"], tc.reason)
			require.Equal(t, "r1-b", values["Revision"], tc.reason)
			require.Equal(t, tc.step, values["Step"], tc.reason)
			require.Equal(t, tc.approval.Command, values["Command"], tc.reason)
			require.Equal(t, tc.url, values[notify.ApproveField], tc.reason)
			require.Equal(t, tc.url, m.Approval.URL)
		})
	}
}

// What waits for a person in a rollout asks for what ends that.
func TestAlertsThatAskForApproval(t *testing.T) {
	for name, tc := range map[string]struct {
		script string
		want   rollout.Approval
	}{
		"Pause": {"analysis {steps: [{weight: 20, pause: {}}]}\nuntil Initialized\nset image v2\nuntil 20%\nwait 15s\n",
			rollout.Approval{Verb: v1beta1.ActionPromote, Revision: "r1-v2", Step: 1}},
		"BeforeRollout": {"analysis {stepWeights: [50], webhooks: [{name: gate, type: confirm-rollout, url: \"http://gate\"}]}\nuntil Initialized\nclose confirm-rollout\nset image v2\nuntil Waiting\n",
			rollout.Approval{Verb: v1beta1.ActionOverride, Revision: "r1-v2"}},
		"BeforePromotion": {"analysis {stepWeights: [50], webhooks: [{name: gate, type: confirm-promotion, url: \"http://gate\"}]}\nuntil Initialized\nclose confirm-promotion\nset image v2\nuntil WaitingPromotion\n",
			rollout.Approval{Verb: v1beta1.ActionOverride, Revision: "r1-v2", Step: 1}},
		"Inconclusive": {"analysis {stepWeights: [50]}\nuntil Initialized\nmetrics are inconclusive\nset image v2\nuntil 50%\nwait 15s\n",
			rollout.Approval{Verb: v1beta1.ActionPromote, Revision: "r1-v2", Step: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			notices, err := simulate.Notices(tc.script)
			require.NoError(t, err)
			var asked []rollout.Approval
			for _, said := range notices {
				if said.Alert != nil && said.Alert.Approval != nil {
					asked = append(asked, *said.Alert.Approval)
				}
			}
			require.Len(t, asked, 1, "%v", notices)
			require.Contains(t, asked[0].Command, string(tc.want.Verb)+" id=$(date +%s) revision="+tc.want.Revision)
			asked[0].Command = ""
			require.Equal(t, tc.want, asked[0])
		})
	}
}
