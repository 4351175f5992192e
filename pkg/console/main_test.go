package console

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Main(m, "../../artifacts/crds")) }

// page is a small one.
var page = fstest.MapFS{
	"index.html":            {Data: []byte(`<!doctype html><html><head><base href="/"></head></html>`)},
	"assets/index-1234.js":  {Data: []byte("console.log(1)")},
	"favicon.svg":           {Data: []byte("<svg/>")},
	"assets/deep/other.css": {Data: []byte("a{}")},
}

// scene is a namespace of a real API server, and a page over it.
type scene struct {
	*testing.T
	client.Client
	ns     string
	server *Server
	http   *httptest.Server
	asked  *requests // of the API server by the page
}

// requests are counted by method and resource.
type requests struct {
	mu sync.Mutex
	n  map[string]int
}

func (r *requests) count(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(one *http.Request) (*http.Response, error) {
		r.mu.Lock()
		r.n[one.Method+" "+path.Base(one.URL.Path)]++
		r.mu.Unlock()
		return next.RoundTrip(one)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (r roundTrip) RoundTrip(one *http.Request) (*http.Response, error) { return r(one) }

// take is what was asked since the last call.
func (r *requests) take() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.n
	r.n = map[string]int{}
	return n
}

var quick = Limits{Coalesce: 20 * time.Millisecond, Ping: time.Hour, Review: time.Hour, Action: time.Second}

func scheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	require.NoError(t, clientgoscheme.AddToScheme(s))
	require.NoError(t, v1beta1.AddToScheme(s))
	return s
}

// newScene has a page in mode token, as installations have it.
func newScene(t *testing.T, change ...func(*Config)) *scene {
	t.Helper()
	cfg := kubetest.Config(t)
	c, err := client.New(cfg, client.Options{Scheme: scheme(t)})
	require.NoError(t, err)
	s := &scene{T: t, Client: c, ns: kubetest.Namespace(t), asked: &requests{n: map[string]int{}}}
	counted := rest.CopyConfig(cfg)
	counted.Wrap(s.asked.count)
	api, err := client.New(counted, client.Options{Scheme: scheme(t)})
	require.NoError(t, err)
	canaries, err := cache.New(counted, cache.Options{Scheme: scheme(t)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go func() { _ = canaries.Start(ctx) }()
	sessions, err := NewSessions(nil, false, time.Now)
	require.NoError(t, err)
	config := Config{
		Cache: canaries, API: api, Files: page, Version: "v1", Cluster: "test", Provider: "istio", Policies: true, Log: logr.Discard(), Limits: quick,
		Login: &TokenLogin{Client: api, Sessions: sessions, Now: time.Now}, Rights: &Reviews{Client: api, Now: time.Now},
	}
	for _, f := range change {
		f(&config)
	}
	s.server, err = New(config)
	require.NoError(t, err)
	s.http = httptest.NewServer(s.server.Handler())
	t.Cleanup(func() { s.server.Stop(); s.http.Close() })
	return s
}

// account makes a service account that has verbs on Canaries and more in the namespace, and its token.
func (s *scene) account(name string, verbs ...string) (token string) {
	s.Helper()
	ctx, meta := s.Context(), metav1.ObjectMeta{Namespace: s.ns, Name: name}
	require.NoError(s, s.Create(ctx, &corev1.ServiceAccount{ObjectMeta: meta}))
	if len(verbs) > 0 {
		require.NoError(s, s.Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{"flagger.app"}, Resources: []string{"canaries", "canaryruns"}, Verbs: verbs},
			{APIGroups: []string{""}, Resources: []string{"pods", "events"}, Verbs: []string{"list"}},
		}}))
		require.NoError(s, s.Create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
			Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: s.ns, Name: name}},
		}))
		// The API server hears of a role late, and the page keeps a refusal for rightsTTL.
		require.EventuallyWithT(s, func(c *assert.CollectT) {
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
				User:               "system:serviceaccount:" + s.ns + ":" + name,
				ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: s.ns, Group: "flagger.app", Resource: "canaries", Verb: verbs[0]},
			}}
			require.NoError(c, s.Create(ctx, review))
			require.True(c, review.Status.Allowed)
		}, time.Minute, 20*time.Millisecond)
	}
	request := &authenticationv1.TokenRequest{}
	require.NoError(s, s.SubResource("token").Create(ctx, &corev1.ServiceAccount{ObjectMeta: meta}, request))
	return request.Status.Token
}

// canary makes a Canary whose rollout is paused in its second step.
func (s *scene) canary(name string) *v1beta1.Canary {
	s.Helper()
	c := &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: name}, Spec: v1beta1.CanarySpec{
		TargetRef: v1beta1.TargetRef{APIVersion: "apps/v1", Kind: "Deployment", Name: name},
		Service:   v1beta1.CanaryService{Port: 9898},
		Analysis: &v1beta1.CanaryAnalysis{Interval: "1m", Threshold: 5, Steps: []v1beta1.AnalysisStep{{Weight: new(10)}, {Weight: new(30), Pause: &v1beta1.StepPause{}}},
			Webhooks: []v1beta1.CanaryWebhook{{Name: "load", URL: "http://tester.test/?key=s3cr3tkey"}}},
	}}
	require.NoError(s, s.Create(s.Context(), c))
	now := metav1.NewMicroTime(time.Now().Truncate(time.Second))
	c.Status = v1beta1.CanaryStatus{
		Phase: v1beta1.PhaseProgressing, Step: 2, CanaryWeight: 30, LastAppliedSpec: "r1-two", LastPromotedSpec: "r1-one", WaitingFor: string(rollout.WaitStepPaused),
		StepStarted: &v1beta1.StepStart{Revision: "r1-two", Step: 2, Time: now, Paused: &now}, LastFailure: "asked http://tester.test/?key=s3cr3tkey",
		Run: &v1beta1.Run{Number: 2, Revision: "r1-two", Started: metav1.NewTime(now.Time), Images: "podinfo:2"},
	}
	require.NoError(s, s.Status().Update(s.Context(), c))
	return c
}

func (s *scene) live(name string) *v1beta1.Canary {
	s.Helper()
	c := &v1beta1.Canary{}
	require.NoError(s, s.Get(s.Context(), client.ObjectKey{Namespace: s.ns, Name: name}, c))
	return c
}

// browser is somebody who uses the page.
type browser struct {
	*scene
	http.Client
}

func (s *scene) browser() *browser {
	s.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(s, err)
	return &browser{scene: s, Client: http.Client{Jar: jar, Transport: &http.Transport{DisableCompression: true}}}
}

// loggedIn is a browser with the session of a token.
func (s *scene) loggedIn(token string) *browser {
	s.Helper()
	b := s.browser()
	code, body := b.post("/auth/login", map[string]string{"token": token})
	require.Equal(s, http.StatusNoContent, code, body)
	return b
}

func (b *browser) do(method, path string, body any, change ...func(*http.Request)) (*http.Response, string) {
	b.Helper()
	var to io.Reader
	if text, is := body.(string); is {
		to = strings.NewReader(text)
	} else if body != nil {
		text, err := json.Marshal(body)
		require.NoError(b, err)
		to = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(b.Context(), method, b.http.URL+path, to)
	require.NoError(b, err)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, f := range change {
		f(r)
	}
	answer, err := b.Do(r)
	require.NoError(b, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(b, err)
	return answer, string(text)
}

func (b *browser) post(path string, body any) (int, string) {
	b.Helper()
	answer, text := b.do(http.MethodPost, path, body)
	return answer.StatusCode, text
}

func (b *browser) get(path string) (int, string) {
	b.Helper()
	answer, text := b.do(http.MethodGet, path, nil)
	return answer.StatusCode, text
}

// json is what an address answers with.
func (b *browser) json(path string, v any) {
	b.Helper()
	code, text := b.get(path)
	require.Equal(b, http.StatusOK, code, text)
	require.NoError(b, json.Unmarshal([]byte(text), v), text)
}

// told is one event of a stream.
type told struct{ event, id, data string }

// stream opens a stream; its events come by a channel that is closed at its end.
func (b *browser) stream(query string, change ...func(*http.Request)) (int, <-chan told) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	b.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.http.URL+"/api/v1/stream"+query, nil)
	require.NoError(b, err)
	for _, f := range change {
		f(r)
	}
	answer, err := b.Do(r)
	require.NoError(b, err)
	events := make(chan told, 100)
	go func() {
		defer close(events)
		defer answer.Body.Close()
		var e told
		for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
			key, value, _ := strings.Cut(lines.Text(), ": ")
			switch key {
			case "event":
				e.event = value
			case "id":
				e.id = value
			case "data":
				e.data = value
			case "":
				events <- e
				e = told{}
			}
		}
	}()
	return answer.StatusCode, events
}

// next is the next event of a name.
func next(t *testing.T, events <-chan told, name string) told {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case e, open := <-events:
			require.True(t, open, "the stream has ended before %s", name)
			if e.event == name {
				return e
			}
		case <-late:
			require.Fail(t, "no event "+name)
		}
	}
}
