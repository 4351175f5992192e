package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/slack-go/slack"
)

// slackAPI is where bots write to when no address is given.
const slackAPI = "https://slack.com/api/chat.postMessage"

// Slack writes through an incoming webhook, or as a bot when it has a token.
//
// Sources: https://api.slack.com/messaging/webhooks, https://api.slack.com/methods/chat.postMessage
type Slack struct {
	to       *poster
	channel  string
	username string
}

func newSlack(o Options) (Notifier, error) {
	if o.Address == "" && o.Token == "" {
		return nil, errors.New("slack: neither an address nor a token is given")
	}
	if o.Address == "" {
		o.Address = slackAPI
	}
	to, err := newPoster(o.Address, o.Proxy, o.Token)
	if err != nil {
		return nil, fmt.Errorf("slack: %w", err)
	}
	return &Slack{to: to, channel: o.Channel, username: o.Username}, nil
}

// Notify sends the message as one attachment, which is what its color needs.
func (s *Slack) Notify(ctx context.Context, m Message) error {
	said, err := s.to.post(ctx, s.render(m))
	if err != nil {
		return fmt.Errorf("slack: %w", err)
	}
	return s.accepted(said)
}

// accepted looks into the answer a bot gets: the API refuses with a 200. A webhook answers `ok`,
// which is no JSON, and so do the receivers that only understand webhooks.
func (s *Slack) accepted(said []byte) error {
	var answer struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal(said, &answer); err != nil || answer.Error == "" {
		return nil
	}
	return fmt.Errorf("slack: refused: %s", s.to.conceal(answer.Error))
}

func (s *Slack) render(m Message) slack.WebhookMessage {
	fields := make([]slack.AttachmentField, 0, len(m.Fields))
	for _, f := range m.Fields {
		fields = append(fields, slack.AttachmentField{Title: f.Name, Value: f.Value})
	}
	return slack.WebhookMessage{
		Channel:   s.channel,
		Username:  s.username,
		IconEmoji: ":rocket:",
		Attachments: []slack.Attachment{{
			Color:      slackColor(m.Severity),
			AuthorName: m.subject(),
			Text:       m.Text,
			MarkdownIn: []string{"text"},
			Fields:     fields,
		}},
	}
}

func slackColor(s Severity) string {
	if s == Error {
		return "danger"
	}
	return "good"
}
