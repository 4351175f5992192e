package console

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/view"
)

// Who has an account's token sees what that account may get, and no more.
func TestToken(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.canary("podinfo")
	reader := s.account("reader", "get", "list", "promote")
	b := s.browser()
	code, text := b.get("/api/v1/me")
	require.Equal(t, http.StatusUnauthorized, code)
	require.JSONEq(t, `{"error":"you are not logged in, or not any more","mode":"token","policies":false}`, text)
	for _, wrong := range []string{"", "x", reader + "x"} {
		code, _ = b.post("/auth/login", map[string]string{"token": wrong})
		require.Equal(t, http.StatusUnauthorized, code, wrong)
	}
	b = s.loggedIn(reader)
	var m me
	b.json("/api/v1/me", &m)
	require.Equal(t, "system:serviceaccount:"+s.ns+":reader", m.User)
	require.Equal(t, ModeToken, m.Mode)
	require.True(t, m.Policies)

	var l list
	require.Eventually(t, func() bool { b.json("/api/v1/canaries", &l); return len(l.Items) == 1 }, 10*time.Second, 50*time.Millisecond)
	require.Equal(t, []string{s.ns}, l.Namespaces, "other namespaces are not told")
	require.Equal(t, counts{Waiting: 1, UnderWay: 1, All: 1}, l.Counts)
	require.Equal(t, "podinfo", l.Items[0].Name)
	require.True(t, l.Items[0].Can["promote"])
	require.False(t, l.Items[0].Can["abort"])

	var d detailed
	b.json("/api/v1/canaries/"+s.ns+"/podinfo", &d)
	require.Equal(t, view.Paused, d.State)
	require.Len(t, d.Plan, 2)
	require.Equal(t, "istio", d.Provider, "that of the operator")
	require.Empty(t, d.Allowed["promote"])
	require.NotEmpty(t, d.Allowed["retry"])
	require.True(t, d.Can["promote"])
	require.Equal(t, view.About{Revision: "r1-two", Step: 2}, d.About)
	_, text = b.get("/api/v1/canaries/" + s.ns + "/podinfo")
	require.NotContains(t, text, "s3cr3tkey", "a URL's secrets are hidden")
	require.Contains(t, text, "asked http://tester.test/?key=***")
}

// What exists and what does not is answered alike to who may not see it.
func TestGuessedNames(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.canary("podinfo")
	nobody := s.loggedIn(s.account("nobody"))
	somebody := s.loggedIn(s.account("somebody", "get", "list"))
	require.Eventually(t, func() bool {
		code, _ := somebody.get("/api/v1/canaries/" + s.ns + "/podinfo")
		return code == http.StatusOK
	}, 10*time.Second, 50*time.Millisecond)
	for _, path := range []string{"", "/pods", "/events", "/runs", "/runs/1"} {
		code, there := nobody.get("/api/v1/canaries/" + s.ns + "/podinfo" + path)
		require.Equal(t, http.StatusNotFound, code)
		code, guessed := nobody.get("/api/v1/canaries/" + s.ns + "/guessed" + path)
		require.Equal(t, http.StatusNotFound, code)
		require.Equal(t, strings.ReplaceAll(there, "podinfo", "guessed"), guessed)
	}
	ask := map[string]any{"verb": "promote", "revision": "r1-two", "step": 2}
	for _, name := range []string{"podinfo", "guessed"} {
		code, _ := nobody.post("/api/v1/canaries/"+s.ns+"/"+name+"/actions", ask)
		require.Equal(t, http.StatusNotFound, code)
		code, _ = nobody.stream("?namespace=" + s.ns + "&name=" + name)
		require.Equal(t, http.StatusNotFound, code)
	}
	var l list
	nobody.json("/api/v1/canaries", &l)
	require.Empty(t, l.Items)
	require.Zero(t, l.Counts)
	require.Empty(t, l.Namespaces)
	code, _ := nobody.stream("?namespace=" + s.ns)
	require.Equal(t, http.StatusForbidden, code)
	code, _ = nobody.stream("?name=podinfo")
	require.Equal(t, http.StatusBadRequest, code)
	code, text := somebody.get("/api/v1/canaries/" + s.ns + "/guessed")
	require.Equal(t, http.StatusNotFound, code)
	require.Contains(t, text, "or you may not see it")
}

// An action takes its verb, and is written as who asked for it.
func TestAction(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.canary("podinfo")
	b := s.loggedIn(s.account("promoter", "get", "promote"))
	actions := "/api/v1/canaries/" + s.ns + "/podinfo/actions"
	for name, tc := range map[string]struct {
		reason string
		body   any
		code   int
		text   string
	}{
		"Verb":     {"another verb is another right", map[string]any{"verb": "abort", "revision": "r1-two"}, 403, "this takes the verb abort"},
		"SkipStep": {"a parameter may take a right as well", map[string]any{"verb": "promote", "revision": "r1-two", "skipStep": true}, 403, "this takes the verb skip-step"},
		"Unknown":  {"there are eight verbs", map[string]any{"verb": "delete", "revision": "r1-two"}, 400, "no such action"},
		"Revision": {"a late click is about something", map[string]any{"verb": "promote"}, 400, "it names no revision"},
		"Smuggled": {"a revision brings nothing along", map[string]any{"verb": "promote", "revision": "r1-two skip-step=true"}, 400, "is not one"},
		"Field":    {"what is not known is not ignored", `{"verb":"promote","by":"olga"}`, 400, "unknown field"},
		"Garbage":  {"it is JSON", `verb=promote`, 400, "cannot be read"},
		"Behind":   {"it is one JSON", `{"verb":"promote","revision":"r1-two"}{}`, 400, "behind its JSON"},
		"Large":    {"it is bounded", `{"reason":"` + strings.Repeat("x", mostBody) + `"}`, 413, "too large"},
	} {
		code, text := b.post(actions, tc.body)
		require.Equal(t, tc.code, code, "%s: %s %s", name, tc.reason, text)
		require.Contains(t, text, tc.text, name)
	}
	answer, _ := b.do(http.MethodPost, actions, `{"verb":"promote","revision":"r1-two","step":2}`, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") })
	require.Equal(t, http.StatusBadRequest, answer.StatusCode, "a form of another site cannot send JSON")
	require.Empty(t, s.live("podinfo").Annotations[v1beta1.ActionAnnotation])

	code, text := b.post(actions, map[string]any{"verb": "promote", "revision": "r1-two", "step": 2, "reason": "looks\ngood"})
	require.Equal(t, http.StatusAccepted, code, text)
	var id struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(text), &id))
	c := s.live("podinfo")
	require.Equal(t, "promote id="+id.ID+" revision=r1-two step=2 reason=looks good", c.Annotations[v1beta1.ActionAnnotation])
	require.Equal(t, "system:serviceaccount:"+s.ns+":promoter", c.Annotations[v1beta1.ActionByAnnotation])
	require.Equal(t, fieldManager, c.ManagedFields[len(c.ManagedFields)-1].Manager)
	code, text = b.post(actions, map[string]any{"verb": "promote", "revision": "r1-two", "step": 2})
	require.Equal(t, http.StatusConflict, code, "one that waits is not overwritten: %s", text)
}

// A session that was ended is of no use to who has kept its cookie, and its streams end.
func TestLogout(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.canary("podinfo")
	b := s.loggedIn(s.account("reader", "get", "list"))
	at, err := url.Parse(s.http.URL)
	require.NoError(t, err)
	kept := b.Jar.Cookies(at)
	require.Len(t, kept, 1)
	require.Equal(t, "sluice-session", kept[0].Name)
	code, events := b.stream("?namespace=" + s.ns)
	require.Equal(t, http.StatusOK, code)
	code, _ = b.post("/auth/logout", nil)
	require.Equal(t, http.StatusNoContent, code)
	require.JSONEq(t, `{"error":"you have logged out"}`, next(t, events, "bye").data)
	require.Empty(t, b.Jar.Cookies(at))
	answer, _ := b.do(http.MethodGet, "/api/v1/me", nil, func(r *http.Request) { r.AddCookie(kept[0]) })
	require.Equal(t, http.StatusUnauthorized, answer.StatusCode)
	answer, _ = b.do(http.MethodGet, "/api/v1/me", nil, func(r *http.Request) {
		r.AddCookie(&http.Cookie{Name: kept[0].Name, Value: kept[0].Value[:len(kept[0].Value)-4] + "AAAA"})
	})
	require.Equal(t, http.StatusUnauthorized, answer.StatusCode, "a cookie cannot be changed")
}

// A browser that another site has led here does nothing.
func TestCrossSite(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.canary("podinfo")
	b := s.loggedIn(s.account("promoter", "get", "promote"))
	ask := map[string]any{"verb": "promote", "revision": "r1-two", "step": 2}
	for _, header := range []http.Header{{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"https://evil.example.com"}}, {"Origin": {"null"}}} {
		for _, path := range []string{"/api/v1/canaries/" + s.ns + "/podinfo/actions", "/auth/login", "/auth/logout"} {
			answer, text := b.do(http.MethodPost, path, ask, func(r *http.Request) {
				for key, values := range header {
					r.Header[key] = values
				}
			})
			require.Equal(t, http.StatusForbidden, answer.StatusCode, header)
			require.Contains(t, text, "another site")
			require.Empty(t, answer.Header.Values("Access-Control-Allow-Origin"))
		}
	}
	require.Empty(t, s.live("podinfo").Annotations[v1beta1.ActionAnnotation])
	code, _ := b.get("/api/v1/me")
	require.Equal(t, http.StatusOK, code, "the session goes on")
}

// A name in a header is of no use without a proxy that is believed.
func TestForgedHeader(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	forge := func(r *http.Request) {
		r.Header.Set(userHeader, "admin")
		r.Header.Set(groupsHeader, "system:masters")
		r.Header.Set("Impersonate-User", "admin")
		r.Header.Set("Authorization", "Bearer x")
	}
	answer, _ := s.browser().do(http.MethodGet, "/api/v1/me", nil, forge)
	require.Equal(t, http.StatusUnauthorized, answer.StatusCode)
	b := s.loggedIn(s.account("reader", "get"))
	_, text := b.do(http.MethodGet, "/api/v1/me", nil, forge)
	require.Contains(t, text, s.ns+":reader")
}

// What changes is told as it is by then, to who may see it.
func TestStream(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	c := s.canary("podinfo")
	b := s.loggedIn(s.account("reader", "get", "list", "promote"))
	nobody := s.loggedIn(s.account("nobody"))
	require.Eventually(t, func() bool { code, _ := b.get("/api/v1/canaries/" + s.ns + "/podinfo"); return code == http.StatusOK }, 10*time.Second, 50*time.Millisecond)
	_, rows := b.stream("")
	_, one := b.stream("?namespace=" + s.ns + "&name=podinfo")
	code, unseen := nobody.stream("")
	require.Equal(t, http.StatusOK, code)
	first := next(t, one, "view")
	require.Equal(t, s.live("podinfo").ResourceVersion, first.id)
	require.NotContains(t, first.data, `"tree"`, "pods are read apart")
	next(t, rows, "ping")
	for weight := range 5 { // several in a moment are told once or twice
		now := s.live("podinfo")
		now.Status.CanaryWeight = 31 + weight
		require.NoError(t, s.Status().Update(t.Context(), now))
	}
	for _, events := range []<-chan told{rows, one} {
		for {
			var row view.Row
			require.NoError(t, json.Unmarshal([]byte(next(t, events, "view").data), &row))
			if row.Weight == 35 {
				break
			}
		}
	}
	_, again := b.stream("", func(r *http.Request) { r.Header.Set("Last-Event-ID", first.id) })
	next(t, again, "reset")
	require.NoError(t, s.Delete(t.Context(), c))
	require.JSONEq(t, `{"namespace":"`+s.ns+`","name":"podinfo"}`, next(t, rows, "gone").data)
	require.JSONEq(t, `{}`, next(t, one, "gone").data)
	s.server.Stop()
	for e := range unseen {
		require.Equal(t, "ping", e.event, "who may see nothing is told nothing")
	}
}

// Rights that are taken away end a stream.
func TestStreamReviewed(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	s := newScene(t, func(c *Config) {
		c.Limits.Review = 100 * time.Millisecond
		c.Rights.(*Reviews).Now = func() time.Time { return time.Unix(3600*asked.Add(1), 0) } // nothing is remembered
	})
	s.canary("podinfo")
	b := s.loggedIn(s.account("reader", "get", "list"))
	_, one := b.stream("?namespace=" + s.ns + "&name=podinfo")
	_, rows := b.stream("?namespace=" + s.ns)
	next(t, rows, "ping")
	require.NoError(t, s.Delete(t.Context(), &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "reader"}}))
	require.Contains(t, next(t, one, "bye").data, "or you may not see it")
	require.Contains(t, next(t, rows, "bye").data, "you may not list Canaries")
}

// Streams are bounded, for a user and for all.
func TestTooManyStreams(t *testing.T) {
	t.Parallel()
	s := newScene(t, func(c *Config) { c.Limits.Streams, c.Limits.UserStreams = 3, 2 })
	anna, ben := s.loggedIn(s.account("anna", "list")), s.loggedIn(s.account("ben", "list"))
	query := "?namespace=" + s.ns
	for range 2 {
		code, _ := anna.stream(query)
		require.Equal(t, http.StatusOK, code)
	}
	code, _ := anna.stream(query)
	require.Equal(t, http.StatusTooManyRequests, code)
	code, _ = ben.stream(query)
	require.Equal(t, http.StatusOK, code)
	code, _ = ben.stream(query)
	require.Equal(t, http.StatusTooManyRequests, code)
	anna.post("/auth/logout", nil)
	require.Eventually(t, func() bool { code, _ := ben.stream(query); return code == http.StatusOK }, 10*time.Second, 20*time.Millisecond, "places become free")
}

// Who does not read is dropped, and holds up nobody.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	s := newScene(t, func(c *Config) { c.Limits.Write, c.Limits.Coalesce = 200*time.Millisecond, time.Millisecond })
	s.canary("podinfo")
	b := s.loggedIn(s.account("reader", "get", "list"))
	at, err := url.Parse(s.http.URL)
	require.NoError(t, err)
	conn, err := net.Dial("tcp", at.Host)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4096))
	fmt.Fprintf(conn, "GET /api/v1/stream?namespace=%s HTTP/1.1\r\nHost: x\r\nCookie: %s\r\n\r\n", s.ns, b.Jar.Cookies(at)[0])
	open := func() int {
		s.server.streams.mu.Lock()
		defer s.server.streams.mu.Unlock()
		return s.server.streams.open
	}
	require.Eventually(t, func() bool { return open() == 1 }, 10*time.Second, 10*time.Millisecond)
	s.server.hub.mu.Lock()
	var sub *subscriber
	for sub = range s.server.hub.subscribers {
	}
	s.server.hub.mu.Unlock()
	key := client.ObjectKey{Namespace: s.ns, Name: "podinfo"}
	require.Eventually(t, func() bool { sub.note(key, false); return open() == 0 }, time.Minute, 100*time.Microsecond)
	for i := range 3 * mostPending {
		sub.note(client.ObjectKey{Namespace: s.ns, Name: fmt.Sprint(i)}, false)
		require.LessOrEqual(t, len(sub.changed), mostPending, "what is not read is not kept")
	}
	_, missed := sub.take()
	require.True(t, missed, "and the browser reads all anew")
	s.server.hub.mu.Lock()
	defer s.server.hub.mu.Unlock()
	require.Nil(t, s.server.hub.informer, "nobody looks, so that nothing is listened to")
}

// The page itself is for everybody; all answers have the headers of a page that nobody frames.
func TestFiles(t *testing.T) {
	t.Parallel()
	s := newScene(t, func(c *Config) { c.BasePath = "/sluice/" })
	b := s.browser()
	for path, want := range map[string]struct {
		code              int
		cache, kind, text string
	}{
		"/sluice/":                           {200, "no-cache", "text/html; charset=utf-8", `<base href="/sluice/">`},
		"/sluice/ns/podinfo?do=promote":      {200, "no-cache", "text/html; charset=utf-8", `<base href="/sluice/">`},
		"/sluice/index.html":                 {200, "no-cache", "text/html; charset=utf-8", `<base href="/sluice/">`},
		"/sluice/assets/index-1234.js":       {200, "public, max-age=31536000, immutable", "text/javascript; charset=utf-8", "console.log"},
		"/sluice/favicon.svg":                {200, "no-cache", "image/svg+xml", "<svg/>"},
		"/sluice/assets/gone.js":             {404, "no-store", "application/json", "no such file"},
		"/sluice/assets/deep":                {404, "no-store", "application/json", "no such file"},
		"/sluice/..%2f..%2fconsole.go":       {200, "no-cache", "text/html; charset=utf-8", `<base href="/sluice/">`},
		"/sluice/assets/..%2f..%2fgo.mod":    {200, "no-cache", "text/html; charset=utf-8", `<base href="/sluice/">`},
		"/sluice/api/v1/nothing":             {404, "no-store", "application/json", "no such address"},
		"/sluice/api/v1/canaries":            {401, "no-store", "application/json", "not logged in"},
		"/sluice/api/v1/stream":              {401, "no-store", "application/json", "not logged in"},
		"/sluice/auth/callback":              {404, "no-store", "application/json", "no such address"},
		"/sluice/healthz":                    {200, "no-store", "text/plain; charset=utf-8", "ok"},
		"/healthz":                           {200, "no-store", "text/plain; charset=utf-8", "ok"},
		"/other":                             {404, "no-store", "text/plain; charset=utf-8", "not found"},
		"/sluice/api/v1/canaries/a/b/c/d/e/": {404, "no-store", "application/json", "no such address"},
	} {
		answer, text := b.do(http.MethodGet, path, nil)
		require.Equal(t, want.code, answer.StatusCode, path)
		require.Contains(t, text, want.text, path)
		require.Equal(t, want.cache, answer.Header.Get("Cache-Control"), path)
		require.Equal(t, want.kind, answer.Header.Get("Content-Type"), path)
		require.Equal(t, contentPolicy, answer.Header.Get("Content-Security-Policy"))
		require.Equal(t, "nosniff", answer.Header.Get("X-Content-Type-Options"))
		require.Equal(t, "no-referrer", answer.Header.Get("Referrer-Policy"))
	}
	code, _ := b.post("/sluice/", map[string]string{})
	require.Equal(t, http.StatusMethodNotAllowed, code)
	for _, wrong := range []string{"sluice", "/a b", `/"><script>`, "/../x?"} {
		_, err := New(Config{Login: &ProxyLogin{}, Rights: &Reviews{}, Files: page, BasePath: wrong})
		require.ErrorContains(t, err, "is not of the form", wrong)
	}
}

// A list is filtered, counted and paged.
func TestList(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for i := range 5 {
		s.canary(fmt.Sprintf("app-%d", i))
	}
	failedOne := s.live("app-3")
	failedOne.Status.Phase, failedOne.Status.WaitingFor = v1beta1.PhaseFailed, ""
	require.NoError(t, s.Status().Update(t.Context(), failedOne))
	b := s.loggedIn(s.account("reader", "get", "list"))
	ask := func(query string) (l list, names []string) {
		b.json("/api/v1/canaries?namespace="+s.ns+"&"+query, &l)
		for _, item := range l.Items {
			names = append(names, item.Name)
		}
		return l, names
	}
	require.Eventually(t, func() bool { l, _ := ask(""); return l.Counts == counts{Waiting: 4, Failed: 1, UnderWay: 4, All: 5} }, 10*time.Second, 50*time.Millisecond)
	for query, want := range map[string][]string{
		"failed=true":         {"app-3"},
		"waiting=true":        {"app-0", "app-1", "app-2", "app-4"},
		"q=APP-1":             {"app-1"},
		"q=app+-2":            {"app-2"},
		"phase=Failed":        {"app-3"},
		"q=nothing":           nil,
		"phase=Failed&q=app0": nil,
	} {
		l, names := ask(query)
		require.Equal(t, want, names, query)
		require.Equal(t, len(want), l.Total)
		require.Equal(t, 5, l.Counts.All)
	}
	var all []string
	query := "limit=2"
	for range 3 {
		l, names := ask(query)
		require.Equal(t, 5, l.Total)
		all, query = append(all, names...), "limit=2&continue="+l.Continue
	}
	require.Equal(t, []string{"app-0", "app-1", "app-2", "app-3", "app-4"}, all)
	for _, wrong := range []string{"limit=x", "limit=0", "continue=!"} {
		code, _ := b.get("/api/v1/canaries?" + wrong)
		require.Equal(t, http.StatusBadRequest, code)
	}
}

// Pods, events and runs are read when they are asked for, and once for all.
func TestOnDemand(t *testing.T) {
	t.Parallel()
	s := newScene(t, func(c *Config) { c.Limits.Apart = time.Hour })
	c := s.canary("podinfo")
	b := s.loggedIn(s.account("reader", "get", "list"))
	at := "/api/v1/canaries/" + s.ns + "/podinfo"
	require.Eventually(t, func() bool { code, _ := b.get(at); return code == http.StatusOK }, 10*time.Second, 50*time.Millisecond)
	tell := func(message string) {
		require.NoError(t, s.Create(t.Context(), &corev1.Event{
			ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, GenerateName: "e-"}, Type: "Normal", Reason: "Advanced", Message: message,
			InvolvedObject: corev1.ObjectReference{Kind: "Canary", Namespace: s.ns, Name: "podinfo"}, LastTimestamp: metav1.Now(), Count: 2,
		}))
	}
	tell("<script>\x1b http://tester.test/?key=s3cr3tkey")
	code, text := b.get(at + "/events")
	require.Equal(t, http.StatusOK, code, text)
	require.Contains(t, text, `\u003cscript\u003e http://tester.test/?key=***`)
	require.Contains(t, text, `"count":2`)
	tell("another")
	_, text = b.get(at + "/events")
	require.NotContains(t, text, "another", "it was read a moment ago")
	code, text = b.get(at + "/pods")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, text, `"tree":{"kind":"Canary","name":"podinfo"`)
	require.Contains(t, text, `"unread":[]`)

	record := &v1beta1.CanaryRun{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: desired.RunName(c, 1), OwnerReferences: []metav1.OwnerReference{c.OwnerReference()}},
		Record: v1beta1.RunRecord{Run: v1beta1.Run{Number: 1, Revision: "r1-one", Started: metav1.Now(), Outcome: v1beta1.RunPromoted}}}
	require.NoError(t, s.Create(t.Context(), record))
	var run view.RunDetail
	b.json(at+"/runs/1", &run)
	require.Equal(t, v1beta1.RunPromoted, run.Run.Outcome)
	b.json(at+"/runs/2", &run)
	require.Equal(t, "podinfo:2", run.Run.Images, "that of the status")
	code, text = b.get(at + "/runs/7")
	require.Equal(t, http.StatusNotFound, code)
	require.Contains(t, text, "no record is kept of run 7")
	code, _ = b.get(at + "/runs/x")
	require.Equal(t, http.StatusBadRequest, code)
	_, text = b.get(at + "/runs")
	require.JSONEq(t, `{"items":[]}`, text)

	bare := s.account("bare")
	meta := metav1.ObjectMeta{Namespace: s.ns, Name: "bare"}
	require.NoError(t, s.Create(t.Context(), &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{APIGroups: []string{"flagger.app"}, Resources: []string{"canaries"}, ResourceNames: []string{"podinfo"}, Verbs: []string{"get", "abort"}}}}))
	require.NoError(t, s.Create(t.Context(), &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "bare"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: s.ns, Name: "bare"}}}))
	few := s.loggedIn(bare)
	_, text = few.get(at + "/pods")
	require.Contains(t, text, "you may not list them", "the page's rights are not the user's")
	code, _ = few.get(at + "/events")
	require.Equal(t, http.StatusForbidden, code)
	code, _ = few.get(at + "/runs/1")
	require.Equal(t, http.StatusForbidden, code)
	var d detailed
	few.json(at, &d)
	require.True(t, d.Can["abort"], "a right to one Canary alone")
	require.False(t, d.Can["promote"])
}
