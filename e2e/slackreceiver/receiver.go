// Package slackreceiver is a receiver that a Slack client can't tell from Slack, as far as messages go: incoming
// webhooks and the Web API's chat.postMessage and chat.update. It keeps what it got, shows it as it
// arrives, and can be told to fail, so that a test sees both what was said and how a sender copes.
//
//	POST /services/T…/B…/…      incoming webhook        https://api.slack.com/messaging/webhooks
//	POST /api/chat.postMessage  a message by a bot      https://api.slack.com/methods/chat.postMessage
//	POST /api/chat.update       a message changed       https://api.slack.com/methods/chat.update
//	GET  /messages              what came, as JSON      DELETE forgets it
//	GET  /messages/stream       what comes, a line each
//	POST /faults                {"status": 429, "count": 2, "retryAfter": 1}   DELETE ends them
package slackreceiver

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxPayload is the longest message read, in bytes.
const maxPayload = 1 << 20

// Receiver is the server; its zero value is not usable, New makes one.
type Receiver struct {
	mux  *http.ServeMux
	keep int
	now  func() time.Time

	mu       sync.Mutex
	messages []Message
	watchers map[chan Message]bool
	faults   []Fault
	sent     map[string]bool // timestamps that chat.update may name
	serial   int
}

// New makes a receiver that keeps the last messages, at most keep of them.
func New(keep int) *Receiver {
	r := &Receiver{mux: http.NewServeMux(), keep: keep, now: time.Now, watchers: map[chan Message]bool{}, sent: map[string]bool{}}
	r.mux.HandleFunc("POST /services/{team}/{bot}/{secret}", r.webhook)
	r.mux.HandleFunc("POST /api/chat.postMessage", r.method(r.post))
	r.mux.HandleFunc("POST /api/chat.update", r.method(r.update))
	r.mux.HandleFunc("GET /messages", r.list)
	r.mux.HandleFunc("DELETE /messages", r.clear)
	r.mux.HandleFunc("GET /messages/stream", r.stream)
	r.mux.HandleFunc("POST /faults", r.addFault)
	r.mux.HandleFunc("DELETE /faults", r.endFaults)
	return r
}

// ServeHTTP implements http.Handler.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) { r.mux.ServeHTTP(w, q) }

// Messages returns what is kept, oldest first.
func (r *Receiver) Messages() []Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages)
}

// webhook answers as Slack's webhooks do: a word in plain text.
func (r *Receiver) webhook(w http.ResponseWriter, q *http.Request) {
	if r.failed(w) {
		return
	}
	m, err := read(q, r.now())
	if err != nil {
		http.Error(w, "invalid_payload", http.StatusBadRequest)
		return
	}
	if m.empty() {
		http.Error(w, "no_text", http.StatusBadRequest)
		return
	}
	r.store(m)
	_, _ = io.WriteString(w, "ok")
}

// reply is what the Web API's methods answer, with status 200 even where they refuse.
type reply struct {
	OK      bool           `json:"ok"`
	Error   string         `json:"error,omitempty"`
	Channel string         `json:"channel,omitempty"`
	TS      string         `json:"ts,omitempty"`
	Text    string         `json:"text,omitempty"`
	Message map[string]any `json:"message,omitempty"`
}

// method is what all methods of the Web API have in common: a token, then an answer in JSON.
func (r *Receiver) method(answer func(Message) reply) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		if r.failed(w) {
			return
		}
		m, err := read(q, r.now())
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		out := reply{Error: "invalid_form_data"}
		if err == nil {
			out = authorised(m, answer)
		}
		_ = json.NewEncoder(w).Encode(out) // nobody is left to tell
	}
}

func authorised(m Message, answer func(Message) reply) reply {
	if m.Token == "" {
		return reply{Error: "not_authed"}
	}
	if m.text("channel") == "" {
		return reply{Error: "channel_not_found"}
	}
	if m.empty() {
		return reply{Error: "no_text"}
	}
	return answer(m)
}

func (r *Receiver) post(m Message) reply {
	m.TS = r.stamp(m.Time)
	r.store(m)
	return reply{OK: true, Channel: m.text("channel"), TS: m.TS, Message: m.Payload}
}

func (r *Receiver) update(m Message) reply {
	m.TS = m.text("ts")
	r.mu.Lock()
	known := r.sent[m.TS]
	r.mu.Unlock()
	if !known {
		return reply{Error: "message_not_found"}
	}
	r.store(m)
	return reply{OK: true, Channel: m.text("channel"), TS: m.TS, Text: m.text("text"), Message: m.Payload}
}

// stamp makes the timestamp that names a message: seconds and a number that makes it unique.
func (r *Receiver) stamp(at time.Time) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.serial++
	ts := fmt.Sprintf("%d.%06d", at.Unix(), r.serial)
	r.sent[ts] = true
	return ts
}

func (r *Receiver) store(m Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, m)
	if surplus := len(r.messages) - r.keep; surplus > 0 {
		r.messages = slices.Delete(r.messages, 0, surplus)
	}
	for watcher := range r.watchers {
		select {
		case watcher <- m:
		default: // one that doesn't read misses messages rather than stopping everybody
		}
	}
}

func (r *Receiver) list(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	out := r.Messages()
	if out == nil {
		out = []Message{}
	}
	_ = json.NewEncoder(w).Encode(out)
}

func (r *Receiver) clear(w http.ResponseWriter, _ *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = nil
	w.WriteHeader(http.StatusNoContent)
}

// stream writes a line per message from now on, until the reader leaves.
func (r *Receiver) stream(w http.ResponseWriter, q *http.Request) {
	watcher := make(chan Message, 256)
	r.mu.Lock()
	r.watchers[watcher] = true
	r.mu.Unlock()
	defer func() { r.mu.Lock(); delete(r.watchers, watcher); r.mu.Unlock() }()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	flush := http.NewResponseController(w)
	_ = flush.Flush()
	for {
		select {
		case <-q.Context().Done():
			return
		case m := <-watcher:
			if _, err := io.WriteString(w, strings.ReplaceAll(m.String(), "\n", " ")+"\n"); err != nil {
				return
			}
			_ = flush.Flush()
		}
	}
}
