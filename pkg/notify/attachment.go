package notify

import "github.com/slack-go/slack"

// File attachment.go is the form that Slack, Discord and Rocket.Chat share.

// palette is how a service paints good news, what somebody is waited for in, and bad news.
type palette struct{ good, warn, bad string }

// of is the color of a severity. Waiting for somebody is no failure, and nothing that may be overlooked.
func (p palette) of(s Severity) string {
	switch s {
	case Error:
		return p.bad
	case Warn:
		return p.warn
	default:
		return p.good
	}
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
