package notify

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func rolledBack() Message {
	return Message{
		Severity:  Error,
		Canary:    "podinfo",
		Namespace: "test",
		Text:      "Failed checks threshold reached 5",
		Fields: []Field{
			{Name: "Target", Value: "Deployment/podinfo.test"},
			{Name: "Traffic routing", Value: "Weight step: 10 max: 50"},
		},
	}
}

// received is what a service got.
type received struct {
	path, kind, bearer string
	body               map[string]any
}

// receiver answers everything alike and remembers the last it got.
func receiver(t *testing.T, got *received, answer string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		*got = received{
			path:   r.Method + " " + r.URL.Path,
			kind:   r.Header.Get("Content-Type"),
			bearer: r.Header.Get("Authorization"),
		}
		_ = json.Unmarshal(text, &got.body)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestSlackPayload(t *testing.T) {
	cases := map[string]struct {
		reason  string
		options Options
		change  func(*Message)
		channel string
		user    string
		color   string
		fields  []any
	}{
		"Failure": {
			reason:  "Failures are red, with the details.",
			options: Options{Channel: "on-call", Username: "sluice"},
			change:  func(*Message) {},
			channel: "on-call",
			user:    "sluice",
			color:   "danger",
			fields: []any{
				map[string]any{"title": "Target", "value": "Deployment/podinfo.test", "short": false},
				map[string]any{"title": "Traffic routing", "value": "Weight step: 10 max: 50", "short": false},
			},
		},
		"Progress": {
			reason:  "Progress is green; names left out are the interface's.",
			change:  func(m *Message) { m.Severity, m.Fields = Info, nil },
			channel: "general",
			user:    "flagger",
			color:   "good",
		},
		"Waiting": {
			reason:  "Waiting is no failure, and nothing to be overlooked.",
			change:  func(m *Message) { m.Severity, m.Fields = Warn, nil },
			channel: "general",
			user:    "flagger",
			color:   "warning",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got received
			tc.options.Address = receiver(t, &got, "ok").URL + "/services/T0/B0/XYZ"
			n, err := New("slack", tc.options)
			require.NoError(t, err)
			m := rolledBack()
			tc.change(&m)
			require.NoError(t, n.Notify(t.Context(), m), tc.reason)

			require.Equal(t, "POST /services/T0/B0/XYZ", got.path)
			require.Equal(t, "application/json; charset=utf-8", got.kind)
			require.Empty(t, got.bearer, "A webhook's address is all it needs.")
			require.Equal(t, tc.channel, got.body["channel"], tc.reason)
			require.Equal(t, tc.user, got.body["username"], tc.reason)
			require.Equal(t, ":rocket:", got.body["icon_emoji"])
			require.Len(t, got.body["attachments"], 1)
			a := got.body["attachments"].([]any)[0].(map[string]any)
			require.Equal(t, tc.color, a["color"], tc.reason)
			require.Equal(t, "podinfo.test", a["author_name"])
			require.Equal(t, "Failed checks threshold reached 5", a["text"])
			require.Equal(t, []any{"text"}, a["mrkdwn_in"])
			if tc.fields == nil {
				require.NotContains(t, a, "fields", tc.reason)
				return
			}
			require.Equal(t, tc.fields, a["fields"], tc.reason)
		})
	}
}

func TestSlackEscapes(t *testing.T) {
	var got received
	n, err := New("slack", Options{Address: receiver(t, &got, "ok").URL})
	require.NoError(t, err)
	m := rolledBack()
	m.Text, m.Fields = "97 < 99 & <!channel>", []Field{{Name: "Reason", Value: "a > b"}}
	require.NoError(t, n.Notify(t.Context(), m))
	a := got.body["attachments"].([]any)[0].(map[string]any)
	require.Equal(t, "97 &lt; 99 &amp; &lt;!channel&gt;", a["text"], "What a metric's name says calls nobody.")
	require.Equal(t, "a &gt; b", a["fields"].([]any)[0].(map[string]any)["value"])
}

func TestSlackBot(t *testing.T) {
	var got received
	s := receiver(t, &got, `{"ok":true,"channel":"C1","message":{"text":"`+strings.Repeat("long ", 1000)+`"}}`)
	n, err := New("slack", Options{Address: s.URL + "/api/chat.postMessage", Token: "xoxb-1"})
	require.NoError(t, err)
	require.NoError(t, n.Notify(t.Context(), rolledBack()), "An answer that repeats the message is one that took it.")
	require.Equal(t, "POST /api/chat.postMessage", got.path, "The address that is given is the one that is used.")
	require.Equal(t, "Bearer xoxb-1", got.bearer)
	require.Equal(t, "general", got.body["channel"], "A bot has to name its channel.")
}

func TestSlackBotNeedsNoAddress(t *testing.T) {
	n, err := New("slack", Options{Token: "xoxb-1"})
	require.NoError(t, err)
	require.Equal(t, "https://slack.com/api/chat.postMessage", n.(*channel).to.(*Slack).to.address.String())
}

func TestSlackRefuses(t *testing.T) {
	cases := map[string]struct {
		reason, answer, want string
	}{
		"Webhook":     {reason: "A webhook answers ok.", answer: "ok"},
		"Silence":     {reason: "Receivers of the same form may say nothing.", answer: ""},
		"Bot":         {reason: "A bot's answer says ok in JSON.", answer: `{"ok":true}`},
		"OtherJSON":   {reason: "Receivers may answer JSON of their own.", answer: `[1,2]`},
		"NoChannel":   {reason: "The API refuses with a 200, and says why.", answer: `{"ok":false,"error":"channel_not_found"}`, want: "refused: channel_not_found"},
		"ManyErrors":  {reason: "Details do not hide the reason.", answer: `{"ok":false,"error":"invalid_blocks","errors":["a",{"b":1}]}`, want: "refused: invalid_blocks"},
		"TokenEchoed": {reason: "What is refused may be repeated, but not by us.", answer: `{"ok":false,"error":"bad xoxb-secret"}`, want: "refused: bad ***"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got received
			n, err := New("slack", Options{Address: receiver(t, &got, tc.answer).URL, Token: "xoxb-secret"})
			require.NoError(t, err)
			err = n.Notify(t.Context(), rolledBack())
			if tc.want == "" {
				require.NoError(t, err, tc.reason)
				return
			}
			require.ErrorContains(t, err, "slack: posting to ", tc.reason)
			require.ErrorContains(t, err, tc.want, tc.reason)
			require.NotContains(t, err.Error(), "xoxb", tc.reason)
		})
	}
}

func TestWants(t *testing.T) {
	all := []Severity{Info, Warn, Error}
	cases := map[string]struct {
		reason string
		least  Severity
		want   []Severity
	}{
		"Nothing": {reason: "Who did not say hears everything.", least: "", want: all},
		"Info":    {reason: "Info is everything.", least: Info, want: all},
		"Warn":    {reason: "Warn is what needs somebody, and failures.", least: Warn, want: []Severity{Warn, Error}},
		"Error":   {reason: "Error is failures only.", least: Error, want: []Severity{Error}},
		"Unknown": {reason: "It is better to be heard than not.", least: "fatal", want: all},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got []Severity
			for _, s := range all {
				if tc.least.Wants(s) {
					got = append(got, s)
				}
			}
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}
