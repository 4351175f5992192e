package rollout

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// A rollout that goes on for ever, with a person who never rests, is noted in a bounded space.
func TestRunsAreBounded(t *testing.T) {
	s := snap(func(s *Snapshot) { s.Plan.History = mostHistory })
	longest := 0
	for i := range 400 {
		s.Now = noon.Add(time.Duration(i) * time.Minute)
		s.Revision = fmt.Sprintf("r1-%d", i/8)
		s.Target.Revision, s.Target.Images = s.Revision, strings.Repeat("i", 1000)
		s.Requested = Requested{Text: fmt.Sprintf("pause id=%d reason=%s", s.Now.Unix(), strings.Repeat("<", 900)), By: strings.Repeat("a", 300)}
		if i%8 == 0 { // a newer revision, which is taken up first
			s.Requested = Requested{}
		} else if i%2 == 1 {
			s.Requested.Text = fmt.Sprintf("resume id=%d reason=%s", s.Now.Unix(), strings.Repeat("<", 900))
		}
		d := Decide(s, Findings{})
		s.Status = d.Status
		longest = max(longest, sizeOf(s.Status))
	}
	require.Less(t, longest, mostStatus)
	require.Len(t, s.Status.History, mostHistory)
	require.LessOrEqual(t, len(s.Status.Run.Actions), mostActions)
	require.Greater(t, s.Status.History[0].Number, int64(mostHistory), "numbers go on")

	long := v1beta1.Run{Number: 1, Revision: "r1-v2"}
	tr := newTransition(s)
	tr.next.Run = &long
	for i := range 1000 {
		tr.next.Step = i
		noteTrack(tr)
		require.LessOrEqual(t, len(long.Track), mostTrack)
	}
	require.Equal(t, int32(0), long.Track[0].Step, "it begins with the beginning")
	require.Equal(t, int32(999), long.Track[len(long.Track)-1].Step, "and ends with the end")
}

// What is kept of runs is what goes when a status grows too large; a decision reads it only where a person asks for a rollback.
func TestHistoryGivesWay(t *testing.T) {
	s := measured(64, 10, 10, 1000, 90)
	for i := range mostHistory {
		s.History = append(s.History, v1beta1.PastRun{Number: int64(mostHistory - i), Reason: strings.Repeat("r", mostRunReason)})
	}
	s.Run = &v1beta1.Run{Number: mostHistory, Track: make([]v1beta1.TrackPoint, mostTrack)}
	require.LessOrEqual(t, sizeOf(fitted(s)), mostStatus)
	huge := measured(250, 10, 1000, 1000, 300)
	huge.History, huge.Run = s.History, s.Run
	require.Len(t, fitted(huge).History, leastHistory)
	require.Len(t, s.History, mostHistory, "what it was made from is another's")
	for _, n := range []int32{0, 5, 30, 99} {
		require.Equal(t, int(min(n, mostHistory)), historyOf(v1beta1.CanarySpec{History: &v1beta1.CanaryHistory{Limit: &n}}))
	}
	require.Equal(t, defaultHistory, historyOf(v1beta1.CanarySpec{}))
}

// The first transcript of a status without runs: a version before has begun the rollout.
func TestRunOfAnOlderVersion(t *testing.T) {
	s := snap(func(s *Snapshot) { s.Plan.History = 2 })
	s.Requested = wish("abort")
	d := Decide(s, Findings{})
	require.Equal(t, v1beta1.RunAborted, d.Status.Run.Outcome)
	require.Len(t, d.Status.History, 1)
	require.Equal(t, "anna", d.Status.History[0].By)
}
