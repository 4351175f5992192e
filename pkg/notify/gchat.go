package notify

import (
	"context"
	"html"
)

// Chat writes through a webhook of a space of Google Chat.
//
// Source: https://developers.google.com/workspace/chat/api/reference/rest/v1/cards
type Chat struct{ to *poster }

func newChat(o Options) (Notifier, error) {
	to, err := newPoster(o)
	if err != nil {
		return nil, err
	}
	return &Chat{to: to}, nil
}

// chatEscape keeps `97 < 99` from being read as the beginning of a tag.
func chatEscape(text string) string { return html.EscapeString(text) }

type chatCards struct {
	Cards []chatCard `json:"cardsV2"`
}

type chatCard struct {
	ID   string      `json:"cardId"`
	Card chatContent `json:"card"`
}

type chatContent struct {
	Header   chatHeader    `json:"header"`
	Sections []chatSection `json:"sections"`
}

type chatHeader struct {
	Title    string `json:"title"`
	Subtitle string `json:"subtitle"`
}

type chatSection struct {
	Widgets []chatWidget `json:"widgets"`
}

// chatWidget is either a paragraph or a line with a label.
type chatWidget struct {
	Paragraph *chatParagraph `json:"textParagraph,omitempty"`
	Labelled  *chatLabelled  `json:"decoratedText,omitempty"`
}

type chatParagraph struct {
	Text string `json:"text"`
}

type chatLabelled struct {
	Label string `json:"topLabel"`
	Text  string `json:"text"`
	Wrap  bool   `json:"wrapText"`
}

// Notify sends the message.
func (c *Chat) Notify(ctx context.Context, m Message) error {
	_, err := c.to.post(ctx, c.render(m))
	return err
}

func (c *Chat) render(m Message) chatCards {
	text := m.text(chatEscape)
	// Cards have no color of their own, only their text.
	if color := (palette{warn: "#FFA500", bad: "#FF0000"}).of(m.Severity); color != "" {
		text = `<font color="` + color + `">` + text + `</font>`
	}
	widgets := []chatWidget{{Paragraph: &chatParagraph{Text: text}}}
	for _, f := range m.Fields {
		value := chatEscape(f.Value)
		if f.Name == ApproveField && f.Value == m.link() {
			value = `<a href="` + value + `">` + value + `</a>`
		}
		widgets = append(widgets, chatWidget{Labelled: &chatLabelled{Label: f.Name, Text: value, Wrap: true}})
	}
	return chatCards{Cards: []chatCard{{
		ID: "rollout",
		Card: chatContent{
			Header:   chatHeader{Title: "Flagger", Subtitle: m.subject()}, // the title that readers' filters know
			Sections: []chatSection{{Widgets: widgets}},
		},
	}}}
}
