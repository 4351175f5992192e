package suite

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/e2e/internal/traffic"
	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

const (
	// settling is how long proxies may take to follow a new weight, on a machine that is not busy.
	settling = 2500 * time.Millisecond
	// slowly is the same where nothing is lost by waiting: no other weight follows.
	slowly = 4 * settling
	// deviations is how far off a share may be, in standard deviations: by chance once in 150 000 steps.
	deviations = 4.5
)

// lag is how long after a step's status users are to meet its weight. A busy machine's proxies follow late, and as
// late each time: twice as long as until the first user met the canary is enough for steps that came after it.
func (s *scene) lag(users *traffic.Client, step walk.Row) time.Duration {
	s.t.Helper()
	var met time.Time
	s.eventually("a user to meet the canary", func() bool {
		for _, answers := range users.ByWorker(step.At) {
			for _, a := range answers {
				if had := a.Sent.Add(a.Took); a.Version == "3.1.1" && (met.IsZero() || had.Before(met)) {
					met = had
				}
			}
		}
		return !met.IsZero()
	})
	s.t.Logf("MEASURED the first user met the canary %.2f s after %q", met.Sub(step.At).Seconds(), step)
	return max(settling, 2*met.Sub(step.At))
}

// divided wants users to have met the new version as often as a weight says, but for chance.
func (s *scene) divided(users *traffic.Client, from, to time.Time, weight int) {
	s.t.Helper()
	seen := users.Window(from, to)
	s.t.Logf("MEASURED at %d %%: %d of %d requests met the canary, %.1f %%", weight, seen.ByVersion["3.1.1"], seen.Total, 100*seen.Share("3.1.1"))
	require.NoError(s.t, traffic.Binomial(seen.ByVersion["3.1.1"], seen.Total-seen.Failed, float64(weight)/100, deviations), "weight %d: %s", weight, seen)
}
