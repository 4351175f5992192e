package suite

import (
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// hands are rollouts that people put a hand on.
func hands() map[string]scenario {
	return map[string]scenario{
		"Hands": {
			reason: "A rollout waits at a pause for as long as nobody promotes it, can be held and aborted, and be tried again.",
			play:   putHandsOn,
		},
		"Bake": {
			reason: "A revision whose process ends when it has everybody is taken back by a change of routes, within seconds.",
			play:   bakeFails,
		},
	}
}

// stepwise has a pause, and a bake.
const stepwise = `
  analysis:
    interval: 10s
    threshold: 1
    steps:
    - {name: some, weight: 20, pause: {}}
    - {weight: 50, duration: 15s}
    promotion: {bake: 30s}
`

// act asks for something by the command that the docs give.
func (s *scene) act(verb, more string) {
	s.t.Helper()
	revision := s.kubectl("get", "canary", "podinfo", "-n", s.namespace, "-o", "jsonpath={.status.lastAppliedSpec}")
	s.kubectl("annotate", "canary", "podinfo", "-n", s.namespace, "--overwrite",
		fmt.Sprintf("sluice.dev/action=%s id=%d revision=%s%s", verb, time.Now().Unix(), revision, more), "sluice.dev/action-by=anna")
}

func putHandsOn(s *scene) {
	s.begin(stepwise)
	users := s.users()
	since := s.release("3.1.1")
	s.said(since, "Canary is paused at step 1 of 3 (some) and waits for promote.")
	// Longer than two intervals.
	time.Sleep(25 * time.Second)
	require.Equal(s.t, "Progressing 20", walk.Last(s.rows(since)).String())
	s.act("abort", " reason=not today")
	s.reach("Failed", since)
	s.said(since, "abort by anna of podinfo."+s.namespace+": the canary is rolled back (not today)")
	s.stopped()
	since = time.Now()
	s.act("retry", "")
	s.said(since, "Canary is paused at step 1 of 3 (some) and waits for promote.")
	s.act("promote", " step=1")
	s.reach("Progressing 50", since)
	s.act("pause", "")
	s.eventually("it is held", func() bool { return s.status("waitingFor") == "Held" })
	s.act("resume", "")
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since),
		"Progressing 0", "Progressing 20", "Progressing 50", "Progressing 100", "Promoting 100", "Finalising 0", "Succeeded 0"))
	s.runs("podinfo-primary", "3.1.1", 1)
	s.lossless(users)
}

func bakeFails(s *scene) {
	s.begin(strings.Replace(stepwise, "bake: 30s", "bake: 10m", 1))
	users := s.users()
	since := s.release("3.1.1")
	s.said(since, "Canary is paused at step 1 of 3 (some) and waits for promote.")
	s.act("promote", " step=1")
	s.reach("Progressing 100", since)
	s.only(users, "3.1.1", time.Now().Add(2*time.Second))
	pod := s.kubectl("get", "pods", "-n", s.namespace, "-l", "app=podinfo", "-o", "jsonpath={.items[0].metadata.name}")
	crashed := time.Now()
	// What ends its process answers nothing.
	_, _ = s.Quiet(s.t.Context(), "get", "--raw", "/api/v1/namespaces/"+s.namespace+"/pods/"+pod+":9898/proxy/panic")
	row := s.reach("Failed", since)
	s.t.Logf("rolled back %s after its process was told to end", row.At.Sub(crashed).Round(100*time.Millisecond))
	s.said(since, "Rolling back podinfo."+s.namespace+": a pod of podinfo."+s.namespace+" failed while it baked: podinfod of "+pod+"*")
	s.only(users, "3.1.0", time.Now().Add(2*time.Second))
	s.stopped()
}
