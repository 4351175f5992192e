package observe

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

func TestPodsAreListedAgain(t *testing.T) {
	listed := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	target := factsOf(3, "podinfo:2").Target
	waiting := lateWorkload{of: "d", generation: 3, status: rollout.Starting, listed: listed, pause: mostPause}
	starting := rollout.Workload{Health: rollout.Starting, Since: listed.Add(-time.Hour)}
	failing := rollout.Workload{Health: rollout.Starting, Since: listed.Add(5*time.Second - workload.PodFailureGrace)}
	stuck := rollout.Workload{Health: rollout.Stuck, Since: listed.Add(-time.Minute)}
	for name, tc := range map[string]struct {
		reason string
		change func(*lateWorkload)
		found  rollout.Workload
		status rollout.Health
		after  time.Duration
		live   bool
		want   bool
	}{
		"Soon":         {reason: "nothing new is expected of them", found: starting, after: 19 * time.Second, live: true, want: true},
		"Pause":        {reason: "the pause is over", found: starting, after: 20 * time.Second},
		"ClockBack":    {reason: "when they were listed is not known any more", found: starting, after: -time.Second},
		"OtherTarget":  {reason: "it was made again", change: func(l *lateWorkload) { l.of = "e" }, found: starting, after: time.Second},
		"OtherVersion": {reason: "it was scaled, or has another template", change: func(l *lateWorkload) { l.generation = 2 }, found: starting, after: time.Second},
		"Deadline":     {reason: "its own deadline is over, by its status", found: starting, status: rollout.Stuck, after: time.Second},
		"InGrace":      {reason: "a pod that fails has a moment", found: failing, after: 4 * time.Second, live: true, want: true},
		"GraceOver":    {reason: "whether it still fails decides", found: failing, after: 5 * time.Second},
		"Stuck":        {reason: "a look at the cache decides nothing", found: stuck, after: 2 * time.Second, want: true},
		"StuckNow":     {reason: "they were listed by the look before", found: stuck, after: time.Second / 2, live: true, want: true},
		"StuckLive":    {reason: "a verdict is about pods as they are", found: stuck, after: 2 * time.Second, live: true},
	} {
		t.Run(name, func(t *testing.T) {
			l := waiting
			l.found = tc.found
			if tc.change != nil {
				tc.change(&l)
			}
			status := rollout.Starting
			if tc.status != 0 {
				status = tc.status
			}
			require.Equal(t, tc.want, l.holds(target, status, listed.Add(tc.after), tc.live), tc.reason)
		})
	}
	require.False(t, (*lateWorkload)(nil).holds(target, rollout.Starting, listed, false), "nothing is known")
}

func TestPausesGrow(t *testing.T) {
	m, c := &memory{}, factsOf(1, "podinfo:1").Canary
	pause := func(generation int64) time.Duration {
		m.keepLate(c, canarySide, &lateWorkload{of: "d", generation: generation})
		return m.lateOf(c, canarySide).pause
	}
	require.Equal(t, []time.Duration{leastPause, mostPause, mostPause}, []time.Duration{pause(1), pause(1), pause(1)})
	require.Equal(t, leastPause, pause(2), "what is new is looked at soon")
	require.Nil(t, m.lateOf(c, primarySide), "the other side is another")
	m.keepLate(c, canarySide, nil)
	require.Nil(t, m.lateOf(c, canarySide))
	require.Equal(t, leastPause, pause(2))
}
