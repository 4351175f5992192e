package outbound

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestHostsAreShared has one namespace hang at a host with all requests that it may have under way there. Another one, with
// the same client, is answered.
func TestHostsAreShared(t *testing.T) {
	var there atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hangs" {
			there.Add(1)
			<-r.Context().Done()
		}
	}))
	t.Cleanup(s.Close)
	hosts := NewHosts(1, 8)
	c := NewClient(Options{Hosts: hosts})
	hanging, end := context.WithCancel(For(t.Context(), "attacker"))
	ended := make(chan struct{}, 100)
	for range 100 {
		go func() {
			if resp, err := get(hanging, c, s.URL+"/hangs"); err == nil {
				resp.Body.Close()
			}
			ended <- struct{}{}
		}()
	}
	require.Eventually(t, func() bool { return there.Load() == 5 }, time.Minute, time.Millisecond, "its own one, and half of what all share")
	for _, namespace := range []string{"victim", ""} {
		within, stop := context.WithTimeout(For(t.Context(), namespace), time.Minute)
		resp, err := get(within, c, s.URL+"/")
		require.NoError(t, err, "%q", namespace)
		resp.Body.Close()
		stop()
	}
	require.EqualValues(t, 5, there.Load())
	end()
	for range 100 {
		<-ended
	}
	require.Eventually(t, func() bool { hosts.mu.Lock(); defer hosts.mu.Unlock(); return len(hosts.of) == 0 }, time.Minute, time.Millisecond, "a host that nobody asks is forgotten")
	resp, err := get(For(t.Context(), "attacker"), c, s.URL+"/")
	require.NoError(t, err)
	resp.Body.Close()
}

// TestRequestsThatFailLeave asks a server that is not there more often than there are places.
func TestRequestsThatFailLeave(t *testing.T) {
	c := NewClient(Options{Hosts: NewHosts(0, 1)})
	for range 3 {
		within, stop := context.WithTimeout(t.Context(), time.Minute)
		_, err := get(within, c, "http://127.0.0.1:1/")
		require.Error(t, err)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		stop()
	}
}

// TestLargeAnswersAreShared has one namespace read large answers slowly, in all places that it may have.
func TestLargeAnswersAreShared(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat(" ", 2*small))
		if r.URL.Path == "/drips" {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
	}))
	t.Cleanup(s.Close)
	large := NewLarge(4)
	c := NewClient(Options{Large: large})
	dripping, end := context.WithCancel(For(t.Context(), "attacker"))
	defer end()
	for range 20 {
		go func() {
			if resp, err := get(dripping, c, s.URL+"/drips"); err == nil {
				_, _ = io.ReadAll(resp.Body)
				resp.Body.Close()
			}
		}()
	}
	held := func() int {
		large.places.mu.Lock()
		defer large.places.mu.Unlock()
		return large.places.turns.Held("attacker")
	}
	require.Eventually(t, func() bool { return held() == 2 }, time.Minute, time.Millisecond, "half of them")
	within, stop := context.WithTimeout(For(t.Context(), "victim"), time.Minute)
	defer stop()
	resp, err := get(within, c, s.URL)
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Len(t, text, 2*small)
	resp.Body.Close()
}
