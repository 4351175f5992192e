package controller

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/analysis"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// serve answers requests until the test ends, and says where.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func says(code int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}
}

// measures is a Prometheus that answers every query with the same samples.
func measures(samples string) http.HandlerFunc {
	return says(http.StatusOK, `{"status":"success","data":{"resultType":"vector","result":[`+samples+`]}}`)
}

func sample(value string) string { return fmt.Sprintf(`{"metric":{},"value":[1,%q]}`, value) }

// stall answers when its client has gone.
func stall(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// analysed begins with a real analyst in the place of the judge.
func (w *world) analysed(prometheus string, change ...func(*v1beta1.Canary)) *operator {
	w.Helper()
	require.NoError(w, w.Create(w.Context(), w.canary(change...)))
	o := start(w.T, w.ns, w.clock, analysis.New(prometheus, "istio"), 0)
	w.awaitPhase(v1beta1.PhaseInitialized)
	w.awaitTargetStopped()
	return o
}

func atLeast(percent float64) func(*v1beta1.Canary) {
	return func(c *v1beta1.Canary) {
		c.Spec.Analysis.Metrics[0].ThresholdRange = &v1beta1.ThresholdRange{Min: &percent}
	}
}

// closed is the address of a server that is down.
func closed(t *testing.T) string {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	return s.URL
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	const silent = "Halt advancement no values found for istio metric request-success-rate probably podinfo.NS is not receiving traffic: "
	for name, tc := range map[string]struct {
		reason string
		server http.HandlerFunc // nil: down
		want   string
	}{
		"Down":  {reason: "a canary that nobody can judge is not promoted", want: "Prometheus query failed: "},
		"Sick":  {reason: "an answer that is an error is no number", server: says(503, "overloaded"), want: "Prometheus query failed: "},
		"Empty": {reason: "no series: nobody asks the canary", server: measures(""), want: silent},
		"NaN":   {reason: "nothing by nothing: nobody asks the canary", server: measures(sample("NaN")), want: silent},
		"Low":   {reason: "the number is too small", server: measures(sample("98.5")), want: "Halt podinfo.NS advancement success rate 98.50% < 99%"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			address := closed(t)
			if tc.server != nil {
				address = serve(t, tc.server)
			}
			o := w.analysed(address, atLeast(99))
			w.setImage(imageTwo)
			w.awaitSettled(v1beta1.PhaseFailed, imageOne)
			w.awaitTargetStopped()
			require.Equal(t, 2, w.status().FailedChecks, tc.reason)
			w.awaitEvent(o, "Warning RolledBack Rolling back podinfo."+w.ns+" failed checks threshold reached 2")
			require.Equal(t, 2, count(o, "Warning CheckFailed "+w.inNamespace(tc.want)), "%v", o.events())
			w.awaitCondition(v1beta1.ConditionPromoted, metav1.ConditionFalse, w.inNamespace("Cause: 2 failed checks of podinfo.NS, the last: "))
			w.awaitCondition(v1beta1.ConditionPromoted, metav1.ConditionFalse, strings.TrimSpace(w.inNamespace(tc.want)))
		})
	}
}

func TestMetricsPass(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.analysed(serve(t, measures(sample("99.5"))), atLeast(99))
	w.setImage(imageTwo)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
}

// asks replaces the metric by a hook.
func asks(kind v1beta1.HookType, address string) func(*v1beta1.Canary) {
	return func(c *v1beta1.Canary) {
		c.Spec.Analysis.Metrics = nil
		c.Spec.Analysis.Webhooks = []v1beta1.CanaryWebhook{{Name: "gate", Type: kind, URL: address, Timeout: "2s"}}
	}
}

func TestHooks(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		server http.HandlerFunc // nil: down
		want   string
	}{
		"Down":     {reason: "nobody there to agree", want: "failed calling"},
		"Refused":  {reason: "what the hook says is shown", server: says(403, "not on a Friday"), want: "failed 403 Forbidden: not on a Friday"},
		"Slow":     {reason: "no answer in time is none", server: stall, want: `within 2s`},
		"Broken":   {reason: "an error is not consent", server: says(500, "out of disk"), want: "failed 500 Internal Server Error: out of disk"},
		"Elsewere": {reason: "the payload goes to nobody else", server: moved, want: `failed 302 Found: redirects are not followed, this one leads to "elsewhere.example"`},
		"Endless":  {reason: "an event holds only so much", server: says(400, strings.Repeat("no ", 1<<20)), want: "failed 400 Bad Request: " + strings.Repeat("no ", 3)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			address := closed(t)
			if tc.server != nil {
				address = serve(t, tc.server)
			}
			o := w.analysed("", asks(v1beta1.PreRolloutHook, address))
			seen := w.history()
			w.setImage(imageTwo)
			w.awaitSettled(v1beta1.PhaseFailed, imageOne)
			w.awaitEvent(o, "Warning CheckFailed Halt podinfo."+w.ns+" advancement pre-rollout check gate failed ")
			w.awaitEvent(o, tc.want)
			require.Equal(t, []string{"Initialized 0", "Progressing 0", "Failed 0"}, seen(), "no user met it: %s", tc.reason)
			for _, e := range o.events() {
				require.Less(t, len(e), 1500, "events are stored")
			}
		})
	}
}

func moved(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, (&url.URL{Scheme: "http", Host: "elsewhere.example"}).String(), http.StatusFound)
}

func TestRolloutHookEndsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.analysed("", asks("", serve(t, says(500, "out of disk"))))
	w.setImage(imageTwo)
	w.awaitSettled(v1beta1.PhaseFailed, imageOne)
	require.Equal(t, 2, count(o, "Warning CheckFailed Halt podinfo."+w.ns+" advancement external check gate failed 500 Internal Server Error: out of disk"), "%v", o.events())
}
