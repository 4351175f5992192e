package analysis

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// podinfo is a Canary in the middle of a rollout.
func podinfo() *v1beta1.Canary {
	c := &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Name: "podinfo", Namespace: "test"}}
	c.Spec.TargetRef.Kind = "Deployment"
	c.Spec.TargetRef.Name = "podinfo"
	c.Status.Phase = v1beta1.PhaseProgressing
	c.Status.LastAppliedSpec = "r1-abc"
	return c
}

func serve(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// measuring is a Prometheus that answers every query with one number.
func measuring(value string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,%q]}]}}`, value)
	}
}

func saying(code int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}
}

// stalled answers only once the client has gone.
func stalled(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// recorder is a webhook that remembers what it was sent.
type recorder struct {
	mu   sync.Mutex
	sent []payload
	answ http.HandlerFunc
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var p payload
	if err := json.NewDecoder(req.Body).Decode(&p); err != nil {
		saying(400, err.Error())(w, req)
		return
	}
	r.mu.Lock()
	r.sent = append(r.sent, p)
	r.mu.Unlock()
	if r.answ != nil {
		r.answ(w, req)
	}
}

func (r *recorder) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, p := range r.sent {
		all = append(all, p.Metadata["as"])
	}
	return all
}

// impatient is an Analyst that waits only a moment between attempts.
func impatient(server string) *Analyst {
	a := New(server, "istio")
	a.hooks.minWait, a.hooks.maxWait = time.Millisecond, 2*time.Millisecond
	return a
}

// inTurns answers the n-th call with the n-th handler, and the last one from there on.
func inTurns(all ...http.HandlerFunc) (http.HandlerFunc, func() int) {
	var mu sync.Mutex
	n := 0
	return func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			h := all[min(n, len(all)-1)]
			n++
			mu.Unlock()
			h(w, r)
		}, func() int {
			mu.Lock()
			defer mu.Unlock()
			return n
		}
}

func TestTurnsTakeTurns(t *testing.T) {
	h, calls := inTurns(saying(500, ""), saying(200, ""))
	for _, want := range []int{500, 200, 200} {
		rec := httptest.NewRecorder()
		h(rec, nil)
		require.Equal(t, want, rec.Code)
	}
	require.Equal(t, 3, calls())
}
