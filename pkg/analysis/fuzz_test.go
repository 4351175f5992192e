package analysis

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// FuzzHookAnswers has a hook's server send anything at all, from its status line on: what people are told of it is one line of
// text, and only a 2xx agrees.
func FuzzHookAnswers(f *testing.F) {
	for _, text := range []string{
		"HTTP/1.1 200 OK\r\n\r\nfine",
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 3\r\n\r\nbad \xff\xfe byte",
		"HTTP/1.1 403 " + strings.Repeat("\xff", 5000) + "\r\n\r\n",
		"HTTP/1.1 403 a\x1b[2Jb\r\n\r\n\x1b[2J\x00",
		"HTTP/1.1 302 Found\r\nLocation: https://" + strings.Repeat("a", 3000) + "/\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: ://\r\n\r\n",
		"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 99999999999\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 x\r\n\r\n",
		"HTTP/1.1 500 x\r\nContent-Encoding: gzip\r\n\r\nno gzip",
		"HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"HTTP/1.1 " + strings.Repeat("9", 3000) + "\r\n\r\n",
		"SSH-2.0-" + strings.Repeat("x", 3000) + "\r\n",
		"",
	} {
		f.Add([]byte(text))
	}
	var next atomic.Pointer[[]byte]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		_, _ = conn.Write(*next.Load())
		_ = conn.Close()
	}))
	f.Cleanup(server.Close)
	a := New("", "istio")
	f.Fuzz(func(t *testing.T, text []byte) {
		next.Store(&text)
		h := v1beta1.CanaryWebhook{Name: "x", Type: v1beta1.RolloutHook, URL: server.URL, Timeout: "5s"}
		found := a.hook(t.Context(), podinfo(), h)
		if found.Verdict == v1beta1.Passed {
			require.Contains(t, string(text), " 2", "No hook agrees by accident.")
			return
		}
		err := a.Call(t.Context(), podinfo(), h, nil)
		require.Error(t, err)
		for _, said := range []string{found.Message, err.Error()} {
			require.Less(t, len(said), maxMessage+len("…"), "Events and conditions have an end.")
			require.True(t, utf8.ValidString(said), "%q", said)
			require.Negative(t, strings.IndexFunc(said, unicode.IsControl), "%q", said)
		}
	})
}
