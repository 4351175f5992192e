package notify

// File adaptivecard.go is what workflows of Teams are sent, which do not know the card of msteams.go.
//
// The parts of an adaptive card that a message is made of.
//
// Source: https://learn.microsoft.com/connectors/teams/#request-body-schema-for-message-or-adaptive-card

type envelope struct {
	Type        string     `json:"type"`
	Attachments []enclosed `json:"attachments"`
}

type enclosed struct {
	ContentType string `json:"contentType"`
	Content     card   `json:"content"`
}

type card struct {
	Schema  string     `json:"$schema"`
	Type    string     `json:"type"`
	Version string     `json:"version"`
	Body    []element  `json:"body"`
	Actions []cardLink `json:"actions,omitempty"`
	// Outside the standard of the cards: only Teams reads it.
	Teams map[string]any `json:"msteams"`
}

// element is a TextBlock or a FactSet; what a kind has no use for is left out.
type element struct {
	Type   string     `json:"type"`
	Text   string     `json:"text,omitempty"`
	Weight string     `json:"weight,omitempty"`
	Size   string     `json:"size,omitempty"`
	Color  string     `json:"color,omitempty"`
	Subtle bool       `json:"isSubtle,omitempty"`
	Wrap   bool       `json:"wrap,omitempty"`
	Facts  []cardFact `json:"facts,omitempty"`
}

// cardLink is a button.
type cardLink struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

type cardFact struct {
	Title string `json:"title"`
	Value string `json:"value"`
}

func adaptiveCard(m Message) any {
	// Everything wraps: a block is cut off at the end of its line otherwise.
	body := []element{
		{Type: "TextBlock", Text: m.Text, Weight: "Bolder", Size: "Medium", Wrap: true, Color: palette{good: "Good", warn: "Warning", bad: "Attention"}.of(m.Severity)},
		{Type: "TextBlock", Text: m.subject(), Subtle: true, Wrap: true},
	}
	if len(m.Fields) > 0 {
		facts := make([]cardFact, 0, len(m.Fields))
		for _, f := range m.Fields {
			facts = append(facts, cardFact{Title: f.Name, Value: f.Value})
		}
		body = append(body, element{Type: "FactSet", Facts: facts})
	}
	var links []cardLink
	if to := m.link(); to != "" {
		links = []cardLink{{Type: "Action.OpenUrl", Title: ApproveField, URL: to}}
	}
	return envelope{Type: "message", Attachments: []enclosed{{
		ContentType: "application/vnd.microsoft.card.adaptive",
		Content: card{
			Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard",
			Version: "1.4", // what every client of Teams shows
			Body:    body, Actions: links, Teams: map[string]any{"width": "Full"},
		},
	}}}
}
