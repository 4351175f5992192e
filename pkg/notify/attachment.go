package notify

import "github.com/slack-go/slack"

// File attachment.go is the form that Slack, Discord and Rocket.Chat share.

// palette is how a service paints good news and bad.
type palette struct{ good, bad string }

// of has two colors for three severities, as the interface has it: waiting for somebody is no failure.
func (p palette) of(s Severity) string {
	if s == Error {
		return p.bad
	}
	return p.good
}

// classic is the message that Slack's incoming webhooks take, and those of others that understand the same.
// What is shown where is the interface's: readers' filters and bots look at it.
type classic struct {
	channel, username string
	colors            palette
	escape            func(string) string
}

// render puts a message into one attachment, which is what its color needs.
func (c classic) render(m Message) slack.WebhookMessage {
	fields := make([]slack.AttachmentField, 0, len(m.Fields))
	for _, f := range m.Fields {
		fields = append(fields, slack.AttachmentField{Title: f.Name, Value: c.escape(f.Value)})
	}
	// The types are the vendor's; post sends them, which hides the address and bounds the answer.
	return slack.WebhookMessage{
		Channel:   c.channel,
		Username:  c.username,
		IconEmoji: ":rocket:",
		Attachments: []slack.Attachment{{
			Color:      c.colors.of(m.Severity),
			AuthorName: m.subject(),
			Text:       m.text(c.escape),
			MarkdownIn: []string{"text"},
			Fields:     fields,
		}},
	}
}
