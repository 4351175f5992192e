package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackutilsx"
)

// slackAPI is where bots write to when no address is given.
const slackAPI = "https://slack.com/api/chat.postMessage"

// Slack writes through an incoming webhook, or as a bot when it has a token. A bot that is given Threads
// keeps the messages of each rollout together, see thread.go.
//
// Sources: https://api.slack.com/messaging/webhooks, https://api.slack.com/methods/chat.postMessage
//
// Slack shows a name and an icon of ours only with the scope chat:write.customize; without it the bot's own.
type Slack struct {
	to      *poster
	form    classic
	threads *Threads
}

func newSlack(o Options) (Notifier, error) {
	if o.Address == "" && o.Token == "" {
		return nil, errors.New("neither an address nor a token is given")
	}
	if o.Address == "" {
		o.Address = slackAPI
	}
	to, err := newPoster(o)
	if err != nil {
		return nil, err
	}
	s := &Slack{to: to, form: classic{
		channel: o.Channel, username: o.Username, escape: slackEscape, colors: palette{good: "good", warn: "warning", bad: "danger"},
	}}
	// Without a token there is nothing that a thread could be begun with: a webhook is not told where its message is.
	if o.Token != "" {
		s.threads = o.Threads
	}
	return s, nil
}

// slackEscape keeps `97 < 99` from being read as the beginning of a link.
//
// Source: https://api.slack.com/reference/surfaces/formatting#escaping
func slackEscape(text string) string { return slackutilsx.EscapeMessage(text) }

// Notify sends the message, in the thread of its rollout where there is one.
func (s *Slack) Notify(ctx context.Context, m Message) error {
	if s.threads == nil || m.Rollout == "" {
		_, err := s.say(ctx, s.to, s.form.render(m))
		return err
	}
	return s.inThread(ctx, m)
}

// place is where a message is: what a bot is answered.
// Channel is the channel's id, which the methods that follow need: what the user gave may be its name.
type place struct {
	Channel string `json:"channel"`
	TS      string `json:"ts"`
}

// refusalError is a no of the API, which comes with a 200.
type refusalError struct{ reason string }

func (e *refusalError) Error() string { return "refused: " + e.reason }

// say posts to a method of the API. It looks into the answer, since a bot is refused with a 200. A webhook
// answers `ok`, which is no JSON, and so do the receivers that only understand webhooks.
func (s *Slack) say(ctx context.Context, to *poster, message any) (place, error) {
	said, err := to.post(ctx, message)
	if err != nil {
		return place{}, err
	}
	var answer struct {
		place
		Error string `json:"error"`
	}
	// What is no JSON, or has no error in it, was taken: the status was a 2xx.
	if err := json.Unmarshal(said, &answer); err != nil || answer.Error == "" {
		return answer.place, nil
	}
	// Not a StatusError, so that the queue does not try again: a no of the API stays one.
	return place{}, fmt.Errorf("posting to %q: %w", to.address.Host, &refusalError{reason: to.secrets.Hide(answer.Error)})
}

// updates is the method that changes a message, beside the one that posts it; nil for a receiver that is not
// Slack's own API.
func (s *Slack) updates() *poster {
	// By the path and not by the host: a relay that passes the API on has the same paths.
	base, ok := strings.CutSuffix(s.to.address.Path, "/chat.postMessage")
	if !ok {
		return nil
	}
	return s.to.at(base + "/chat.update")
}

// correction is a message in place of one that was posted.
type correction struct {
	place
	Attachments []slack.Attachment `json:"attachments"`
}
