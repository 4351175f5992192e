package suite

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// gates are rollouts that somebody has to agree to.
func gates() map[string]scenario {
	return map[string]scenario{
		"Gates": {
			reason: "A closed gate holds the rollout where it is, says so, and lets it go on when it opens.",
			play:   closedGates,
		},
		"TrafficIncreaseGate": {
			reason: "Every step has to be agreed to, and a held one goes on being judged.",
			play:   trafficIncreaseGate,
		},
		"RollbackSwitch": {
			reason: "A person can have the old revision back at any moment, while a gate is closed as well.",
			play:   rollbackSwitch,
		},
	}
}

// gated leaves time to turn a switch before the next check, on a busy machine too.
const gated = `
  analysis:
    interval: 20s
    threshold: 1
    stepWeights: [30]
    webhooks:
    - {name: leave, type: confirm-rollout, url: "http://flagger-loadtester.test/gate/check"}
    - {name: ship, type: confirm-promotion, url: "http://flagger-loadtester.test/gate/check"}
    - {name: stop, type: rollback, url: "http://flagger-loadtester.test/rollback/check"}
`

// turn posts to a switch of the load tester for this scene's Canary.
func (s *scene) turn(path string) {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "payload.json")
	require.NoError(s.t, os.WriteFile(file, fmt.Appendf(nil, `{"name":"podinfo","namespace":%q}`, s.namespace), 0o600))
	s.kubectl("create", "--raw", "/api/v1/namespaces/test/services/flagger-loadtester:80/proxy"+path, "-f", file)
}

func closedGates(s *scene) {
	s.begin(gated)
	s.settled()
	users := s.users()
	since := s.release("3.1.1")
	s.reach("Waiting 0", since)
	s.said(since, "Halt podinfo."+s.namespace+" advancement waiting for approval leave*")
	target := &appsv1.Deployment{}
	s.get("podinfo", target)
	require.Zero(s.t, *target.Spec.Replicas, "nothing is started before somebody agrees")
	s.turn("/gate/open")
	s.reach("Progressing 30", since)
	s.turn("/gate/close")
	s.reach("WaitingPromotion 30", since)
	out := s.kubectl("get", "canary", "podinfo", "-n", s.namespace, "-o", `jsonpath={.status.conditions[?(@.type=="Waiting")].message}`)
	require.Contains(s.t, out, "waiting for promotion approval ship")
	s.turn("/gate/open")
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since),
		"Waiting 0", "Progressing 0", "Progressing 30", "WaitingPromotion 30", "Promoting 30", "Finalising 0", "Succeeded 0"))
	s.said(since, "Confirm-rollout check leave passed", "Confirm-promotion check ship passed")
	require.Equal(s.t, 1, walk.Said(s.texts(since), "Starting canary analysis for podinfo."+s.namespace))
	s.lossless(users)
}

func trafficIncreaseGate(s *scene) {
	s.begin(strings.Replace(gated, "confirm-rollout", "confirm-traffic-increase", 1))
	users := s.users()
	since := s.release("3.1.1")
	s.said(since, "Halt podinfo."+s.namespace+" advancement waiting for traffic increase approval leave*")
	require.Equal(s.t, "Progressing 0", walk.Last(s.rows(since)).String())
	s.only(users, "3.1.0", since)
	s.turn("/gate/open")
	s.reach("Progressing 30", since)
	s.reach("Succeeded", since)
	s.lossless(users)
}

func rollbackSwitch(s *scene) {
	s.begin(gated)
	users := s.users()
	since := s.release("3.1.1")
	s.reach("Waiting 0", since)
	s.turn("/rollback/open")
	s.reach("Failed", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Waiting 0", "Failed 0"))
	s.turn("/rollback/close")
	s.turn("/gate/open")
	since = s.release("3.1.2")
	s.reach("Progressing 30", since)
	s.turn("/rollback/open")
	s.reach("Failed", since)
	s.said(since, "Rollback check stop passed", "Rolling back podinfo."+s.namespace+" manual webhook invoked")
	s.stopped()
	s.only(users, "3.1.0", time.Now())
	s.turn("/rollback/close")
	s.lossless(users)
}
