package rollout_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/simulate"
)

const begun = "until Initialized\n"

// TestHistory holds what is left of rollouts, however they end.
func TestHistory(t *testing.T) {
	for name, tc := range map[string]struct {
		script string
		want   []string // the newest first
	}{
		"Promoted":   {"set image v2\nuntil Succeeded\n", []string{"1 v2 Promoted: "}},
		"RolledBack": {"set image v2\nfail checks 3\nuntil Failed\n", []string{"1 v2 RolledBack: 3 failed checks of podinfo.test"}},
		"Aborted":    {"set image v2\nuntil 10%\nact abort\nuntil Failed\n", []string{"1 v2 Aborted by anna: aborted by anna"}},
		"Retried": {"set image v2\nuntil 10%\nact abort\nuntil Failed\nwait 3s\nact retry\nuntil Succeeded\n",
			[]string{"2 v2 Promoted: ", "1 v2 Aborted by anna: aborted by anna"}},
		"RetriedInVain": {"set image v2\nuntil 10%\nact abort\nuntil Failed\nwait 3s\nact retry\nuntil Progressing\nfail checks 3\nuntil Failed\n",
			[]string{"2 v2 RolledBack: 3 failed checks", "1 v2 Aborted by anna: aborted by anna"}},
		"Superseded": {"set image v2\nuntil 10%\nset image v3\nuntil Succeeded\n", []string{"2 v3 Promoted: ", "1 v2 Superseded: by r1-v3"}},
		"CalledOff":  {"set image v2\nuntil 10%\nset image v1\nuntil Succeeded\n", []string{"1 v2 CalledOff: Rollout called off at 10%"}},
		"CalledOffLate": {"set image v2\nuntil Promoting\nwait 1s\nset image v1\nuntil Succeeded\n",
			[]string{"1 v2 CalledOff: Rollout called off, "}},
		"PromotionFailed": {"set image v2\nuntil 50%\nbreak v2\nuntil Failed\n", []string{"1 v2 PromotionFailed: podinfo-primary.test"}},
		"AbortedLate":     {"set image v2\nuntil Promoting\nact abort\nuntil Failed\n", []string{"1 v2 Aborted by anna: aborted by anna"}},
		"PromotedByPerson": {"set image v2\nuntil 10%\nact promote-full\nuntil Succeeded\n",
			[]string{"1 v2 Promoted by anna: "}},
		"Reverted": {"set image v2\nuntil Succeeded\nwait 3s\nact rollback\nuntil Failed\n",
			[]string{"2 v2 Reverted by anna: rolled back to r1-v1 by anna", "1 v2 Promoted: "}},
		"RevertedTo": {"set image v2\nuntil Succeeded\nset image v3\nuntil Progressing\nuntil Succeeded\nwait 3s\nact rollback run=1\nuntil Failed\n",
			[]string{"3 v3 Reverted by anna: rolled back to r1-v2 (run 1) by anna", "2 v3 Promoted: ", "1 v2 Promoted: "}},
		"FastPromoted": {"keep window 1\nset image v2\nuntil Succeeded\nset image v1\nuntil Progressing\nuntil Succeeded\n",
			[]string{"2 v1 FastPromoted: ", "1 v2 Promoted: "}},
		"WindowTakenAway": {"keep window 1\nset image v2\nuntil Succeeded\nset image v1\nuntil Progressing\nkeep window 0\nuntil Succeeded\n",
			[]string{"2 v1 Promoted: "}},
		"FailedSince": {"keep window 1\nset image v2\nuntil Succeeded\nwait 3s\nact rollback\nuntil Failed\nset image v3\nuntil Progressing\nuntil Succeeded\nset image v2\nwait 3s\n",
			[]string{"3 v3 Promoted: "}},
		"Terminated": {"set image v2\nuntil 10%\ndismiss\nwait 5s\n", []string{"1 v2 Terminated: "}},
	} {
		t.Run(name, func(t *testing.T) {
			stored, err := simulate.Statuses(begun + tc.script)
			require.NoError(t, err)
			last := stored[len(stored)-1]
			var got []string
			for _, past := range last.History {
				by := ""
				if past.By != "" {
					by = " by " + past.By
				}
				got = append(got, fmt.Sprintf("%d %s %s%s: %s", past.Number, strings.TrimPrefix(past.Revision, rollout.RevisionPrefix), past.Outcome, by, past.Reason))
			}
			require.Len(t, got, len(tc.want), "%v", got)
			for i := range got {
				require.True(t, strings.HasPrefix(got[i], tc.want[i]), "%q is not %q", got[i], tc.want[i])
			}
			require.Equal(t, last.History[0].Number, last.Run.Number)
			require.Equal(t, last.History[0].Outcome, last.Run.Outcome)
			require.Equal(t, last.History[0].Finished, *last.Run.Finished)
		})
	}
}

// TestRunIsFollowed holds what is noted of a rollout that is under way.
func TestRunIsFollowed(t *testing.T) {
	stored, err := simulate.Statuses(begun + "set image v2\nuntil 20%\nact pause reason=lunch\nwait 12s\nact resume\nuntil 30%\n")
	require.NoError(t, err)
	run := stored[len(stored)-1].Run
	require.Nil(t, run.Finished)
	require.Equal(t, "r1-v2", run.Revision)
	require.Equal(t, &v1beta1.RunOrigin{Revision: "r1-v1"}, run.From, "the first revision is of no run")
	var track []string
	for _, at := range run.Track {
		track = append(track, fmt.Sprintf("%d: %d%%", at.Step, at.Weight))
	}
	require.Equal(t, []string{"0: 0%", "1: 10%", "2: 20%", "3: 30%"}, track)
	require.Greater(t, run.Track[3].T, run.Track[2].T+9, "it was held")
	require.Len(t, run.Actions, 2)
	require.Equal(t, "lunch", run.Actions[0].Reason)
	require.Equal(t, int32(2), run.Actions[0].Step)
}

// TestRunNamesItsTemplate holds the hash and the number by which `kubectl sluice undo` finds what a run had.
func TestRunNamesItsTemplate(t *testing.T) {
	stored, err := simulate.Statuses(begun + "set image v2\nuntil Succeeded\nclose confirm-rollout\n" +
		`analysis {stepWeights: [50], webhooks: [{name: go, type: confirm-rollout, url: "http://gate/"}]}` +
		"\nset image v3\nuntil Waiting\nset image v4\nwait 12s\nopen confirm-rollout\nuntil Progressing\nuntil Succeeded\n")
	require.NoError(t, err)
	last := stored[len(stored)-1]
	require.Len(t, last.History, 2)
	for i, want := range [][2]string{{"r1-v4", "4"}, {"r1-v2", "2"}} {
		require.Equal(t, want, [2]string{last.History[i].Template, last.History[i].TargetRevision})
	}
	require.Equal(t, "r1-v4", last.Run.Template)
	require.Equal(t, "4", last.Run.TargetRevision)
}
