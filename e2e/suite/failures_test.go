package suite

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// failures are revisions that must not reach everybody.
func failures() map[string]scenario {
	return map[string]scenario{
		"ImageMissing": {
			reason: "An image that cannot be pulled fails long before the deadline, and says why.",
			play:   imageMissing,
		},
		"PromotionStuck": {
			reason: "If the primary cannot be updated, the canary serves; once it can, the promotion goes on.",
			play:   promotionStuck,
		},
		"MetricsDown": {
			reason: "Without an answer from Prometheus nothing is proven, so the rollout goes back.",
			play:   metricsDown,
		},
		"WebhookRefuses": {
			reason: "A check that says no is counted, and the last permitted one ends the rollout.",
			play:   webhookRefuses,
		},
		"PreRolloutRefuses": {
			reason: "What fails before the rollout never gets a request.",
			play:   preRolloutRefuses,
		},
	}
}

func imageMissing(s *scene) {
	s.kubectl("patch", "deployment", "podinfo", "-n", s.namespace, "-p", `{"spec":{"progressDeadlineSeconds":120}}`)
	s.begin("  progressDeadlineSeconds: 120" + twoSteps)
	users := s.users()
	since := s.release("0.0.0-none")
	failed := s.reach("Failed", since)
	require.Less(s.t, failed.At.Sub(since), 100*time.Second, "the deadline is 120 seconds")
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Failed 0"))
	s.said(since, "Rolling back podinfo."+s.namespace+" *Image*", "Canary failed! Scaling down podinfo."+s.namespace+"*")
	s.t.Logf("failed %.1f s after the image was set", failed.At.Sub(since).Seconds())
	s.only(users, "3.1.0", time.Time{})
	s.lossless(users)
}

func promotionStuck(s *scene) {
	s.kubectl("patch", "deployment", "podinfo", "-n", s.namespace, "-p", `{"spec":{"progressDeadlineSeconds":30}}`) // a busy machine's pods need half of it
	s.begin(`
  progressDeadlineSeconds: 45
  analysis: {interval: 10s, threshold: 1, stepWeights: [50]}
`)
	s.settled()
	users := s.users()
	s.kubectl("create", "quota", "pods", "--hard=pods=2", "-n", s.namespace)
	since := s.release("3.1.1")
	stuck := s.reach("Failed 100", since)
	s.said(since, "Promotion of podinfo."+s.namespace+" failed, primary not ready: *")
	s.only(users, "3.1.1", stuck.At.Add(slowly))
	fixed := time.Now()
	s.kubectl("delete", "quota", "pods", "-n", s.namespace)
	s.reach("Succeeded", fixed)
	s.runs("podinfo-primary", "3.1.1", 1)
	s.settled()
	s.lossless(users)
}

func metricsDown(s *scene) {
	s.begin(`
  metricsServer: http://prometheus.istio-system:9
  analysis:
    interval: 10s
    threshold: 2
    stepWeights: [20, 40]
    metrics: [{name: request-success-rate, interval: 10s, thresholdRange: {min: 99}}]
`)
	users := s.users()
	since := s.release("3.1.1")
	s.reach("Failed", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 20", "Failed 0"))
	s.said(since, "*rometheus*", "Rolling back podinfo."+s.namespace+" failed checks threshold reached 2")
	s.lossless(users)
}

func webhookRefuses(s *scene) {
	s.begin(`
  analysis:
    interval: 10s
    threshold: 2
    stepWeights: [20, 40]` + refusal)
	users := s.users()
	since := s.release("3.1.1")
	s.reach("Failed", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 20", "Failed 0"))
	s.said(since, "Rolling back podinfo."+s.namespace+" failed checks threshold reached 2")
	require.Equal(s.t, 2, walk.Said(s.texts(since), "Halt podinfo."+s.namespace+" advancement external check acceptance failed*"))
	s.runs("podinfo-primary", "3.1.0", 1)
	s.lossless(users)
}

func preRolloutRefuses(s *scene) {
	s.begin(`
  analysis:
    interval: 10s
    threshold: 2
    stepWeights: [20, 40]
    webhooks:
    - {name: acceptance, type: pre-rollout, url: "http://flagger-loadtester.test/gate/halt", timeout: 5s}
`)
	users := s.users()
	since := s.release("3.1.1")
	s.reach("Failed", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Failed 0"))
	s.said(since, "Halt podinfo."+s.namespace+" advancement pre-rollout check acceptance failed*")
	s.only(users, "3.1.0", time.Time{})
	s.lossless(users)
}
