package view

import (
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/duration"
)

// Style is how lines are written.
type Style struct {
	Now   time.Time // ages are counted from, and times of day are told in its zone
	Color bool
	ASCII bool
	// Width and Height are those of the terminal; zero: of no matter.
	Width, Height int
	// Runs is how many runs of a Canary are shown at most; zero: all.
	Runs int
}

// color is how a terminal is told about a color.
type color string

const (
	plain  color = ""
	bold   color = "1"
	faint  color = "2"
	red    color = "31"
	green  color = "32"
	yellow color = "33"
	cyan   color = "36"
)

// segment is a piece of a line in one color.
type segment struct {
	text  string
	color color
}

type line []segment

func (l line) width() (n int) {
	for _, s := range l {
		n += utf8.RuneCountInString(s.text)
	}
	return n
}

// padded is a line with as many spaces at its end as a column needs.
func (l line) padded(width int) line {
	return append(l[:len(l):len(l)], segment{text: strings.Repeat(" ", max(width-l.width(), 0))})
}

// write makes text of a line.
func (s Style) write(l line) string {
	var out strings.Builder
	left := s.Width
	for i, seg := range l {
		text := seg.text
		if i == len(l)-1 {
			text = strings.TrimRight(text, " ")
		}
		if s.Width > 0 {
			runes := []rune(text)
			text = string(runes[:min(len(runes), left)])
			left -= min(len(runes), left)
		}
		if s.ASCII {
			text = ascii(text)
		}
		if s.Color && seg.color != plain && text != "" {
			text = "\x1b[" + string(seg.color) + "m" + text + "\x1b[0m"
		}
		out.WriteString(text)
	}
	return strings.TrimRight(out.String(), " ")
}

// The signs beside the words for states, and before names.
const (
	signs  = "✔✖॥◌■⟳⧉□⊞├└│─→…"
	simple = "+x=~-@*o%|`|->."
)

// ascii has each character that is not in ASCII replaced by one that is, so that columns stay.
func ascii(text string) string {
	from, to := []rune(signs), []rune(simple)
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf {
			return r
		}
		for i := range from {
			if from[i] == r {
				return to[i]
			}
		}
		return '?'
	}, text)
}

// sign stands before the word for a state.
func (s State) sign() string {
	switch s {
	case Healthy:
		return "✔"
	case Degraded:
		return "✖"
	case Paused:
		return "॥"
	case Progressing:
		return "◌"
	case Stopped:
		return "■"
	case Unknown:
		return "?"
	}
	return ""
}

func (s State) color() color {
	switch s {
	case Healthy:
		return green
	case Degraded:
		return red
	case Paused:
		return yellow
	case Progressing:
		return cyan
	default:
		return faint
	}
}

// status is a word with the sign of its state; the word alone where there is none.
func status(state State, word string) segment {
	if state == "" {
		return segment{text: word}
	}
	return segment{state.sign() + " " + word, state.color()}
}

// age is how long ago something was, as kubectl tells it.
func (s Style) age(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return duration.HumanDuration(max(s.Now.Sub(at), 0))
}

// Sign is the sign of a state, in its color.
func (s Style) Sign(state State) string { return s.write(line{{state.sign(), state.color()}}) }
