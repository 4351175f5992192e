package traffic

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const patience = 10 * time.Second

// serve runs a server that hands each request, numbered from 1, to answer.
func serve(t *testing.T, answer func(n int64, w http.ResponseWriter, r *http.Request)) string {
	t.Helper()
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(n.Add(1), w, r) }))
	t.Cleanup(server.Close)
	return server.URL
}

func version(w http.ResponseWriter, v string) {
	_, _ = fmt.Fprintf(w, `{"hostname":"podinfo-%s-abc","version":"%s","message":"hi"}`, v, v)
}

// answered waits until at least n requests were answered.
func answered(t *testing.T, c *Client, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return c.Since(time.Time{}).Total >= n }, patience, time.Millisecond)
}

func TestCountsByVersion(t *testing.T) {
	url := serve(t, func(n int64, w http.ResponseWriter, _ *http.Request) {
		version(w, map[bool]string{true: "3.1.1", false: "3.1.0"}[n%4 == 0])
	})
	c := Start(t.Context(), Config{URL: url})
	answered(t, c, 400)
	c.Stop()
	report := c.Since(time.Time{})
	require.Zero(t, report.Failed, report.String())
	require.Equal(t, report.Total, report.ByVersion["3.1.0"]+report.ByVersion["3.1.1"])
	require.InDelta(t, 0.25, report.Share("3.1.1"), 0.01)
	require.Equal(t, report.Total, report.ByStatus[http.StatusOK])
}

// TestEveryFailureIsSeen has a server that fails in each of the ways a rollout can make it fail.
func TestEveryFailureIsSeen(t *testing.T) {
	cases := map[string]struct {
		reason string
		fail   func(w http.ResponseWriter)
		status int
		says   string
	}{
		"ServerError": {reason: "a pod that answers badly", fail: func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }, status: 503, says: "503"},
		"NotFound":    {reason: "a route that is missing", fail: func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) }, status: 404, says: "404"},
		"Cut":         {reason: "a pod that dies in the middle", fail: cut, status: 200, says: "unexpected EOF"},
		"Slow":        {reason: "a user gives up", fail: func(http.ResponseWriter) { <-time.After(500 * time.Millisecond) }, status: 0, says: "deadline exceeded"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var failed sync.Once
			url := serve(t, func(n int64, w http.ResponseWriter, _ *http.Request) {
				if n == 5 {
					failed.Do(func() { tc.fail(w) })
					return
				}
				version(w, "1")
			})
			c := Start(t.Context(), Config{URL: url, Workers: 1, Timeout: 200 * time.Millisecond})
			answered(t, c, 10)
			c.Stop()
			report := c.Since(time.Time{})
			require.Equal(t, 1, report.Failed, tc.reason)
			require.Equal(t, tc.status, report.FirstFailures[0].Status, tc.reason)
			require.Contains(t, report.FirstFailures[0].Err, tc.says, tc.reason)
			require.Contains(t, report.String(), "1 failed")
		})
	}
}

// TestDeadConnections has a server that hangs up: on a kept connection the request is sent again and that is
// told, on a fresh one it is lost.
func TestDeadConnections(t *testing.T) {
	url := serve(t, func(n int64, w http.ResponseWriter, _ *http.Request) {
		if n == 5 {
			panic(http.ErrAbortHandler)
		}
		version(w, "1")
	})
	c := Start(t.Context(), Config{URL: url, Workers: 1})
	answered(t, c, 10)
	c.Stop()
	report := c.Since(time.Time{})
	require.Zero(t, report.Failed)
	require.Equal(t, 1, report.Resent)
	require.Contains(t, report.String(), "1 sent twice")

	c = Start(t.Context(), Config{URL: serve(t, func(int64, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), Workers: 1})
	answered(t, c, 10)
	c.Stop()
	report = c.Since(time.Time{})
	require.Equal(t, report.Total, report.Failed)
	require.Contains(t, report.FirstFailures[0].Err, "EOF")
}

// cut promises more than it sends.
func cut(w http.ResponseWriter) {
	w.Header().Set("Content-Length", "100")
	_, _ = w.Write([]byte("{"))
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func TestSendsWhatItIsTold(t *testing.T) {
	var mu sync.Mutex
	served, cookies, conns := 0, 0, map[string]int{}
	url := serve(t, func(_ int64, w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		served++
		if r.Host != "app.example.com" || r.Header.Get("X-Canary") != "insider" {
			w.WriteHeader(http.StatusBadRequest)
		}
		if _, err := r.Cookie("session"); err == nil {
			cookies++
		}
		conns[r.RemoteAddr]++
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1", Path: "/"})
		version(w, "1")
	})
	c := Start(t.Context(), Config{URL: url, Host: "app.example.com", Headers: http.Header{"X-Canary": {"insider"}}, Workers: 2, Cookies: true})
	answered(t, c, 50)
	c.Stop()
	require.Zero(t, c.Since(time.Time{}).Failed)
	mu.Lock()
	defer mu.Unlock()
	// Not all that were sent are answered when it stops.
	require.Equal(t, served-2, cookies, "each worker's first request has no cookie yet")
	kept := 0
	for _, n := range conns {
		kept = max(kept, n)
	}
	require.Greater(t, kept, 1, "one worker keeps its connection")
	require.Greater(t, len(conns), 2, "the other dials each time")
}

func TestFreshConnections(t *testing.T) {
	url := serve(t, func(_ int64, w http.ResponseWriter, _ *http.Request) { version(w, "1") })
	c := Start(t.Context(), Config{URL: url, Fresh: true})
	answered(t, c, 50)
	c.Stop()
	for worker, answers := range c.ByWorker(time.Time{}) {
		for _, a := range answers {
			require.True(t, a.Fresh, "worker %d kept its connection", worker)
		}
	}
}

// TestAnotherProtocol asks by a call that fails once and hangs once.
func TestAnotherProtocol(t *testing.T) {
	var n int
	c := Start(t.Context(), Config{Workers: 1, Timeout: 50 * time.Millisecond, Call: func(ctx context.Context) (string, error) {
		switch n++; n {
		case 3:
			return "", errors.New("unavailable")
		case 5:
			<-ctx.Done()
			return "", ctx.Err()
		}
		return "1", nil
	}})
	answered(t, c, 10)
	c.Stop()
	report := c.Since(time.Time{})
	require.Equal(t, map[string]int{"1": report.Total - 2}, report.ByVersion)
	require.Len(t, report.FirstFailures, 2)
	require.Equal(t, "unavailable", report.FirstFailures[0].Err)
	require.Contains(t, report.FirstFailures[1].Err, "deadline exceeded", "it has as long as HTTP has")
	require.False(t, report.FirstFailures[0].Fresh, "whose connections are whose is the call's business")
}

func TestRateIsKept(t *testing.T) {
	url := serve(t, func(_ int64, w http.ResponseWriter, _ *http.Request) { version(w, "1") })
	began := time.Now()
	c := Start(t.Context(), Config{URL: url, Rate: 200})
	answered(t, c, 100)
	c.Stop()
	require.GreaterOrEqual(t, time.Since(began), 450*time.Millisecond, "100 requests at 200 a second")
}

func TestStopLosesNothing(t *testing.T) {
	arrived := make(chan struct{}, 1000)
	url := serve(t, func(_ int64, w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-time.After(50 * time.Millisecond)
		version(w, "1")
	})
	ctx, cancel := context.WithCancel(t.Context())
	c := Start(ctx, Config{URL: url})
	<-arrived
	cancel()
	c.Stop()
	report := c.Since(time.Time{})
	require.Zero(t, report.Failed, "requests under way when the client stops get their answer")
	require.NotZero(t, report.Total)
	after := c.Since(time.Time{}).Total
	require.Equal(t, report.Total, after)
}

func TestWindows(t *testing.T) {
	zero := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := &Client{}
	for n := range 30 {
		a := Answer{Sent: zero.Add(time.Duration(29-n) * 100 * time.Millisecond), Status: 200, Version: "1"}
		if n == 0 { // the last to be sent
			a.Status, a.Err = 500, "500"
		}
		c.answers = append(c.answers, a)
	}
	cases := map[string]struct {
		reason        string
		from, to      time.Time
		total, failed int
	}{
		"All":        {reason: "no end", from: zero, total: 30, failed: 1},
		"FirstHalf":  {reason: "the end is left out", from: zero, to: zero.Add(1500 * time.Millisecond), total: 15},
		"SecondHalf": {reason: "the beginning is not", from: zero.Add(1500 * time.Millisecond), to: zero.Add(time.Hour), total: 15, failed: 1},
		"Later":      {reason: "nothing was sent", from: zero.Add(time.Hour)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			report := c.Window(tc.from, tc.to)
			require.Equal(t, tc.total, report.Total, tc.reason)
			require.Equal(t, tc.failed, report.Failed, tc.reason)
		})
	}
	seconds := c.Seconds(zero, time.Time{})
	require.Len(t, seconds, 3)
	require.Equal(t, zero.Add(2*time.Second), seconds[2].At)
	require.Equal(t, 10, seconds[2].Report.Total)
	require.Equal(t, 1, seconds[2].Report.Failed)
	require.Zero(t, Report{}.Share("1"), "no requests, no share")
}

func TestBinomial(t *testing.T) {
	cases := map[string]struct {
		reason string
		k, n   int
		p, z   float64
		wrong  bool
	}{
		"Exact":        {reason: "as expected", k: 100, n: 1000, p: 0.1, z: 3},
		"Within":       {reason: "28 off at 3×9.49", k: 128, n: 1000, p: 0.1, z: 3},
		"Above":        {reason: "30 off at 3×9.49", k: 130, n: 1000, p: 0.1, z: 3, wrong: true},
		"Below":        {reason: "as far on the other side", k: 70, n: 1000, p: 0.1, z: 3, wrong: true},
		"Never":        {reason: "a weight of zero gets nothing", k: 1, n: 1000, p: 0, z: 3, wrong: true},
		"NeverAndSo":   {reason: "and got nothing", k: 0, n: 1000, p: 0, z: 3},
		"Always":       {reason: "a weight of 100 gets all", k: 999, n: 1000, p: 1, z: 3, wrong: true},
		"NoTries":      {reason: "nothing to judge", k: 0, n: 0, p: 0.5, z: 3, wrong: true},
		"MoreThanAll":  {reason: "can't be", k: 2, n: 1, p: 0.5, z: 3, wrong: true},
		"NoSuchChance": {reason: "percent instead of one", k: 1, n: 2, p: 50, z: 3, wrong: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := Binomial(tc.k, tc.n, tc.p, tc.z)
			require.Equal(t, tc.wrong, err != nil, "%s: %v", tc.reason, err)
		})
	}
}

// TestBinomialErrsRarely draws many samples: at three deviations about one in 370 is further off.
func TestBinomialErrsRarely(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	wrong := 0
	for range 2000 {
		k := 0
		for range 500 {
			if random.Float64() < 0.2 {
				k++
			}
		}
		if Binomial(k, 500, 0.2, 3) != nil {
			wrong++
		}
	}
	require.Less(t, wrong, 20)
}
