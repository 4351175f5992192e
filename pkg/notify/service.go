package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/sluice-cd/sluice/pkg/outbound"
	"github.com/sluice-cd/sluice/pkg/template"
)

// File service.go makes notifiers from what an AlertProvider or the operator's flags say. That happens anew for each
// message, so that a changed Secret counts at once and nothing of it is kept.

// Options say where messages go and how they look.
type Options struct {
	Address  string // of the webhook, a secret
	Token    string // of a bot, or for the bearer of a generic webhook; a secret
	Proxy    string // URL of an HTTP proxy on the way; empty: as the environment says
	CA       []byte // certificates in PEM that the service's must be signed by; empty: those of the system
	Channel  string // empty: general
	Username string // empty: flagger
	Template string // of the text, see CheckTemplate; empty, or one that fails: the text as it is

	Addresses *outbound.Addresses // that may be dialled; nil: all, for what the operator's flags name
	Threads   *Threads            // where a Slack bot's threads are remembered; nil: it makes none
}

// service is one kind of chat service.
// One table instead of a switch in each place, so that Known and New cannot differ.
type service struct {
	make   func(Options) (Notifier, error)
	escape func(string) string // makes plain text what it looks like in the service's markup
}

// services are all kinds there are, by the name an AlertProvider gives them.
func services() map[string]service {
	return map[string]service{
		"slack":   {make: newSlack, escape: slackEscape},
		"msteams": {make: newTeams, escape: plain},
		"discord": {make: newDiscord, escape: plain},
		"rocket":  {make: newRocket, escape: plain},
		"gchat":   {make: newChat, escape: chatEscape},
		"webhook": {make: newWebhook, escape: plain},
	}
}

// Known says whether messages can be sent to a kind of service.
func Known(kind string) bool {
	_, known := services()[kind]
	return known
}

// New is the notifier of a kind of service, `slack`. An unknown kind is an error: a message that is
// sent in another service's form is lost.
func New(kind string, o Options) (Notifier, error) {
	s, known := services()[kind]
	if !known {
		return nil, fmt.Errorf("unknown alert provider type %q", kind)
	}
	// The interface's defaults.
	o.Channel, o.Username = cmp.Or(o.Channel, "general"), cmp.Or(o.Username, "flagger")
	n, err := s.make(o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return &channel{kind: kind, to: n, template: usable(o.Template), escape: s.escape}, nil
}

var errNowhere = errors.New("no address is given")

// channel is one channel of a service, with a text of its user's own where there is a template.
// It is wrapped around every notifier, so that none has to know of templates, nor to name itself in errors.
type channel struct {
	kind     string
	to       Notifier
	template *template.Template // nil: none
	escape   func(string) string
}

// usable is nil for a template that cannot be followed. What is wrong with it is said elsewhere, and a plain
// message is better than none.
func usable(text string) *template.Template {
	if text == "" {
		return nil
	}
	t, err := parseTemplate(text)
	if err != nil {
		return nil
	}
	return t
}

// Notify sends the message with the template's text, or with its own where that fails: by being too long.
func (c *channel) Notify(ctx context.Context, m Message) error {
	if c.template != nil {
		// m is a copy: another attempt begins with the message's own text again.
		if text, err := execute(c.template, factsOf(m, c.escape)); err == nil {
			m.Text, m.marked = text, true
		}
	}
	if err := c.to.Notify(ctx, m); err != nil {
		return fmt.Errorf("%s: %w", c.kind, err)
	}
	return nil
}
