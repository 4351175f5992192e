package notify

import "context"

// Rocket writes through an incoming integration of Rocket.Chat, which takes Slack's form with colors of its own.
//
// Source: https://docs.rocket.chat/docs/integrations
type Rocket struct {
	to   *poster
	form classic
}

// newRocket has colors as numbers: names such as `danger` are Slack's own.
func newRocket(o Options) (Notifier, error) {
	to, err := newPoster(o)
	if err != nil {
		return nil, err
	}
	return &Rocket{to: to, form: classic{
		channel: o.Channel, username: o.Username, escape: plain, colors: palette{good: "#0076D7", warn: "#FFA500", bad: "#FF0000"},
	}}, nil
}

// Notify sends the message.
func (r *Rocket) Notify(ctx context.Context, m Message) error {
	_, err := r.to.post(ctx, r.form.render(m))
	return err
}
