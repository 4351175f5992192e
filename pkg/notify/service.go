package notify

import "fmt"

// Options say where messages go and how they look.
type Options struct {
	Address  string // of the webhook, a secret
	Token    string // of a bot, a secret
	Proxy    string // URL of an HTTP proxy on the way; empty: as the environment says
	Channel  string // empty: general
	Username string // empty: flagger
}

// Known says whether messages can be sent to a kind of service.
func Known(service string) bool { return service == "slack" }

// New is the notifier of a kind of service, `slack`. An unknown kind is an error: a message that is
// sent in another service's form is lost.
func New(service string, o Options) (Notifier, error) {
	if o.Channel == "" {
		o.Channel = "general"
	}
	if o.Username == "" {
		o.Username = "flagger"
	}
	switch service {
	case "slack":
		return newSlack(o)
	case "msteams", "discord", "rocket", "gchat":
		return nil, fmt.Errorf("alert provider type %q is not supported yet, only slack is", service)
	}
	return nil, fmt.Errorf("unknown alert provider type %q", service)
}
