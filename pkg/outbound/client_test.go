package outbound

import (
	"compress/gzip"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func get(ctx context.Context, c *http.Client, url string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return c.Do(r)
}

// sized answers with a number of bytes.
func sized(t *testing.T, bytes int) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", bytes))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestAnswersAreBounded(t *testing.T) {
	zipped := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, strings.Repeat(" ", MaxAnswer+1))
		_ = z.Close()
	}))
	t.Cleanup(zipped.Close)
	cases := map[string]struct {
		reason, url string
		fails       bool
	}{
		"Small":  {reason: "What is small is read.", url: sized(t, 100)},
		"Most":   {reason: "So is as much as is allowed.", url: sized(t, MaxAnswer)},
		"More":   {reason: "Half an answer must not be judged.", url: sized(t, MaxAnswer+1), fails: true},
		"Zipped": {reason: "It is the size in memory that counts.", url: zipped.URL, fails: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			resp, err := get(t.Context(), NewClient(Options{Large: NewLarge(1)}), tc.url)
			require.NoError(t, err)
			_, err = io.ReadAll(resp.Body)
			require.Equal(t, tc.fails, errors.As(err, new(*TooLargeError)), "%s: %v", tc.reason, err)
			require.NoError(t, resp.Body.Close())
		})
	}
}

// TestLargeAnswersTakeTurns has one answer in memory, and another that has to wait for it.
func TestLargeAnswersTakeTurns(t *testing.T) {
	c := NewClient(Options{Large: NewLarge(1)})
	url := sized(t, 2*small)
	first, end := context.WithCancel(t.Context())
	resp, err := get(first, c, url)
	require.NoError(t, err)
	_, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	resp.Body.Close()

	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	resp, err = get(short, c, url)
	require.NoError(t, err)
	_, err = io.ReadAll(resp.Body)
	require.ErrorIs(t, err, context.DeadlineExceeded, "The first is being decoded still.")
	resp.Body.Close()

	resp, err = get(t.Context(), c, sized(t, small))
	require.NoError(t, err)
	_, err = io.ReadAll(resp.Body)
	require.NoError(t, err, "Small answers need no room.")
	resp.Body.Close()

	time.AfterFunc(20*time.Millisecond, end)
	resp, err = get(t.Context(), c, url)
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err, "Who waits gets the room of the first.")
	require.Len(t, text, 2*small)
	resp.Body.Close()
}

// TestLargeAnswerOfARequestWithoutEnd gives its place back when it is closed.
func TestLargeAnswerOfARequestWithoutEnd(t *testing.T) {
	c := NewClient(Options{Large: NewLarge(1)})
	url := sized(t, 2*small)
	for range 3 {
		resp, err := get(context.WithoutCancel(t.Context()), c, url)
		require.NoError(t, err)
		_, err = io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
	}
}

func TestRedirects(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/there", http.StatusFound)
		}
	}))
	t.Cleanup(s.Close)
	for follow, want := range map[bool]int{false: 302, true: 200} {
		resp, err := get(t.Context(), NewClient(Options{Redirects: follow}), s.URL)
		require.NoError(t, err)
		require.Equal(t, want, resp.StatusCode, "One would take credentials to another host.")
		resp.Body.Close()
	}
}

func TestProxy(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL) }))
	t.Cleanup(s.Close)
	proxy, err := url.Parse(s.URL)
	require.NoError(t, err)
	resp, err := get(t.Context(), NewClient(Options{Proxy: proxy}), "http://nowhere.invalid/x")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, "http://nowhere.invalid/x", string(Start(resp.Body, 100)))
}

// TestConnections counts those that are open at the same time, and those that are made.
func TestConnections(t *testing.T) {
	cases := map[string]struct {
		reason  string
		options Options
		made    int
	}{
		"Kept":  {reason: "A connection is used again.", made: 1},
		"Brief": {reason: "Unless it is not kept.", options: Options{Brief: true}, made: 3},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			made := make(chan struct{}, 10)
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					made <- struct{}{}
				}
			}
			s.Start()
			t.Cleanup(s.Close)
			c := NewClient(tc.options)
			for range 3 {
				resp, err := get(t.Context(), c, s.URL)
				require.NoError(t, err)
				_, err = io.Copy(io.Discard, resp.Body)
				require.NoError(t, err)
				resp.Body.Close()
			}
			require.Len(t, made, tc.made, tc.reason)
			c.CloseIdleConnections()
			resp, err := get(t.Context(), c, s.URL)
			require.NoError(t, err)
			resp.Body.Close()
			require.Len(t, made, tc.made+1, "What is idle can be let go.")
		})
	}
}

func TestTrust(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	cases := map[string]struct {
		reason string
		trust  Trust
		want   string
	}{
		"System":   {reason: "A stranger is not believed.", want: "the server's certificate is signed by an unknown authority"},
		"Bundle":   {reason: "The bundle says whom to believe.", trust: Trust{CA: ca}},
		"Insecure": {reason: "Or everybody is.", trust: Trust{Insecure: true}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cfg, err := tc.trust.Config()
			require.NoError(t, err)
			resp, err := get(t.Context(), NewClient(Options{TLS: cfg}), s.URL)
			if tc.want != "" {
				require.EqualError(t, Cause(err), tc.want, tc.reason)
				return
			}
			require.NoError(t, err, tc.reason)
			resp.Body.Close()
		})
	}
	_, err := Trust{CA: []byte("none")}.Config()
	require.ErrorIs(t, err, ErrNoCertificate, "It would believe nobody.")
	require.NotEqual(t, Trust{CA: ca}.Key(), Trust{CA: ca, Insecure: true}.Key())
	require.NotEqual(t, Trust{CA: ca}.Key(), Trust{}.Key())
}

func TestCause(t *testing.T) {
	_, refused := get(t.Context(), NewClient(Options{}), "http://me:s3cret@127.0.0.1:1/?key=s3cret")
	cases := map[string]struct {
		reason string
		err    error
		want   string
	}{
		"Refused": {reason: "Neither the address nor the local port.", err: refused, want: "dial: connect: connection refused"},
		"Expired": {reason: "Without the present time.", err: &url.Error{Op: "Get", URL: "https://s3cret", Err: x509.CertificateInvalidError{Reason: x509.Expired, Detail: "now"}},
			want: "the server's certificate has expired, or is not valid yet"},
		"Other": {reason: "What is below the address.", err: &url.Error{Op: "Get", URL: "https://s3cret", Err: context.Canceled}, want: "context canceled"},
		"Plain": {reason: "What has no address.", err: io.ErrUnexpectedEOF, want: "unexpected EOF"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { require.EqualError(t, Cause(tc.err), tc.want, tc.reason) })
	}
	var op *net.OpError
	require.ErrorAs(t, Cause(refused), &op, "Queues look for the operation.")
	require.Equal(t, "dial", op.Op)
}

func TestParseURL(t *testing.T) {
	cases := map[string]struct{ reason, address, want string }{
		"HTTP":     {reason: "The address of a server.", address: "http://prometheus:9090/prom"},
		"HTTPS":    {reason: "With credentials, too.", address: "https://me:s3cret@host"},
		"Scheme":   {reason: "A file is none.", address: "file:///etc/passwd", want: `"file:///etc/passwd" is not an http or https URL with a host`},
		"NoScheme": {reason: "A host alone neither.", address: "prometheus:9090", want: `"prometheus:9090" is not an http or https URL with a host`},
		"Password": {reason: "Which may have a password before it.", address: "me:s3cret@prom:9090", want: "is not an http or https URL with a host"},
		"Key":      {reason: "A key in the path is not quoted.", address: "ftp://host/T0AB12CD", want: `"ftp://host/***" is not an http or https URL with a host`},
		"Query":    {reason: "Nor is one in a query.", address: "ftp://host/?k=s3cret", want: "is not an http or https URL with a host"},
		"NoHost":   {reason: "A URL without a host.", address: "http:///x", want: `"http:///x" is not an http or https URL with a host`},
		"Broken":   {reason: "What cannot be read is not quoted.", address: "http://me:s3cret@a b:c", want: "is not a URL"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := ParseURL(tc.address)
			if tc.want == "" {
				require.NoError(t, err, tc.reason)
				return
			}
			require.EqualError(t, err, tc.want, tc.reason)
		})
	}
}

func TestLine(t *testing.T) {
	cases := map[string]struct{ reason, text, want string }{
		"Lines":   {reason: "Several become one.", text: " a\n\tb ", want: "a b"},
		"Long":    {reason: "A long one is cut, and says so.", text: "aaaaaaaaaaaa", want: "aaaaaaaaaa…"},
		"Letter":  {reason: "Not within a letter.", text: "aaaaaaaaaé", want: "aaaaaaaaa…"},
		"Invalid": {reason: "What is no text is left out.", text: "a\xffb", want: "ab"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, Line(tc.text, 10), tc.reason) })
	}
}
