package notify

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// workspace is as much of Slack's API as a bot needs. It keeps messages, and refuses as the real one does.
type workspace struct {
	*httptest.Server
	t      *testing.T
	asked  []string              // methods, with what they were about
	fail   func(call string) int // status to answer with instead; zero: none
	gone   map[string]bool       // messages that somebody removed
	posted int
}

func newWorkspace(t *testing.T) *workspace {
	w := &workspace{t: t, gone: map[string]bool{}, fail: func(string) int { return 0 }}
	w.Server = start(t, w.answer)
	return w
}

type call struct {
	Channel     string
	TS          string `json:"ts"`
	Thread      string `json:"thread_ts"`
	Broadcast   bool   `json:"reply_broadcast"`
	Attachments []struct{ Color, Text string }
}

func (w *workspace) answer(rw http.ResponseWriter, r *http.Request) {
	var c call
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil || r.Header.Get("Authorization") != "Bearer xoxb-1" {
		http.Error(rw, "unreadable", http.StatusBadRequest)
		return
	}
	line := fmt.Sprintf("%s %s", r.URL.Path, c.Channel)
	if c.TS+c.Thread != "" {
		line += fmt.Sprintf(" at %s%s", c.TS, c.Thread)
	}
	if c.Broadcast {
		line += " broadcast"
	}
	w.asked = append(w.asked, fmt.Sprintf("%s: %s %s", line, c.Attachments[0].Color, c.Attachments[0].Text))
	if code := w.fail(r.URL.Path); code != 0 {
		rw.WriteHeader(code)
		return
	}
	if w.gone[c.TS+c.Thread] {
		fmt.Fprint(rw, `{"ok":false,"error":"message_not_found"}`)
		return
	}
	w.posted++
	fmt.Fprintf(rw, `{"ok":true,"channel":"C1","ts":"%d.0"}`, w.posted)
}

// bot is a notifier as the announcer makes one, anew for each message.
func (w *workspace) bot(threads *Threads, channel string) Notifier {
	n, err := New("slack", Options{Address: w.URL + "/api/chat.postMessage", Token: "xoxb-1", Channel: channel, Threads: threads})
	require.NoError(w.t, err)
	return n
}

func news(rollout, text string, s Severity, final bool) Message {
	return Message{Canary: "podinfo", Namespace: "test", Rollout: rollout, Text: text, Severity: s, Final: final}
}

func TestThreads(t *testing.T) {
	begun := news("u/r1", "New revision", Info, false)
	waits := news("u/r1", "Waiting", Warn, false)
	failed := news("u/r1", "Failed", Error, true)
	cases := map[string]struct {
		reason string
		send   []Message
		change func(w *workspace, sent int)
		want   []string
	}{
		"OneRollout": {
			reason: "What follows is said below the first message, which says in the end how it went.",
			send:   []Message{begun, waits, failed},
			want: []string{
				"/api/chat.postMessage ops: good New revision",
				"/api/chat.postMessage C1 at 1.0: warning Waiting",
				"/api/chat.postMessage C1 at 1.0 broadcast: danger Failed",
				"/api/chat.update C1 at 1.0: danger New revision\nFailed",
			},
		},
		"TwoRollouts": {
			reason: "Each rollout has a thread of its own.",
			send:   []Message{begun, news("u/r2", "Another", Info, false), waits},
			want: []string{
				"/api/chat.postMessage ops: good New revision",
				"/api/chat.postMessage ops: good Another",
				"/api/chat.postMessage C1 at 1.0: warning Waiting",
			},
		},
		"NoRollout": {
			reason: "What belongs to no rollout stands alone.",
			send:   []Message{news("", "A", Info, false), news("", "B", Info, false)},
			want:   []string{"/api/chat.postMessage ops: good A", "/api/chat.postMessage ops: good B"},
		},
		"OnlyTheEnd": {
			reason: "After a restart the first message is the one that comes next; it is the outcome already.",
			send:   []Message{failed},
			want:   []string{"/api/chat.postMessage ops: danger Failed"},
		},
		"EndsTwice": {
			reason: "A promotion that was given up may be taken up again.",
			send:   []Message{begun, failed, news("u/r1", "Promoted", Info, true)},
			want: []string{
				"/api/chat.postMessage ops: good New revision",
				"/api/chat.postMessage C1 at 1.0 broadcast: danger Failed",
				"/api/chat.update C1 at 1.0: danger New revision\nFailed",
				"/api/chat.postMessage C1 at 1.0: good Promoted",
				"/api/chat.update C1 at 1.0: good New revision\nPromoted",
			},
		},
		"RootRemoved": {
			reason: "A thread that somebody removed is begun again, and nothing is lost.",
			send:   []Message{begun, waits, failed},
			change: func(w *workspace, _ int) { w.gone["1.0"] = true },
			want: []string{
				"/api/chat.postMessage ops: good New revision",
				"/api/chat.postMessage C1 at 1.0: warning Waiting",
				"/api/chat.postMessage ops: warning Waiting",
				"/api/chat.postMessage C1 at 2.0 broadcast: danger Failed",
				"/api/chat.update C1 at 2.0: danger Waiting\nFailed",
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w, threads := newWorkspace(t), NewThreads()
			for i, m := range tc.send {
				require.NoError(t, w.bot(threads, "ops").Notify(t.Context(), m), tc.reason)
				if tc.change != nil {
					tc.change(w, i)
				}
			}
			require.Equal(t, tc.want, w.asked, tc.reason)
		})
	}
}

func TestThreadsRetryTheOutcome(t *testing.T) {
	w, threads := newWorkspace(t), NewThreads()
	require.NoError(t, w.bot(threads, "ops").Notify(t.Context(), news("u/r1", "New revision", Info, false)))
	busy := true
	w.fail = func(method string) int {
		if busy && method == "/api/chat.update" {
			busy = false
			return http.StatusTooManyRequests
		}
		return 0
	}
	q, end := running(t, brisk())
	require.True(t, q.Enqueue(Send(w.bot(threads, "ops"), news("u/r1", "Failed", Error, true))))
	end()
	require.Equal(t, []string{
		"/api/chat.postMessage ops: good New revision",
		"/api/chat.postMessage C1 at 1.0 broadcast: danger Failed",
		"/api/chat.update C1 at 1.0: danger New revision\nFailed",
		"/api/chat.update C1 at 1.0: danger New revision\nFailed",
	}, w.asked, "The first message is changed once it may be, and the outcome is said once.")
	require.Zero(t, q.Dropped())
}

func TestThreadsOfChannels(t *testing.T) {
	w, threads := newWorkspace(t), NewThreads()
	m := news("u/r1", "New revision", Info, false)
	require.NoError(t, w.bot(threads, "ops").Notify(t.Context(), m))
	require.NoError(t, w.bot(threads, "dev").Notify(t.Context(), m))
	require.Equal(t, []string{
		"/api/chat.postMessage ops: good New revision", "/api/chat.postMessage dev: good New revision",
	}, w.asked, "Each channel has its own thread of a rollout.")
}

func TestWebhooksHaveNoThreads(t *testing.T) {
	var got received
	threads := NewThreads()
	n, err := New("slack", Options{Address: receiver(t, &got, "ok").URL, Threads: threads})
	require.NoError(t, err)
	require.NoError(t, n.Notify(t.Context(), news("u/r1", "A", Info, false)))
	require.NoError(t, n.Notify(t.Context(), news("u/r1", "B", Info, true)))
	require.NotContains(t, got.body, "thread_ts")
	require.Zero(t, threads.known.Len())
}

func TestReceiversWithoutThreads(t *testing.T) {
	var got received
	threads := NewThreads()
	n, err := New("slack", Options{Address: receiver(t, &got, `{"ok":true}`).URL, Token: "xoxb-1", Threads: threads})
	require.NoError(t, err)
	require.NoError(t, n.Notify(t.Context(), news("u/r1", "A", Info, false)))
	require.Zero(t, threads.known.Len(), "What is told no place remembers none.")
}

func TestThreadsAreBounded(t *testing.T) {
	threads := NewThreads()
	for i := range maxThreads + 10 {
		k := threadKey{byte(i), byte(i >> 8), byte(i >> 16)}
		threads.keep(k, &thread{})
		threads.keep(k, &thread{})
	}
	require.Equal(t, maxThreads, threads.known.Len())
	require.Nil(t, threads.find(threadKey{0}), "The one that was not heard of the longest goes first.")
	require.NotNil(t, threads.find(threadKey{10}))
}
