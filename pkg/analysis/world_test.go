package analysis

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
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

// checks are questions, and their answers are looked at in this order.
type checks struct {
	Hooks   []v1beta1.CanaryWebhook
	Metrics []v1beta1.CanaryMetric
	Systems bool
	at      time.Time // at which the windows of comparisons end; zero: some time
	early   bool      // not the last step that compares
}

func (c checks) end() time.Time {
	if c.at.IsZero() {
		return time.Unix(1_800_000_000, 0)
	}
	return c.at
}

// ask has an analyst answer all checks of a round at the same time.
func ask(ctx context.Context, a *Analyst, c *v1beta1.Canary, all checks) []rollout.Finding {
	var asked []rollout.Question
	for i := range all.Hooks {
		asked = append(asked, rollout.Question{Hook: &all.Hooks[i]})
	}
	for i := range all.Metrics {
		q := rollout.Question{Metric: &all.Metrics[i]}
		if q.Metric.Baseline != "" {
			q.Window = &rollout.Window{Begin: all.end().Add(-time.Minute), End: all.end(), Last: !all.early}
		}
		asked = append(asked, q)
	}
	if all.Systems {
		asked = append(asked, rollout.Question{})
	}
	answer, found := a.Round(c), make([]rollout.Finding, len(asked))
	var round sync.WaitGroup
	for i, q := range asked {
		round.Go(func() { found[i] = answer(ctx, q) })
	}
	round.Wait()
	return found
}

// agreed says that all passed.
func agreed(found []rollout.Finding) bool {
	return !slices.ContainsFunc(found, func(f rollout.Finding) bool { return f.Verdict != v1beta1.Passed })
}
