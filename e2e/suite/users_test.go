package suite

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/e2e/internal/traffic"
	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// audiences are rollouts that tell users apart.
func audiences() map[string]scenario {
	return map[string]scenario{
		"ABTestingByHeader": {
			reason: "Only users whose header fits meet the canary, and all of them do.",
			play:   audience(`[{headers: {x-insider: {exact: "true"}}}]`, http.Header{"X-Insider": {"true"}}),
		},
		"ABTestingByCookie": {
			reason: "Only users whose cookie fits meet the canary, wherever it stands among their cookies.",
			play:   audience(`[{headers: {cookie: {regex: "^(.*?;)?\\s*(canary=always)(;.*)?$"}}}]`, http.Header{"Cookie": {"lang=en; canary=always; theme=dark"}}),
		},
		"PreviewMatch": {
			reason: "Insiders all meet the canary while everybody else does by weight.",
			play:   previewMatch,
		},
		"Mirroring": {
			reason: "The canary gets copies of requests before it gets a user, and nobody sees its answers.",
			play:   mirroring,
		},
		"SessionAffinity": {
			reason: "A browser that met the canary never goes back to the primary in that rollout.",
			play:   sessionAffinity,
		},
	}
}

// audience plays an A/B test for those who send a header.
func audience(match string, header http.Header) func(*scene) {
	return func(s *scene) {
		s.begin("\n  analysis: {interval: 10s, threshold: 1, iterations: 2, match: " + match + "}\n")
		others := s.users()
		insiders := s.ask(traffic.Config{URL: s.gateway, Host: s.host(), Rate: 20, Headers: header})
		since := s.release("3.1.1")
		switched := s.reach("Progressing 100", since)
		promoting := s.reach("Promoting", since)
		met := insiders.Window(switched.At.Add(s.lag(insiders, switched)), promoting.At)
		require.NotZero(s.t, met.Total)
		require.Equal(s.t, met.Total, met.ByVersion["3.1.1"], "all who fit meet the canary: %s", met)
		rest := others.Window(time.Time{}, promoting.At)
		require.Zero(s.t, rest.ByVersion["3.1.1"], "others met it as well: %s", rest)
		s.reach("Succeeded", since)
		require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 100", "Promoting 100", "Finalising 0", "Succeeded 0"))
		s.said(since, "Advance podinfo."+s.namespace+" canary iteration 1/2", "Advance podinfo."+s.namespace+" canary iteration 2/2")
		s.settled()
		s.only(insiders, "3.1.1", time.Now())
		s.lossless(insiders)
		s.lossless(others)
	}
}

func previewMatch(s *scene) {
	s.begin(`
  analysis: {interval: 10s, threshold: 1, stepWeights: [30], previewMatch: [{headers: {x-insider: {exact: "true"}}}]}
`)
	others := s.users()
	insiders := s.ask(traffic.Config{URL: s.gateway, Host: s.host(), Rate: 20, Headers: http.Header{"X-Insider": {"true"}}})
	since := s.release("3.1.1")
	switched := s.reach("Progressing 30", since)
	promoting := s.reach("Promoting", since)
	from := switched.At.Add(s.lag(insiders, switched))
	met := insiders.Window(from, promoting.At)
	require.NotZero(s.t, met.Total)
	require.Equal(s.t, met.Total, met.ByVersion["3.1.1"], "all insiders meet the canary: %s", met)
	s.divided(others, from, promoting.At, 30)
	s.reach("Succeeded", since)
	s.lossless(insiders)
	s.lossless(others)
}

func mirroring(s *scene) {
	s.begin(`
  analysis: {interval: 30s, threshold: 1, stepWeights: [50], mirror: true}
`)
	users := s.users()
	since := s.release("3.1.1")
	s.said(since, "Advance podinfo."+s.namespace+" canary mirror 100")
	first := s.reach("Progressing 50", since)
	before := users.Window(time.Time{}, first.At)
	require.Zero(s.t, before.ByVersion["3.1.1"], "users saw answers of the canary while it only got copies: %s", before)
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 50", "Promoting 50", "Finalising 0", "Succeeded 0"))
	s.lossless(users)

	since = s.release("3.1.2")
	s.said(since, "Advance podinfo."+s.namespace+" canary mirror 100")
	s.eventually("copies to reach the canary", func() bool { return s.handled("app=podinfo") > 50 })
	require.Equal(s.t, "Progressing 0", walk.Last(s.rows(since)).String(), "that was while nobody was routed to it")
}

// handled is how many requests the pods of a label answered so far, by their own count.
func (s *scene) handled(selector string) int {
	s.t.Helper()
	pods := &corev1.PodList{}
	label, value, _ := strings.Cut(selector, "=")
	require.NoError(s.t, s.client.List(s.t.Context(), pods, client.InNamespace(s.namespace), client.MatchingLabels{label: value}))
	sum := 0
	for _, p := range pods.Items {
		out, err := s.scrape(p.Name)
		if err != nil {
			s.t.Logf("pod %s does not tell: %v", p.Name, err) // it is not up yet, or not any more
		}
		for line := range strings.Lines(out) {
			if name, count, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(name, "http_request_duration_seconds_count{") && strings.Contains(name, `path="root"`) {
				n, _ := strconv.ParseFloat(count, 64)
				sum += int(n)
			}
		}
	}
	s.t.Logf("%d pods of %s answered %d requests", len(pods.Items), selector, sum)
	return sum
}

// scrape reads a pod's metrics through the API server.
func (s *scene) scrape(pod string) (string, error) {
	clients, err := kubernetes.NewForConfig(s.config)
	if err != nil {
		return "", err
	}
	text, err := clients.CoreV1().Pods(s.namespace).ProxyGet("http", pod, "9797", "metrics", nil).DoRaw(s.t.Context())
	return string(text), err
}

func sessionAffinity(s *scene) {
	s.begin(`
  analysis:
    interval: 10s
    threshold: 1
    stepWeights: [30, 60]
    sessionAffinity: {cookieName: side, maxAge: 3600, path: /, httpOnly: true}
`)
	browsers := s.ask(traffic.Config{URL: s.gateway, Host: s.host(), Rate: 40, Workers: 16, Cookies: true})
	since := s.release("3.1.1")
	s.reach("Succeeded", since)
	require.NotEmpty(s.t, s.before("Finalising", since, "sessionAffinityCookie"))
	moved := 0
	for worker, answers := range browsers.ByWorker(since) {
		met := false
		for _, a := range answers {
			require.False(s.t, met && a.Version == "3.1.0", "browser %d went back at %s", worker, a.Sent)
			met = met || a.Version == "3.1.1"
		}
		if met {
			moved++
		}
	}
	require.NotZero(s.t, moved)
	require.Empty(s.t, s.status("sessionAffinityCookie"), "the rollout is over")
	require.NotEmpty(s.t, s.status("previousSessionAffinityCookie"), "browsers are told to drop it")
	s.settled()
	s.only(browsers, "3.1.1", time.Now())
	s.lossless(browsers)
}
