package notify

import (
	"context"
	"strings"
)

// Discord writes through a webhook, at the endpoint of it that takes Slack's form.
//
// Source: https://discord.com/developers/docs/resources/webhook#execute-slackcompatible-webhook
type Discord struct {
	to   *poster
	form classic
}

// newDiscord takes an address as Discord shows it, and one that somebody has put the endpoint behind.
func newDiscord(o Options) (Notifier, error) {
	to, err := newPoster(o)
	if err != nil {
		return nil, err
	}
	// Elsewhere this form would be refused, as a message of Discord's own without content.
	if path := strings.TrimSuffix(to.address.Path, "/"); !strings.HasSuffix(path, "/slack") {
		to = to.at(path + "/slack")
	}
	return &Discord{to: to, form: classic{
		channel: o.Channel, username: o.Username, escape: plain, colors: palette{good: "good", warn: "warning", bad: "danger"},
	}}, nil
}

// Notify sends the message.
func (d *Discord) Notify(ctx context.Context, m Message) error {
	_, err := d.to.post(ctx, d.form.render(m))
	return err
}
