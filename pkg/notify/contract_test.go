package notify

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// kinds are all services that there are; each is held to the same contract.
func kinds() []string { return slices.Sorted(maps.Keys(services())) }

func start(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func code(c int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(c)
		_, _ = io.WriteString(w, "it says so")
	}
}

func stalled(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func TestContractStatus(t *testing.T) {
	cases := map[string]struct {
		reason string
		answer http.HandlerFunc
		want   *StatusError
	}{
		"OK":         {reason: "200 took it.", answer: code(200)},
		"Accepted":   {reason: "Any 2xx took it.", answer: code(202)},
		"NoContent":  {reason: "Any 2xx took it.", answer: code(204)},
		"Redirect":   {reason: "A message goes nowhere else.", answer: code(302, "Location", "http://elsewhere.invalid/"), want: &StatusError{Code: 302, Said: "it says so"}},
		"Gone":       {reason: "A webhook that was deleted.", answer: code(410), want: &StatusError{Code: 410, Said: "it says so"}},
		"Limited":    {reason: "Services say for how long.", answer: code(429, "Retry-After", "7"), want: &StatusError{Code: 429, After: 7 * time.Second, Said: "it says so"}},
		"LimitedNot": {reason: "Or they do not.", answer: code(429), want: &StatusError{Code: 429, Said: "it says so"}},
		"LimitedBad": {reason: "Or not so that it can be read.", answer: code(429, "Retry-After", "-3"), want: &StatusError{Code: 429, Said: "it says so"}},
		"LimitedBit": {reason: "Some count in parts of a second.", answer: code(429, "Retry-After", "0.5"), want: &StatusError{Code: 429, After: 500 * time.Millisecond, Said: "it says so"}},
		"LimitedFor": {reason: "A number that is out of all bounds has one.", answer: code(429, "Retry-After", "99999999999"), want: &StatusError{Code: 429, After: maxAsked, Said: "it says so"}},
		"LimitedTo":  {reason: "A date that has passed is no reason to wait.", answer: code(429, "Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT"), want: &StatusError{Code: 429, Said: "it says so"}},
		"Broken":     {reason: "A broken service.", answer: code(503), want: &StatusError{Code: 503, Said: "it says so"}},
	}
	for _, service := range kinds() {
		for name, tc := range cases {
			t.Run(service+name, func(t *testing.T) {
				n, err := New(service, Options{Address: start(t, tc.answer).URL})
				require.NoError(t, err)
				err = n.Notify(t.Context(), rolledBack())
				if tc.want == nil {
					require.NoError(t, err, tc.reason)
					return
				}
				var got *StatusError
				require.ErrorAs(t, err, &got, tc.reason)
				require.Equal(t, tc.want, got, tc.reason)
			})
		}
	}
}

func TestContractHugeAnswer(t *testing.T) {
	flood := func(c int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c)
			chunk := []byte(strings.Repeat("x", 1<<20))
			for range 100 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}
	}
	for _, service := range kinds() {
		n, err := New(service, Options{Address: start(t, flood(500)).URL})
		require.NoError(t, err)
		err = n.Notify(t.Context(), rolledBack())
		require.ErrorContains(t, err, "xxx")
		require.Less(t, len(err.Error()), 2*maxSaid, "Errors are bounded.")
		n, err = New(service, Options{Address: start(t, flood(200)).URL})
		require.NoError(t, err)
		require.NoError(t, n.Notify(t.Context(), rolledBack()), "Who talks much has still taken it.")
	}
}

func TestContractCancellation(t *testing.T) {
	for _, service := range kinds() {
		n, err := New(service, Options{Address: start(t, stalled).URL})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, n.Notify(ctx, rolledBack()), context.Canceled)
		within, end := context.WithTimeout(t.Context(), 20*time.Millisecond)
		require.ErrorIs(t, n.Notify(within, rolledBack()), context.DeadlineExceeded, "A slow service is given up.")
		end()
	}
	c, err := newClient(Options{})
	require.NoError(t, err)
	require.Equal(t, 5*time.Second, c.Timeout, "It is given up in any case.")
}

// TestContractSecrets lets everything go wrong that can, and reads the errors.
func TestContractSecrets(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	echo := func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_ = r.Write(w)
		_, _ = io.WriteString(w, "\nhttp://"+r.Host+r.RequestURI)
	}
	cases := map[string]struct {
		reason, url string
	}{
		"Refused": {reason: "Nothing listens.", url: closed.URL},
		"NoHost":  {reason: "There is no such host.", url: "http://nowhere.invalid"},
		"EchoKey": {reason: "The answer is the key alone.", url: start(t, func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no such key: t0kenlong", http.StatusNotFound)
		}).URL},
		"Denied":   {reason: "The answer is no.", url: start(t, code(403)).URL},
		"Limited":  {reason: "The answer is later.", url: start(t, code(429, "Retry-After", "1")).URL},
		"Broken":   {reason: "The answer is broken.", url: start(t, code(500)).URL},
		"Redirect": {reason: "The answer is elsewhere.", url: start(t, code(307, "Location", "/t0ken")).URL},
		"Hangs":    {reason: "There is no answer.", url: start(t, stalled).URL},
		"HangsUp":  {reason: "There never will be.", url: start(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }).URL},
		"Echo":     {reason: "The answer is all that we said.", url: start(t, echo).URL},
	}
	for _, service := range kinds() {
		for name, tc := range cases {
			t.Run(service+name, func(t *testing.T) {
				address := strings.Replace(tc.url, "://", "://user:s3cret@", 1) + "/services/t0kenlong?key=k3ylong"
				for _, token := range []string{"", "xoxb-b3arer"} {
					n, err := New(service, Options{Address: address, Token: token})
					require.NoError(t, err)
					within, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
					err = n.Notify(within, rolledBack())
					cancel()
					require.Error(t, err, tc.reason)
					for _, secret := range []string{"s3cret", "t0ken", "k3y", "b3arer", base64.StdEncoding.EncodeToString([]byte("user:s3cret"))} {
						require.NotContains(t, err.Error(), secret, tc.reason)
					}
				}
			})
		}
	}
}

func TestContractProxy(t *testing.T) {
	var asked, credentials string
	proxy := start(t, func(w http.ResponseWriter, r *http.Request) {
		asked, credentials = r.URL.String(), r.Header.Get("Proxy-Authorization")
	})
	for _, service := range kinds() {
		o := Options{Address: "http://chat.invalid/hook", Proxy: strings.Replace(proxy.URL, "://", "://me:pw@", 1)}
		n, err := New(service, o)
		require.NoError(t, err)
		require.NoError(t, n.Notify(t.Context(), rolledBack()))
		require.Equal(t, "http://chat.invalid/hook", strings.TrimSuffix(asked, "/slack"), "The proxy is asked for the service.")
		require.Equal(t, "Basic "+base64.StdEncoding.EncodeToString([]byte("me:pw")), credentials)
	}
	proxy.Close()
	for _, service := range kinds() {
		n, err := New(service, Options{Address: "http://chat.invalid/hook", Proxy: strings.Replace(proxy.URL, "://", "://me:s3cret@", 1)})
		require.NoError(t, err)
		err = n.Notify(t.Context(), rolledBack())
		require.ErrorContains(t, err, "connection refused")
		require.NotContains(t, err.Error(), "s3cret", "A proxy's credentials are secrets too.")
		_, again := retriable(err)
		require.True(t, again, "A message that never left may be sent again.")
	}
}

func TestStatusErrorText(t *testing.T) {
	cases := map[string]struct {
		reason string
		err    StatusError
		want   string
	}{
		"Said":   {reason: "What was said follows the status.", err: StatusError{Code: 404, Said: "no_service"}, want: "404 Not Found: no_service"},
		"Silent": {reason: "Nothing said, nothing shown.", err: StatusError{Code: 500}, want: "500 Internal Server Error"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { require.EqualError(t, &tc.err, tc.want, tc.reason) })
	}
	require.NotErrorIs(t, &StatusError{Code: 500}, io.EOF)
}

func TestContractCertificates(t *testing.T) {
	s := httptest.NewUnstartedServer(code(200))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshakes that fail, as they should
	s.StartTLS()
	t.Cleanup(s.Close)
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	for _, service := range kinds() {
		n, err := New(service, Options{Address: s.URL, CA: own})
		require.NoError(t, err)
		require.NoError(t, n.Notify(t.Context(), rolledBack()), "A bundle says whom to trust.")

		n, err = New(service, Options{Address: s.URL})
		require.NoError(t, err)
		require.ErrorContains(t, n.Notify(t.Context(), rolledBack()), "certificate is signed by an unknown authority")

		_, err = New(service, Options{Address: s.URL, CA: []byte("none")})
		require.EqualError(t, err, service+": caBundle: no certificate in PEM form is in it")
	}
	require.NoError(t, CheckCA(own))
	require.NoError(t, CheckCA(nil), "Without one the system's count.")
	require.ErrorContains(t, CheckCA([]byte("none")), "no certificate")
}

func TestContractAddress(t *testing.T) {
	for _, service := range kinds() {
		_, err := New(service, Options{})
		require.ErrorContains(t, err, service+": ", "Nowhere to go is said when the channel is made.")
		for _, bad := range []string{"s3cret", "http://s3cret\x7f", "ftp://s3cret", "http:///s3cret"} {
			_, err = New(service, Options{Address: bad})
			require.EqualError(t, err, service+": address: not an http or https URL with a host", "It is not quoted.")
		}
		_, err = New(service, Options{Address: "http://a", Proxy: "s3cret:80"})
		require.EqualError(t, err, service+": proxy: not an http or https URL with a host")
		var got received
		n, err := New(service, Options{Address: receiver(t, &got, "ok").URL + "\n"})
		require.NoError(t, err)
		require.NoError(t, n.Notify(t.Context(), rolledBack()), "Secrets that were written with an editor end in a line break.")
	}
}

func TestKnown(t *testing.T) {
	require.Equal(t, []string{"discord", "gchat", "msteams", "rocket", "slack", "webhook"}, kinds(), "All that the API names.")
	for _, kind := range kinds() {
		require.True(t, Known(kind))
	}
	require.False(t, Known("slak"))
	_, err := New("slak", Options{Address: "http://a"})
	require.EqualError(t, err, `unknown alert provider type "slak"`, "No service is taken for another.")
}

func TestRetryAfterDate(t *testing.T) {
	h := http.Header{"Retry-After": {time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}}
	require.InDelta(t, time.Hour, retryAfter(h), float64(5*time.Second))
	require.Zero(t, retryAfter(http.Header{"Retry-After": {"soon"}}))
}
