package observe

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

func TestOutage(t *testing.T) {
	m, c, began := &memory{}, &v1beta1.Canary{}, time.Now()
	see := func(health rollout.Health, after time.Duration) outage {
		return m.outageOf(c, canarySide, health, began.Add(after))
	}
	require.Zero(t, see(rollout.Starting, 0), "what was never available has no outage")
	require.Zero(t, see(rollout.Available, time.Minute))
	require.Zero(t, see(rollout.Starting, 2*time.Minute))
	require.Equal(t, outage{lasted: time.Minute}, see(rollout.Stuck, 3*time.Minute))
	require.Zero(t, m.outageOf(c, primarySide, rollout.Stuck, began), "the other side is another")
	require.Zero(t, see(rollout.Available, 4*time.Minute))
	require.Zero(t, see(rollout.Starting, 5*time.Minute), "the next one begins anew")
}

func TestClockJump(t *testing.T) {
	now := time.Date(2026, 1, 1, 13, 0, 0, 0, time.UTC)
	failing := rollout.Workload{Health: rollout.Starting, Since: now.Add(-time.Hour)}
	cases := map[string]struct {
		reason string
		given  outage
		pods   time.Time // what time it is for them
		since  time.Time
	}{
		"Right": {"A clock that is right is believed.", outage{lasted: time.Hour}, now, failing.Since},
		"Jump":  {"A deadline counts what has really passed.", outage{lasted: 5 * time.Second, jump: time.Hour}, now.Add(-time.Hour), now.Add(-5 * time.Second)},
		"Grace": {"Pods that have had their grace have had it.", outage{lasted: time.Minute, jump: time.Hour}, now, now.Add(-time.Minute)},
		"Slew":  {"A clock that is corrected a little says nothing.", outage{lasted: 5 * time.Second, jump: time.Second}, now, failing.Since},
		"Back":  {"One that went back is the machine's to mend.", outage{lasted: 5 * time.Second, jump: -time.Hour}, now, failing.Since},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.pods, c.given.observedAt(now), c.reason)
			require.Equal(t, c.since, c.given.corrected(failing, now).Since, c.reason)
		})
	}
}
