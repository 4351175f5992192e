package notify

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// told is a message with all there can be in it.
func told() Message {
	m := rolledBack()
	m.Time = time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC)
	m.Cluster, m.Target, m.Phase, m.Revision = "tokyo", "Deployment/podinfo", "Failed", "r1-5d89f7c6b4"
	m.Images = []Image{{Container: "podinfod", Old: "podinfo:1", New: "podinfo:2"}}
	m.Metric = &Metric{Name: "request-success-rate", Value: "97.5", Limit: ">= 99"}
	m.Reason, m.Rollout, m.Final = "success rate 97.50% < 99%", "8f7d/r1-5d89f7c6b4", true
	m.Fields = append(m.Fields, Field{Name: "Reason", Value: m.Reason})
	return m
}

// body is what a kind of service is posted, and where to.
func body(t *testing.T, kind string, o Options, m Message) (path, text string) {
	t.Helper()
	s := start(t, func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		path, text = r.URL.String(), string(sent)
	})
	if o.Address == "" {
		o.Address = s.URL + "/hook?key=1"
	} else {
		o.Proxy = s.URL
	}
	n, err := New(kind, o)
	require.NoError(t, err)
	require.NoError(t, n.Notify(t.Context(), m))
	return path, text
}

const attachment = `{"channel":"general","username":"flagger","icon_emoji":":rocket:","replace_original":false,"delete_original":false,
	"attachments":[{"color":"COLOR","author_name":"podinfo.test","text":"Failed checks threshold reached 5","mrkdwn_in":["text"],"blocks":null,"fields":[
		{"title":"Target","value":"Deployment/podinfo.test","short":false},
		{"title":"Traffic routing","value":"Weight step: 10 max: 50","short":false},
		{"title":"Reason","value":"success rate 97.50% \u003c 99%","short":false}]}]}`

const messageCardJSON = `{"@type":"MessageCard","@context":"http://schema.org/extensions","themeColor":"FF0000",
	"summary":"Failed checks threshold reached 5","sections":[{"activityTitle":"Failed checks threshold reached 5",
	"activitySubtitle":"podinfo.test","facts":[{"name":"Target","value":"Deployment/podinfo.test"},
	{"name":"Traffic routing","value":"Weight step: 10 max: 50"},{"name":"Reason","value":"success rate 97.50% < 99%"}]}]}`

const adaptiveCardJSON = `{"type":"message","attachments":[{"contentType":"application/vnd.microsoft.card.adaptive","content":{
	"$schema":"http://adaptivecards.io/schemas/adaptive-card.json","type":"AdaptiveCard","version":"1.4","msteams":{"width":"Full"},"body":[
	{"type":"TextBlock","text":"Failed checks threshold reached 5","weight":"Bolder","size":"Medium","color":"Attention","wrap":true},
	{"type":"TextBlock","text":"podinfo.test","isSubtle":true,"wrap":true},
	{"type":"FactSet","facts":[{"title":"Target","value":"Deployment/podinfo.test"},
	{"title":"Traffic routing","value":"Weight step: 10 max: 50"},{"title":"Reason","value":"success rate 97.50% < 99%"}]}]}}]}`

const chatJSON = `{"cardsV2":[{"cardId":"rollout","card":{"header":{"title":"Flagger","subtitle":"podinfo.test"},"sections":[{"widgets":[
	{"textParagraph":{"text":"<font color=\"#FF0000\">Failed checks threshold reached 5</font>"}},
	{"decoratedText":{"topLabel":"Target","text":"Deployment/podinfo.test","wrapText":true}},
	{"decoratedText":{"topLabel":"Traffic routing","text":"Weight step: 10 max: 50","wrapText":true}},
	{"decoratedText":{"topLabel":"Reason","text":"success rate 97.50% &lt; 99%","wrapText":true}}]}]}}]}`

const webhookJSON = `{"version":"v1","time":"2026-11-22T10:30:00Z","severity":"error","canary":"podinfo","namespace":"test","cluster":"tokyo",
	"target":"Deployment/podinfo","phase":"Failed","revision":"r1-5d89f7c6b4","rollout":"8f7d/r1-5d89f7c6b4","final":true,"weight":0,
	"text":"Failed checks threshold reached 5","reason":"success rate 97.50% < 99%",
	"metric":{"name":"request-success-rate","value":"97.5","limit":">= 99"},
	"images":[{"container":"podinfod","old":"podinfo:1","new":"podinfo:2"}],
	"fields":[{"name":"Target","value":"Deployment/podinfo.test"},{"name":"Traffic routing","value":"Weight step: 10 max: 50"},
	{"name":"Reason","value":"success rate 97.50% < 99%"}]}`

func TestFormats(t *testing.T) {
	cases := map[string]struct {
		reason, kind, address string
		path, want            string
	}{
		"Discord": {
			reason: "The Slack form goes to the endpoint that knows it.", kind: "discord",
			path: "/hook/slack?key=1", want: colored("danger"),
		},
		"DiscordSlack": {
			reason: "An address that ends there already stays.", kind: "discord", address: "http://discord.invalid/api/webhooks/1/x/slack/",
			path: "http://discord.invalid/api/webhooks/1/x/slack/", want: colored("danger"),
		},
		"Rocket": {
			reason: "The same form in other colors.", kind: "rocket",
			path: "/hook?key=1", want: colored("#FF0000"),
		},
		"TeamsClassic": {
			reason: "A webhook of a channel takes the older card.", kind: "msteams", address: "http://contoso.webhook.office.com/webhookb2/x",
			path: "http://contoso.webhook.office.com/webhookb2/x", want: messageCardJSON,
		},
		"TeamsRelay": {
			reason: "A host of one's own is what it has always been.", kind: "msteams",
			path: "/hook?key=1", want: messageCardJSON,
		},
		"TeamsWorkflow": {
			reason: "A workflow takes adaptive cards only.", kind: "msteams", address: "http://prod-1.westeurope.logic.azure.com:443/workflows/x",
			path: "http://prod-1.westeurope.logic.azure.com:443/workflows/x", want: adaptiveCardJSON,
		},
		"TeamsPowerPlatform": {
			reason: "So does one at its newer address.", kind: "msteams", address: "http://default1.4.environment.api.powerplatform.com/powerautomate/x",
			path: "http://default1.4.environment.api.powerplatform.com/powerautomate/x", want: adaptiveCardJSON,
		},
		"Chat": {
			reason: "Cards show a small part of HTML, so text is escaped.", kind: "gchat",
			path: "/hook?key=1", want: chatJSON,
		},
		"Webhook": {
			reason: "Programs get everything there is.", kind: "webhook",
			path: "/hook?key=1", want: webhookJSON,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			path, text := body(t, tc.kind, Options{Address: tc.address}, told())
			require.Equal(t, tc.path, path, tc.reason)
			require.JSONEq(t, tc.want, text, tc.reason)
		})
	}
}

func colored(color string) string {
	var m map[string]any
	if err := json.Unmarshal([]byte(attachment), &m); err != nil {
		panic(err)
	}
	m["attachments"].([]any)[0].(map[string]any)["color"] = color
	text, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// TestWaitingIsYellow has a gate that waits, and a rollback by hand, look like neither good news nor a failure.
func TestWaitingIsYellow(t *testing.T) {
	cases := map[string]struct{ kind, address, has string }{
		"Slack":    {kind: "slack", has: `"color":"warning"`},
		"Rocket":   {kind: "rocket", has: `"color":"#FFA500"`},
		"Discord":  {kind: "discord", has: `"color":"warning"`},
		"Teams":    {kind: "msteams", has: `"themeColor":"FFA500"`},
		"Workflow": {kind: "msteams", address: "http://x.logic.azure.com/", has: `"color":"Warning"`},
		"Chat":     {kind: "gchat", has: `#FFA500`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m := rolledBack()
			m.Severity = Warn
			_, text := body(t, tc.kind, Options{Address: tc.address}, m)
			require.Contains(t, text, tc.has)
		})
	}
}

func TestGoodNewsLookGood(t *testing.T) {
	cases := map[string]struct{ reason, kind, address, has, lacks string }{
		"Rocket":   {reason: "Blue.", kind: "rocket", has: `"#0076D7"`, lacks: "FF0000"},
		"Discord":  {reason: "Green.", kind: "discord", has: `"good"`, lacks: "danger"},
		"Teams":    {reason: "Blue.", kind: "msteams", has: `"0076D7"`, lacks: "FF0000"},
		"Workflow": {reason: "Green.", kind: "msteams", address: "http://x.logic.azure.com/", has: `"Good"`, lacks: "Attention"},
		"Chat":     {reason: "Plain.", kind: "gchat", has: `"Failed checks threshold reached 5"`, lacks: "font"},
		"Webhook":  {reason: "It says how bad it is.", kind: "webhook", has: `"severity":"info"`, lacks: "error"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m := rolledBack()
			m.Severity = Info
			_, text := body(t, tc.kind, Options{Address: tc.address}, m)
			require.Contains(t, text, tc.has, tc.reason)
			require.NotContains(t, text, tc.lacks, tc.reason)
		})
	}
}

func TestWebhookBearer(t *testing.T) {
	var got received
	n, err := New("webhook", Options{Address: receiver(t, &got, "").URL, Token: "letmein"})
	require.NoError(t, err)
	require.NoError(t, n.Notify(t.Context(), Message{Canary: "podinfo"}))
	require.Equal(t, "Bearer letmein", got.bearer)
	require.Equal(t, []any{}, got.body["images"], "A list is never null.")
	require.Equal(t, []any{}, got.body["fields"])
}

func TestTeamsHidesRefusals(t *testing.T) {
	const said = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId tcid=0"
	n, err := New("msteams", Options{Address: start(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, said) }).URL})
	require.NoError(t, err)
	var status *StatusError
	require.ErrorAs(t, n.Notify(t.Context(), rolledBack()), &status, "A refusal that comes with a 200 is one.")
	require.Equal(t, 429, status.Code)
	_, again := retriable(status)
	require.True(t, again, "And is tried again like any other.")
}
