package slackreceiver

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/stretchr/testify/require"
)

const hook = "/services/T000/B000/secret"

func start(t *testing.T, keep int) (*Receiver, string) {
	t.Helper()
	r := New(keep)
	r.now = func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return r, server.URL
}

func send(t *testing.T, method, url, kind, body string) (int, string, http.Header) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	q.Header.Set("Content-Type", kind)
	resp, err := http.DefaultClient.Do(q)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text), resp.Header
}

func rollout() slack.Attachment {
	return slack.Attachment{
		Color: "good", AuthorName: "podinfo.test", Text: "Canary analysis completed successfully, promotion finished.",
		Fields: []slack.AttachmentField{{Title: "Target", Value: "Deployment/podinfo.test"}},
	}
}

// TestClientLibrary uses the library that senders use: it is the one to convince.
func TestClientLibrary(t *testing.T) {
	r, address := start(t, 10)
	require.NoError(t, slack.PostWebhookContext(t.Context(), address+hook, &slack.WebhookMessage{Channel: "general", Attachments: []slack.Attachment{rollout()}}))
	client := slack.New("xoxb-token", slack.OptionAPIURL(address+"/api/"))
	channel, ts, err := client.PostMessageContext(t.Context(), "C123", slack.MsgOptionText("starting", false), slack.MsgOptionAttachments(rollout()))
	require.NoError(t, err)
	require.Equal(t, "C123", channel)
	_, again, _, err := client.UpdateMessageContext(t.Context(), channel, ts, slack.MsgOptionText("finished", false))
	require.NoError(t, err)
	require.Equal(t, ts, again, "an update keeps the message's name")

	got := r.Messages()
	require.Len(t, got, 3)
	require.Equal(t, hook, got[0].Path)
	require.Empty(t, got[0].Token)
	require.Equal(t, "general", got[0].Payload["channel"])
	require.Equal(t, "xoxb-token", got[1].Token)
	require.Equal(t, "starting", got[1].Payload["text"])
	require.IsType(t, []any{}, got[1].Payload["attachments"], "a form's nested JSON is decoded")
	require.Equal(t, "finished", got[2].Payload["text"])
	require.Equal(t, "03:04:05 #general [good] podinfo.test: Canary analysis completed successfully, promotion finished. | Target: Deployment/podinfo.test", got[0].String())
}

// TestRefusals are Slack's own words for what it doesn't take.
func TestRefusals(t *testing.T) {
	const form, jsonType = "application/x-www-form-urlencoded", "application/json"
	cases := map[string]struct {
		reason, path, kind, body string
		status                   int
		says                     string
	}{
		"NoJSON":        {reason: "a webhook takes JSON", path: hook, kind: jsonType, body: "{", status: 400, says: "invalid_payload"},
		"NothingToSay":  {reason: "a webhook wants a text or attachments", path: hook, kind: jsonType, body: "{}", status: 400, says: "no_text"},
		"NoToken":       {reason: "a method wants a token", path: "/api/chat.postMessage", kind: form, body: "channel=c&text=t", status: 200, says: "not_authed"},
		"NoChannel":     {reason: "a method wants a channel", path: "/api/chat.postMessage", kind: form, body: "token=x&text=t", status: 200, says: "channel_not_found"},
		"NoText":        {reason: "a method wants something to say", path: "/api/chat.postMessage", kind: form, body: "token=x&channel=c", status: 200, says: "no_text"},
		"BadForm":       {reason: "a form that can't be read", path: "/api/chat.postMessage", kind: form, body: "%zz", status: 200, says: "invalid_form_data"},
		"NeverSent":     {reason: "only what was sent can be changed", path: "/api/chat.update", kind: form, body: "token=x&channel=c&text=t&ts=1.2", status: 200, says: "message_not_found"},
		"NoSuchWebhook": {reason: "a webhook's path has three parts", path: "/services/T000", kind: jsonType, body: `{"text":"t"}`, status: 404, says: "not found"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r, address := start(t, 10)
			status, body, _ := send(t, http.MethodPost, address+tc.path, tc.kind, tc.body)
			require.Equal(t, tc.status, status, tc.reason)
			require.Contains(t, body, tc.says, tc.reason)
			require.Empty(t, r.Messages(), "what is refused isn't kept")
		})
	}
}

func TestFormWithPayload(t *testing.T) {
	r, address := start(t, 10)
	body := url.Values{"payload": {`{"text":"hello"}`}}.Encode()
	status, answer, _ := send(t, http.MethodPost, address+hook, "application/x-www-form-urlencoded", body)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "ok", answer)
	require.Equal(t, "hello", r.Messages()[0].Payload["text"])
}

func TestKeepsTheLast(t *testing.T) {
	r, address := start(t, 2)
	for _, text := range []string{"one", "two", "three"} {
		send(t, http.MethodPost, address+hook, "application/json", `{"text":"`+text+`"}`)
	}
	require.Equal(t, "two", r.Messages()[0].Payload["text"])
	status, body, _ := send(t, http.MethodGet, address+"/messages", "", "")
	require.Equal(t, http.StatusOK, status)
	var listed []Message
	require.NoError(t, json.Unmarshal([]byte(body), &listed))
	require.Equal(t, r.Messages(), listed)
	status, _, _ = send(t, http.MethodDelete, address+"/messages", "", "")
	require.Equal(t, http.StatusNoContent, status)
	_, body, _ = send(t, http.MethodGet, address+"/messages", "", "")
	require.JSONEq(t, "[]", body)
}

func TestStreamShowsMessagesAsTheyCome(t *testing.T) {
	_, address := start(t, 10)
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/messages/stream", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(q)
	require.NoError(t, err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for _, text := range []string{"first", "second\\nline"} {
		send(t, http.MethodPost, address+hook, "application/json", `{"channel":"#general","text":"`+text+`"}`)
		require.True(t, lines.Scan(), "the stream stays open")
		require.Equal(t, "03:04:05 #general "+strings.ReplaceAll(text, "\\n", " "), lines.Text())
	}
}

func TestFaults(t *testing.T) {
	cases := map[string]struct {
		reason     string
		faults     []string
		statuses   []int
		retryAfter string
	}{
		"RateLimited":  {reason: "twice, then as always", faults: []string{`{"status":429,"count":2,"retryAfter":7}`}, statuses: []int{429, 429, 200}, retryAfter: "7"},
		"OneByOne":     {reason: "faults queue", faults: []string{`{"status":500,"count":1}`, `{"status":503,"count":1}`}, statuses: []int{500, 503, 200}},
		"UntilEnded":   {reason: "without a count it lasts", faults: []string{`{"status":500}`}, statuses: []int{500, 500, 500}},
		"NoFaultAtAll": {reason: "the usual case", statuses: []int{200}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, address := start(t, 10)
			for _, f := range tc.faults {
				status, _, _ := send(t, http.MethodPost, address+"/faults", "application/json", f)
				require.Equal(t, http.StatusNoContent, status)
			}
			for n, want := range tc.statuses {
				status, _, header := send(t, http.MethodPost, address+hook, "application/json", `{"text":"t"}`)
				require.Equal(t, want, status, tc.reason)
				if n == 0 {
					require.Equal(t, tc.retryAfter, header.Get("Retry-After"))
				}
			}
			send(t, http.MethodDelete, address+"/faults", "", "")
			status, _, _ := send(t, http.MethodPost, address+hook, "application/json", `{"text":"t"}`)
			require.Equal(t, http.StatusOK, status, "faults end when told to")
		})
	}
}

func TestFaultsThatMakeNoSense(t *testing.T) {
	for name, body := range map[string]string{"NotJSON": "{", "NoStatus": "{}", "Success": `{"status":200}`, "Negative": `{"status":500,"count":-1}`} {
		t.Run(name, func(t *testing.T) {
			_, address := start(t, 10)
			status, _, _ := send(t, http.MethodPost, address+"/faults", "application/json", body)
			require.Equal(t, http.StatusBadRequest, status)
		})
	}
}

// TestRateLimitReachesTheLibrary makes sure that a 429 is one in the eyes of the client library.
func TestRateLimitReachesTheLibrary(t *testing.T) {
	r, address := start(t, 10)
	require.NoError(t, r.Fail(Fault{Status: http.StatusTooManyRequests, Count: 1, RetryAfter: 3}))
	client := slack.New("xoxb-token", slack.OptionAPIURL(address+"/api/"))
	_, _, err := client.PostMessageContext(t.Context(), "C123", slack.MsgOptionText("t", false))
	limited := &slack.RateLimitedError{}
	require.ErrorAs(t, err, &limited)
	require.Equal(t, 3*time.Second, limited.RetryAfter)
}
