package suite

import (
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// listeners are servers of the user's that are told.
func listeners() map[string]scenario {
	return map[string]scenario{
		"Hooks": {
			reason: "A server that is told of a rollout hears everything once, with what it needs to know who speaks.",
			play:   hooks,
		},
	}
}

// call is a webhook that arrived.
type call struct {
	at                               time.Time
	path, team, token                string
	Name, Namespace, Phase, Checksum string
	Metadata                         map[string]string
}

// receiver is a server in the test that the cluster can reach.
type receiver struct {
	url   string
	mu    sync.Mutex
	calls []call
}

// receive listens at the address that this machine has towards the cluster.
func (s *scene) receive() *receiver {
	s.t.Helper()
	gateway, err := url.Parse(s.gateway)
	require.NoError(s.t, err)
	way, err := (&net.Dialer{}).DialContext(s.t.Context(), "udp", gateway.Host)
	require.NoError(s.t, err)
	here, _, err := net.SplitHostPort(way.LocalAddr().String())
	require.NoError(s.t, err)
	require.NoError(s.t, way.Close())
	door, err := (&net.ListenConfig{}).Listen(s.t.Context(), "tcp", net.JoinHostPort(here, "0"))
	require.NoError(s.t, err)
	r := &receiver{url: "http://" + door.Addr().String()}
	server := &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(door) }()
	s.t.Cleanup(func() { _ = server.Close() })
	return r
}

// ServeHTTP implements http.Handler. Any status of success has to do.
func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	c := call{at: time.Now(), path: q.URL.Path, team: q.Header.Get("X-Team"), token: q.Header.Get("Authorization")}
	if err := json.NewDecoder(q.Body).Decode(&c); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.calls = append(r.calls, c)
	r.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// since are the calls of a path from a moment on.
func (r *receiver) since(path string, moment time.Time) []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []call
	for _, c := range r.calls {
		if c.path == path && !c.at.Before(moment) {
			found = append(found, c)
		}
	}
	return found
}

func hooks(s *scene) {
	r := s.receive()
	s.kubectl("create", "secret", "generic", "hook", "-n", s.namespace, "--from-literal=token=s3cret")
	s.begin(strings.ReplaceAll(`
  analysis:
    interval: 10s
    threshold: 1
    stepWeights: [40]
    webhooks:
    - {name: diary, type: event, url: "URL/event", headers: {X-Team: shop}, secretRef: {name: hook}, metadata: {cluster: one, eventType: mine}}
    - {name: before, type: pre-rollout, url: "URL/pre", metadata: {suite: smoke}}
    - {name: done, type: post-rollout, url: "URL/post", headers: {X-Team: shop}}
`, "URL", r.url))
	users := s.users()
	since := s.release("3.1.1")
	s.reach("Succeeded", since)
	s.told(r, since, "Succeeded")
	s.heard(r, since,
		"New revision detected! Scaling up podinfo."+s.namespace,
		"Starting canary analysis for podinfo."+s.namespace,
		"Advance podinfo."+s.namespace+" canary weight 40",
		"Copying podinfo."+s.namespace+" template spec to podinfo-primary."+s.namespace,
		"Promotion completed! Scaling down podinfo."+s.namespace,
	)
	pre := r.since("/pre", since)
	require.Len(s.t, pre, 1)
	require.Equal(s.t, []string{"podinfo", s.namespace, "Progressing"}, []string{pre[0].Name, pre[0].Namespace, pre[0].Phase})
	require.Equal(s.t, map[string]string{"suite": "smoke"}, pre[0].Metadata)
	require.Equal(s.t, pre[0].Checksum, r.since("/post", since)[0].Checksum, "both are about one revision")
	s.settled()

	s.kubectl("patch", "canary", "podinfo", "-n", s.namespace, "--type=json", "-p",
		`[{"op":"add","path":"/spec/analysis/webhooks/-","value":{"name":"acceptance","type":"rollout","url":"http://flagger-loadtester.test/gate/halt","timeout":"5s"}}]`)
	bad := s.release("3.1.2")
	s.reach("Failed", bad)
	s.told(r, bad, "Failed")
	s.heard(r, bad, "Rolling back podinfo."+s.namespace+" failed checks threshold reached 1", "Canary failed! Scaling down podinfo."+s.namespace)
	require.NotEqual(s.t, pre[0].Checksum, r.since("/post", bad)[0].Checksum)
	s.lossless(users)
}

// told wants the end of a rollout to be told once.
func (s *scene) told(r *receiver, since time.Time, phase string) {
	s.t.Helper()
	s.eventually("the end to be told", func() bool { return len(r.since("/post", since)) > 0 })
	post := r.since("/post", since)
	require.Len(s.t, post, 1)
	require.Equal(s.t, phase, post[0].Phase)
	require.Equal(s.t, "shop", post[0].team)
}

// heard wants these messages among the events that were told, in their order and each once.
func (s *scene) heard(r *receiver, since time.Time, want ...string) {
	s.t.Helper()
	var texts []string
	s.eventually("the events to be told", func() bool {
		texts = nil
		for _, c := range r.since("/event", since) {
			texts = append(texts, c.Metadata["eventMessage"])
		}
		return walk.InOrder(texts, want...) == nil
	})
	for _, text := range want {
		require.Equal(s.t, 1, walk.Said(texts, text), text)
	}
	for _, c := range r.since("/event", since) {
		require.Equal(s.t, []string{"shop", "Bearer s3cret", "one"}, []string{c.team, c.token, c.Metadata["cluster"]})
		require.Contains(s.t, []string{"Normal", "Warning"}, c.Metadata["eventType"], "what the user gives does not override it")
		require.Regexp(s.t, `^\d{13}$`, c.Metadata["timestamp"], "milliseconds")
	}
}
