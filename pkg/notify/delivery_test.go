package notify

import (
	"context"
	"html"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/stretchr/testify/require"
)

// What every service has in common, whatever form it wants a message in.

// TestContractNothingIsLost holds that whatever a message says arrives, in every form.
func TestContractNothingIsLost(t *testing.T) {
	for _, kind := range kinds() {
		t.Run(kind, func(t *testing.T) {
			m := told()
			m.Text, m.Fields = "Füße < Hände & \"more\"", []Field{{Name: "Images", Value: "a: a:1 → a:2\nb: b:1 → b:2"}, {Name: "Reason", Value: "97 < 99"}}
			_, text := body(t, kind, Options{}, m)
			plainly := html.UnescapeString(strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(text))
			for _, want := range []string{"podinfo", "test", `Füße < Hände & \"more\"`, "Images", `a: a:1 → a:2\nb: b:1 → b:2`, "97 < 99"} {
				if kind == "gchat" {
					want = strings.ReplaceAll(want, `\"`, `"`) // a quotation mark is escaped there, and so needs no other escape
				}
				require.Contains(t, plainly, want)
			}
		})
	}
}

// TestContractTemplates holds that a text of one's own takes the place of the other, in every form.
func TestContractTemplates(t *testing.T) {
	for _, kind := range kinds() {
		t.Run(kind, func(t *testing.T) {
			_, text := body(t, kind, Options{Template: "look: {{ .Canary }} is {{ .Phase }}"}, told())
			require.Contains(t, text, "look: podinfo is Failed")
			require.NotContains(t, text, "Failed checks threshold reached 5")
		})
	}
}

// TestContractPatience has each service be busy once: the message is sent again, and arrives.
func TestContractPatience(t *testing.T) {
	cases := map[string]struct {
		reason string
		first  http.HandlerFunc
		asked  int32
		lost   uint64
	}{
		"Busy":    {reason: "A service says when to come back.", first: code(429, "Retry-After", "0.02"), asked: 2},
		"Broken":  {reason: "A service may be broken for a while.", first: code(503), asked: 2},
		"Refused": {reason: "A no is a no.", first: code(403), asked: 1, lost: 1},
		"TooLong": {reason: "Tomorrow nobody wants to hear of it.", first: code(429, "Retry-After", "3600"), asked: 1, lost: 1},
	}
	for _, kind := range kinds() {
		for name, tc := range cases {
			t.Run(kind+name, func(t *testing.T) {
				var asked atomic.Int32
				s := start(t, func(w http.ResponseWriter, r *http.Request) {
					if asked.Add(1) == 1 {
						tc.first(w, r)
						return
					}
					_, _ = io.WriteString(w, "ok")
				})
				n, err := New(kind, Options{Address: s.URL})
				require.NoError(t, err)
				q, end := running(t, brisk())
				require.True(t, q.Enqueue(Send(n, rolledBack())))
				end()
				require.Equal(t, tc.asked, asked.Load(), tc.reason)
				require.Equal(t, tc.lost, q.Dropped(), tc.reason)
			})
		}
	}
}

// TestContractLogs lets a message be lost, and reads what the queue logs of it.
func TestContractLogs(t *testing.T) {
	for _, kind := range kinds() {
		t.Run(kind, func(t *testing.T) {
			var logged strings.Builder
			log := funcr.New(func(prefix, args string) { logged.WriteString(prefix + args + "\n") }, funcr.Options{Verbosity: 9})
			s := start(t, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusForbidden)
				_ = r.Write(w) // it repeats all that it was asked
			})
			address := strings.Replace(s.URL, "://", "://user:s3cret@", 1) + "/hooks/t0kenlong?key=k3ylong"
			n, err := New(kind, Options{Address: address, Token: "b3arer"})
			require.NoError(t, err)
			q := NewQueue(brisk(), log)
			require.True(t, q.Enqueue(Send(n, rolledBack())))
			ended, end := context.WithCancel(t.Context())
			end()
			require.NoError(t, q.Run(ended), "What was taken is done before the end.")
			require.Contains(t, logged.String(), "message lost")
			require.Contains(t, logged.String(), "test/podinfo")
			for _, secret := range []string{"s3cret", "t0kenlong", "k3ylong", "b3arer"} {
				require.NotContains(t, logged.String(), secret)
			}
		})
	}
}

func TestFinalMessagesOfNoRollout(t *testing.T) {
	w, threads := newWorkspace(t), NewThreads()
	m := news("", "It is over", Info, true)
	m.Time = time.Now()
	require.NoError(t, w.bot(threads, "ops").Notify(t.Context(), m))
	require.Equal(t, []string{"/api/chat.postMessage ops: good It is over"}, w.asked)
	require.Zero(t, threads.known.Len(), "Nothing can follow it.")
}
