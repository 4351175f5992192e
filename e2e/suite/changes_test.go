package suite

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// changes are users who change their mind.
func changes() map[string]scenario {
	return map[string]scenario{
		"NewRevision": {
			reason: "A newer revision in the middle starts over; the older one is never promoted.",
			play:   newRevision,
		},
		"Revert": {
			reason: "Going back to what the primary runs ends the rollout at once, and is no failure.",
			play:   revert,
		},
		"Suspend": {
			reason: "A suspended rollout stays where it is, and goes on from there.",
			play:   suspend,
		},
	}
}

const twoSteps = `
  analysis: {interval: 10s, threshold: 1, stepWeights: [20, 40]}
`

// slowSteps leaves time to change one's mind, on a busy machine too.
const slowSteps = `
  analysis: {interval: 20s, threshold: 1, stepWeights: [20, 40]}
`

func newRevision(s *scene) {
	s.begin(slowSteps)
	users := s.users()
	since := s.release("3.1.1")
	s.reach("Progressing 20", since)
	s.release("3.1.2")
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since),
		"Progressing 0", "Progressing 20", "Progressing 0", "Progressing 20", "Progressing 40", "Promoting 40", "Finalising 0", "Succeeded 0"))
	s.said(since, "New revision detected! Restarting analysis for podinfo."+s.namespace)
	s.runs("podinfo-primary", "3.1.2", 1)
	s.settled()
	s.lossless(users)
}

func revert(s *scene) {
	s.begin(`
  analysis: {interval: 60s, threshold: 1, stepWeights: [20, 40]}
`)
	users := s.users()
	since := s.release("3.1.1")
	s.reach("Progressing 20", since)
	back := s.release("3.1.0")
	end := s.reach("Succeeded", since)
	require.Less(s.t, end.At.Sub(back), 30*time.Second, "it takes no interval")
	s.t.Logf("ended %.1f s after the image was set back", end.At.Sub(back).Seconds())
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 20", "Succeeded 0"))
	s.runs("podinfo-primary", "3.1.0", 1)
	s.settled()
	s.lossless(users)
}

func suspend(s *scene) {
	s.begin(slowSteps)
	users := s.users()
	since := s.release("3.1.1")
	s.reach("Progressing 20", since)
	s.kubectl("patch", "canary", "podinfo", "-n", s.namespace, "--type=merge", "-p", `{"spec":{"suspend":true}}`)
	s.said(since, "skipping canary run as object is suspended")
	err := s.canaries.Wait(within(s.t, 25*time.Second), func(e []walk.Entry) bool {
		return walk.Last(walk.Rows(e, "podinfo")).String() != "Progressing 20"
	})
	require.ErrorIs(s.t, err, context.DeadlineExceeded, "the rollout went on while it was suspended")
	s.kubectl("patch", "canary", "podinfo", "-n", s.namespace, "--type=merge", "-p", `{"spec":{"suspend":false}}`)
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since),
		"Progressing 0", "Progressing 20", "Progressing 40", "Promoting 40", "Finalising 0", "Succeeded 0"))
	s.lossless(users)
}
