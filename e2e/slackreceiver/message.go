package slackreceiver

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Message is one message as it came.
type Message struct {
	Time    time.Time      `json:"time"`
	Path    string         `json:"path"`
	Token   string         `json:"token,omitempty"` // of a bot; a webhook's secret is its path
	TS      string         `json:"ts,omitempty"`    // what chat.update names the message by
	Payload map[string]any `json:"payload"`         // form and JSON bodies alike, nested JSON decoded
}

// nested are the fields that a form carries as JSON within a string.
var nested = []string{"attachments", "blocks", "metadata"}

// read decodes a request's body, whichever of Slack's encodings it has.
func read(q *http.Request, now time.Time) (Message, error) {
	m := Message{Time: now, Path: q.URL.Path, Payload: map[string]any{}}
	m.Token, _ = strings.CutPrefix(q.Header.Get("Authorization"), "Bearer ")
	body, err := io.ReadAll(io.LimitReader(q.Body, maxPayload))
	if err != nil {
		return m, fmt.Errorf("reading the message: %w", err)
	}
	kind, _, _ := mime.ParseMediaType(q.Header.Get("Content-Type"))
	if kind != "application/x-www-form-urlencoded" {
		if err := json.Unmarshal(body, &m.Payload); err != nil {
			return m, fmt.Errorf("reading the message as JSON: %w", err)
		}
		return m, nil
	}
	err = m.readForm(string(body))
	return m, err
}

func (m *Message) readForm(body string) error {
	form, err := url.ParseQuery(body)
	if err != nil {
		return fmt.Errorf("reading the message as a form: %w", err)
	}
	if whole := form.Get("payload"); whole != "" {
		if err := json.Unmarshal([]byte(whole), &m.Payload); err != nil {
			return fmt.Errorf("reading the form's payload: %w", err)
		}
		return nil
	}
	for name := range form {
		m.Payload[name] = form.Get(name)
		var decoded any
		if slices.Contains(nested, name) && json.Unmarshal([]byte(form.Get(name)), &decoded) == nil {
			m.Payload[name] = decoded
		}
	}
	if token := m.text("token"); m.Token == "" {
		m.Token = token
	}
	delete(m.Payload, "token")
	return nil
}

func (m Message) text(name string) string {
	s, _ := m.Payload[name].(string)
	return s
}

// empty says whether there is nothing to show.
func (m Message) empty() bool {
	return m.text("text") == "" && m.Payload["attachments"] == nil && m.Payload["blocks"] == nil
}

// String is the message in a line: when, where, and what a reader in the channel would see.
func (m Message) String() string {
	parts := []string{m.Time.Format("15:04:05")}
	if channel := m.text("channel"); channel != "" {
		parts = append(parts, "#"+strings.TrimPrefix(channel, "#"))
	}
	if text := m.text("text"); text != "" {
		parts = append(parts, text)
	}
	attachments, _ := m.Payload["attachments"].([]any)
	for _, a := range attachments {
		if attachment, ok := a.(map[string]any); ok {
			parts = append(parts, line(attachment))
		}
	}
	return strings.Join(parts, " ")
}

// line is an attachment in words: colour, author, text, fields.
func line(a map[string]any) string {
	var b strings.Builder
	for _, name := range []string{"color", "author_name", "text"} {
		switch s, _ := a[name].(string); {
		case s == "":
		case name == "color":
			fmt.Fprintf(&b, "[%s] ", s)
		case name == "author_name":
			fmt.Fprintf(&b, "%s: ", s)
		default:
			b.WriteString(s)
		}
	}
	fields, _ := a["fields"].([]any)
	for _, f := range fields {
		if field, ok := f.(map[string]any); ok {
			fmt.Fprintf(&b, " | %v: %v", field["title"], field["value"])
		}
	}
	return b.String()
}
