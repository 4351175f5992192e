package notify

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Teams writes through an incoming webhook of a channel, or through a workflow. Both are given as a URL, which
// tells them apart: they take different cards.
//
// Sources: https://learn.microsoft.com/outlook/actionable-messages/message-card-reference,
// https://adaptivecards.io/explorer/
type Teams struct {
	to   *poster
	card func(Message) any
}

// newTeams looks at the host, since AlertProviders have one type for both.
func newTeams(o Options) (Notifier, error) {
	to, err := newPoster(o)
	if err != nil {
		return nil, err
	}
	t := &Teams{to: to, card: messageCard}
	if workflow(to.address.Hostname()) {
		t.card = adaptiveCard
	}
	return t, nil
}

// workflow says that a host runs workflows, which know adaptive cards only. Everything else is taken for what
// webhooks have always been: *.webhook.office.com, and relays to it.
func workflow(host string) bool {
	host = strings.ToLower(host)
	// Without what follows the last dot: national clouds have domains of their own.
	for _, part := range []string{".logic.azure.", ".powerautomate.", ".powerplatform."} {
		if strings.Contains("."+host, part) {
			return true
		}
	}
	return false
}

// Notify sends the message.
func (t *Teams) Notify(ctx context.Context, m Message) error {
	said, err := t.to.post(ctx, t.card(m))
	if err != nil {
		return err
	}
	return t.accepted(said)
}

// nestedStatus is how a webhook passes on that the service behind it refused: in the text of a 200.
//
// Source: https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
var nestedStatus = regexp.MustCompile(`returned HTTP error (\d{3})`)

func (t *Teams) accepted(said []byte) error {
	found := nestedStatus.FindSubmatch(said)
	if found == nil {
		return nil
	}
	code, err := strconv.Atoi(string(found[1]))
	if err != nil { // three digits are a number
		return err
	}
	// As if the service had answered so itself: a 429 or 5xx in a text is tried again by the queue too.
	return fmt.Errorf("posting to %q: %w", t.to.address.Host, t.to.refusal(code, nil, said))
}

// fact is a line of a card, and of the generic webhook, which took the same form.
type fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type section struct {
	Title    string `json:"activityTitle"`
	Subtitle string `json:"activitySubtitle"`
	Facts    []fact `json:"facts"`
}

// legacyCard is the form of an Office 365 connector.
type legacyCard struct {
	Type     string       `json:"@type"`
	Context  string       `json:"@context"`
	Color    string       `json:"themeColor"`
	Summary  string       `json:"summary"`
	Sections []section    `json:"sections"`
	Actions  []legacyLink `json:"potentialAction,omitempty"`
}

// legacyLink is a button.
type legacyLink struct {
	Type    string         `json:"@type"`
	Name    string         `json:"name"`
	Targets []legacyTarget `json:"targets"`
}

type legacyTarget struct {
	OS  string `json:"os"`
	URI string `json:"uri"`
}

// messageCard has the text twice, as the interface has it: a card without a summary is refused.
func messageCard(m Message) any {
	facts := make([]fact, 0, len(m.Fields))
	for _, f := range m.Fields {
		facts = append(facts, fact(f))
	}
	var links []legacyLink
	if to := m.link(); to != "" {
		links = []legacyLink{{Type: "OpenUri", Name: ApproveField, Targets: []legacyTarget{{OS: "default", URI: to}}}}
	}
	return legacyCard{
		Type: "MessageCard", Context: "http://schema.org/extensions", Color: palette{good: "0076D7", warn: "FFA500", bad: "FF0000"}.of(m.Severity),
		Summary:  m.Text,
		Sections: []section{{Title: m.Text, Subtitle: m.subject(), Facts: facts}},
		Actions:  links,
	}
}
