package notify

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

const approveURL = "https://sluice.example.com/ns/test/podinfo?do=promote&revision=r1-5d89f7c6b4&step=2"

// asking is a message that asks for an approval.
func asking() Message {
	m := told()
	m.Severity, m.Final = Warn, false
	m.Approval = &Approval{Verb: "promote", Revision: "r1-5d89f7c6b4", Step: 2, Command: "kubectl annotate …", URL: approveURL}
	m.Fields = []Field{{Name: "Command", Value: m.Approval.Command}, {Name: ApproveField, Value: approveURL}}
	return m
}

// parts are all texts of a JSON document.
func parts(value any) (all []string) {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		for _, one := range v {
			all = append(all, parts(one)...)
		}
	case map[string]any:
		for _, one := range v {
			all = append(all, parts(one)...)
		}
	}
	return all
}

// Each service shows the link, where it has them as a button as well.
func TestApprovalHasALink(t *testing.T) {
	const escaped = "https://sluice.example.com/ns/test/podinfo?do=promote&amp;revision=r1-5d89f7c6b4&amp;step=2"
	for name, tc := range map[string]struct {
		kind, address, want string
		times               int
	}{
		"Slack":         {kind: "slack", want: escaped, times: 1},
		"Discord":       {kind: "discord", want: approveURL, times: 1},
		"Rocket":        {kind: "rocket", want: approveURL, times: 1},
		"TeamsClassic":  {kind: "msteams", want: approveURL, times: 2},
		"TeamsWorkflow": {kind: "msteams", address: "http://prod-1.westeurope.logic.azure.com:443/workflows/x", want: approveURL, times: 2},
		"Chat":          {kind: "gchat", want: `<a href="` + escaped + `">` + escaped + `</a>`, times: 1},
		"Webhook":       {kind: "webhook", want: approveURL, times: 2},
	} {
		t.Run(name, func(t *testing.T) {
			_, text := body(t, tc.kind, Options{Address: tc.address, Channel: "general", Username: "flagger"}, asking())
			var document any
			require.NoError(t, json.Unmarshal([]byte(text), &document))
			found := 0
			for _, part := range parts(document) {
				if part == tc.want {
					found++
				}
			}
			require.Equal(t, tc.times, found, text)
		})
	}
}

// A template may put it where it wants.
func TestTemplateHasTheLink(t *testing.T) {
	const text = `{{ if .Link }}approve: {{ .Link }}{{ end }}`
	require.NoError(t, CheckTemplate(text))
	_, sent := body(t, "webhook", Options{Template: text}, asking())
	require.Contains(t, sent, `"text":"approve: https://sluice.example.com/ns/test/podinfo?do=promote`)
}
