package analysis

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func TestHookAnswers(t *testing.T) {
	cases := map[string]struct {
		reason string
		answer http.HandlerFunc
		want   string // part of the error; empty: it agreed
	}{
		"OK":         {reason: "200 agrees.", answer: saying(200, "fine")},
		"Accepted":   {reason: "202 agrees: the load tester answers so.", answer: saying(202, "")},
		"NoContent":  {reason: "Every 2xx agrees.", answer: saying(204, "")},
		"IMUsed":     {reason: "Every 2xx agrees, the last one too.", answer: saying(226, "")},
		"HugeOK":     {reason: "An agreement is one, however long it is.", answer: huge(200)},
		"Forbidden":  {reason: "What a gate says is shown.", answer: saying(403, "Forbidden by ops"), want: "403 Forbidden: Forbidden by ops"},
		"NoBody":     {reason: "The status is shown when nothing was said.", answer: saying(404, ""), want: "404 Not Found"},
		"Error":      {reason: "Without retries a 500 is final.", answer: saying(500, "test failed:\n\texit 1\n"), want: "500 Internal Server Error: test failed: exit 1"},
		"NotUTF8":    {reason: "Events are text.", answer: saying(500, "bad \xff\xfe byte"), want: "bad byte"},
		"HugeNo":     {reason: "Answers are cut off.", answer: huge(400), want: "…"},
		"Moved":      {reason: "Nothing but the address of the spec counts.", answer: redirect("https://elsewhere.example/s3cret"), want: `redirects are not followed, this one leads to "elsewhere.example"`},
		"NotChanged": {reason: "A 3xx is no agreement.", answer: saying(304, ""), want: "304 Not Modified"},
		"HangsUp":    {reason: "A broken connection is no agreement.", answer: hangUp, want: "EOF"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := New("", "istio").ask(t.Context(), podinfo(), v1beta1.CanaryWebhook{Name: "x", URL: serve(t, tc.answer)})
			if tc.want == "" {
				require.NoError(t, err, tc.reason)
				return
			}
			require.ErrorContains(t, err, tc.want, tc.reason)
			require.Less(t, len(err.Error()), maxSaid+200, "Messages are bounded.")
			require.NotContains(t, err.Error(), "\n", "Messages are one line.")
		})
	}
}

// A step waits for its webhook; to all others the same answer is an agreement.
func TestStepWebhookAnswers(t *testing.T) {
	cases := map[string]struct {
		reason  string
		answer  http.HandlerFunc
		want    v1beta1.Verdict
		message string
	}{
		"Done":      {reason: "200 agrees.", answer: saying(200, "fine"), want: v1beta1.Passed},
		"NoContent": {reason: "Every other 2xx does.", answer: saying(204, ""), want: v1beta1.Passed},
		"Accepted":  {reason: "202 has only begun, and says how far it is.", answer: saying(202, "3 of 7, by t0ken"), want: v1beta1.Waiting, message: "202 Accepted: 3 of 7, by "},
		"Silent":    {reason: "It need not say anything.", answer: saying(202, ""), want: v1beta1.Waiting, message: "202 Accepted"},
		"Failed": {reason: "All else is a failed check.", answer: saying(500, "checkout is broken"), want: v1beta1.Failed,
			message: "Halt podinfo.test advancement webhook of step smoke failed 500 Internal Server Error: checkout is broken"},
		"Moved": {reason: "Redirects are none.", answer: redirect("https://elsewhere.example/"), want: v1beta1.Failed, message: "redirects are not followed"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := v1beta1.StepWebhook{URL: serve(t, tc.answer), Headers: map[string]string{"Authorization": "t0ken"}}.Called("smoke")
			f := impatient("").hook(t.Context(), podinfo(), h)
			require.Equal(t, tc.want, f.Verdict, tc.reason)
			require.Contains(t, f.Message, tc.message, tc.reason)
			require.NotContains(t, f.Message, "t0ken", "What it was sent is not shown.")
		})
	}
	h := v1beta1.CanaryWebhook{Name: "x", URL: serve(t, saying(202, ""))}
	require.Equal(t, v1beta1.Passed, impatient("").hook(t.Context(), podinfo(), h).Verdict, "The load tester answers so.")
}

// What a webhook of a step is sent is what the others are.
func TestStepWebhookPayload(t *testing.T) {
	var header http.Header
	var got map[string]any
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		header = r.Header
		text, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(text, &got)
	})
	h := v1beta1.StepWebhook{URL: url, Headers: map[string]string{"X-Team": "payments"}, Metadata: map[string]string{"suite": "checkout"}}
	require.Equal(t, v1beta1.Passed, New("", "istio").hook(t.Context(), podinfo(), h.Called("smoke")).Verdict)
	require.Equal(t, "payments", header.Get("X-Team"))
	require.Equal(t, map[string]any{"name": "podinfo", "namespace": "test", "phase": "Progressing", "checksum": checksum(podinfo().Status),
		"metadata": map[string]any{"suite": "checkout"}}, got)
}

func TestHooksAreQuotedInPart(t *testing.T) {
	for name, text := range map[string]string{"Letters": "a", "Accents": "é", "Longest": "🐢"} {
		t.Run(name, func(t *testing.T) {
			err := New("", "istio").ask(t.Context(), podinfo(), v1beta1.CanaryWebhook{Name: "x", URL: serve(t, saying(500, strings.Repeat(text, 3000)))})
			require.EqualError(t, err, "500 Internal Server Error: "+strings.Repeat(text, 160)+"…")
			err = New("", "istio").ask(t.Context(), podinfo(), v1beta1.CanaryWebhook{Name: "x", URL: serve(t, saying(500, strings.Repeat(text, 160)))})
			require.EqualError(t, err, "500 Internal Server Error: "+strings.Repeat(text, 160))
		})
	}
}

func huge(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		chunk := []byte(strings.Repeat("no ", 1<<18))
		for range 100 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
}

func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func TestHookRetries(t *testing.T) {
	cases := map[string]struct {
		reason  string
		answers []http.HandlerFunc
		retries int
		calls   int
		want    string
	}{
		"Recovers": {
			reason:  "A 503 is tried again.",
			answers: []http.HandlerFunc{saying(503, ""), saying(503, ""), saying(200, "")},
			retries: 3,
			calls:   3,
		},
		"Limited": {
			reason:  "So is a 429.",
			answers: []http.HandlerFunc{saying(429, ""), saying(200, "")},
			retries: 1,
			calls:   2,
		},
		"Reconnects": {
			reason:  "So is a broken connection.",
			answers: []http.HandlerFunc{hangUp, saying(200, "")},
			retries: 1,
			calls:   2,
		},
		"GivesUp": {
			reason:  "What was said last is what is told.",
			answers: []http.HandlerFunc{saying(500, "first"), saying(502, "second"), saying(500, "third")},
			retries: 2,
			calls:   3,
			want:    "500 Internal Server Error: third",
		},
		"LastBreaks": {
			reason:  "A real answer tells more than the connection that broke after it.",
			answers: []http.HandlerFunc{saying(500, "disk full"), hangUp},
			retries: 1,
			calls:   2,
			want:    "500 Internal Server Error: disk full",
		},
		"Refused": {
			reason:  "A 403 is an answer and not tried again.",
			answers: []http.HandlerFunc{saying(403, "no"), saying(200, "")},
			retries: 5,
			calls:   1,
			want:    "403 Forbidden: no",
		},
		"None": {
			reason:  "Nothing is tried again unless asked for.",
			answers: []http.HandlerFunc{saying(503, "later"), saying(200, "")},
			calls:   1,
			want:    "503 Service Unavailable: later",
		},
		"Negative": {
			reason:  "Less than none is none.",
			answers: []http.HandlerFunc{saying(503, "later")},
			retries: -1,
			calls:   1,
			want:    "later",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h, calls := inTurns(tc.answers...)
			hook := v1beta1.CanaryWebhook{Name: "x", URL: serve(t, h), Retries: tc.retries}
			err := impatient("").ask(t.Context(), podinfo(), hook)
			require.Equal(t, tc.calls, calls(), tc.reason)
			if tc.want == "" {
				require.NoError(t, err, tc.reason)
				return
			}
			require.ErrorContains(t, err, tc.want, tc.reason)
		})
	}
}

func TestHookTimeout(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	cases := map[string]struct {
		reason  string
		ctx     context.Context
		answers []http.HandlerFunc
		hook    v1beta1.CanaryWebhook
		want    string
	}{
		"Slow": {
			reason:  "A hook has its timeout.",
			ctx:     t.Context(),
			answers: []http.HandlerFunc{stalled},
			hook:    v1beta1.CanaryWebhook{Timeout: "30ms"},
			want:    "within 30ms",
		},
		"SlowAgain": {
			reason:  "It covers all attempts, and what was said before it ran out is told.",
			ctx:     t.Context(),
			answers: []http.HandlerFunc{saying(500, "tests failed"), stalled},
			hook:    v1beta1.CanaryWebhook{Timeout: "50ms", Retries: 100},
			want:    "500 Internal Server Error: tests failed",
		},
		"Patience": {
			reason:  "A server may ask for more patience than there is.",
			ctx:     t.Context(),
			answers: []http.HandlerFunc{askingForPatience},
			hook:    v1beta1.CanaryWebhook{Timeout: "30ms", Retries: 1},
			want:    "429 Too Many Requests",
		},
		"Cancelled": {
			reason:  "A cancelled round ends at once.",
			ctx:     cancelled,
			answers: []http.HandlerFunc{stalled},
			want:    "context canceled",
		},
		"Garbage": {
			reason:  "A timeout that is none is named.",
			ctx:     t.Context(),
			answers: []http.HandlerFunc{saying(200, "")},
			hook:    v1beta1.CanaryWebhook{Timeout: "soon"},
			want:    `timeout "soon" is not a duration above zero`,
		},
		"Zero": {
			reason:  "Nothing can answer in no time.",
			ctx:     t.Context(),
			answers: []http.HandlerFunc{saying(200, "")},
			hook:    v1beta1.CanaryWebhook{Timeout: "0s"},
			want:    `timeout "0s" is not a duration above zero`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h, _ := inTurns(tc.answers...)
			tc.hook.URL = serve(t, h)
			require.ErrorContains(t, impatient("").ask(tc.ctx, podinfo(), tc.hook), tc.want, tc.reason)
		})
	}
	for text, want := range map[string]time.Duration{"": 10 * time.Second, "1h": time.Hour, "24h": time.Hour} {
		d, err := hookTimeoutOf(v1beta1.CanaryWebhook{Timeout: text})
		require.NoError(t, err)
		require.Equal(t, want, d, "10s by default, and an hour at most: %q", text)
	}
}

func askingForPatience(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Retry-After", "3600")
	saying(429, "")(w, r)
}

func TestHookPayload(t *testing.T) {
	var kind string
	var got map[string]any
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		kind = r.Method + " " + r.Header.Get("Content-Type")
		text, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(text, &got)
	})
	hook := v1beta1.CanaryWebhook{Name: "load-test", URL: url, Metadata: map[string]string{"cmd": "hey http://podinfo-canary.test:9898/"}}
	require.NoError(t, New("", "istio").ask(t.Context(), podinfo(), hook))
	require.Equal(t, "POST application/json", kind)
	require.Equal(t, map[string]any{
		"name":      "podinfo",
		"namespace": "test",
		"phase":     "Progressing",
		"checksum":  checksum(podinfo().Status),
		"metadata":  map[string]any{"cmd": "hey http://podinfo-canary.test:9898/"},
	}, got, "These are the interface's fields, and no others.")
}

func TestChecksum(t *testing.T) {
	configs := func(m map[string]string) *map[string]string { return &m }
	base := v1beta1.CanaryStatus{LastAppliedSpec: "r1-a", TrackedConfigs: configs(map[string]string{"configmap/a": "1", "secret/b": "2"})}
	cases := map[string]struct {
		reason string
		status v1beta1.CanaryStatus
		same   bool
	}{
		"Same": {
			reason: "Order means nothing.",
			status: v1beta1.CanaryStatus{LastAppliedSpec: "r1-a", TrackedConfigs: configs(map[string]string{"secret/b": "2", "configmap/a": "1"})},
			same:   true,
		},
		"OtherPhase": {
			reason: "It is about what is rolled out, not how far.",
			status: v1beta1.CanaryStatus{Phase: v1beta1.PhaseFailed, FailedChecks: 3, LastAppliedSpec: "r1-a", TrackedConfigs: base.TrackedConfigs},
			same:   true,
		},
		"OtherRevision": {
			reason: "Another revision is another rollout.",
			status: v1beta1.CanaryStatus{LastAppliedSpec: "r1-b", TrackedConfigs: base.TrackedConfigs},
		},
		"OtherConfig": {
			reason: "So is another configuration.",
			status: v1beta1.CanaryStatus{LastAppliedSpec: "r1-a", TrackedConfigs: configs(map[string]string{"configmap/a": "3", "secret/b": "2"})},
		},
		"NoConfig": {
			reason: "So is none.",
			status: v1beta1.CanaryStatus{LastAppliedSpec: "r1-a"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.same, checksum(base) == checksum(tc.status), tc.reason)
			require.Len(t, checksum(tc.status), 16)
		})
	}
	require.Equal(t, checksum(v1beta1.CanaryStatus{}), checksum(v1beta1.CanaryStatus{TrackedConfigs: configs(nil)}),
		"Nothing tracked and no list of it are the same.")
}

func TestHookCertificates(t *testing.T) {
	s := httptest.NewTLSServer(saying(200, ""))
	t.Cleanup(s.Close)
	hook := v1beta1.CanaryWebhook{Name: "x", URL: s.URL}
	require.ErrorContains(t, New("", "istio").ask(t.Context(), podinfo(), hook), "certificate", "An unknown signer is not trusted.")
	hook.DisableTLS = true
	require.NoError(t, New("", "istio").ask(t.Context(), podinfo(), hook), "Unless the user says so.")
}

func TestHookKeepsSecrets(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	cases := map[string]struct {
		reason, url string
	}{
		"Refused":  {reason: "Nothing listens.", url: closed.URL},
		"Forbids":  {reason: "It says no.", url: serve(t, saying(401, "no"))},
		"Hangs":    {reason: "It says nothing.", url: serve(t, stalled)},
		"Breaks":   {reason: "It hangs up.", url: serve(t, hangUp)},
		"Unknown":  {reason: "There is no such host.", url: "http://nowhere.invalid"},
		"Unusable": {reason: "It is not for the web.", url: "ftp://nowhere.invalid"},
		"Garbage":  {reason: "It cannot be read.", url: "http://no where"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			url := strings.Replace(tc.url, "://", "://user:s3cret@", 1) + "/t0ken?key=k3y"
			err := New("", "istio").ask(t.Context(), podinfo(), v1beta1.CanaryWebhook{Name: "x", URL: url, Timeout: "200ms"})
			require.Error(t, err, tc.reason)
			for _, secret := range []string{"user", "s3cret", "t0ken", "k3y"} {
				require.NotContains(t, err.Error(), secret, tc.reason)
			}
		})
	}
}
