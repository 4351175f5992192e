package metric

import (
	"strings"

	"github.com/sluice-cd/sluice/pkg/outbound"
)

// File quote.go keeps what servers say out of errors, which everybody can read in a Canary's status. A template may name
// any address, and the operator reaches more of them than who wrote the template: only who says quoteAnswers is shown what
// is there.

// What stands between these marks is a server's. No answer can end a quotation: its own marks are taken out.
const quoteBegins, quoteEnds = "\x0e", "\x0f"

// unquoted stands where nothing is quoted.
const unquoted = "(not quoted without quoteAnswers)"

// quote marks what a server said.
func quote(text string) string {
	if text == "" {
		return ""
	}
	return quoteBegins + unmarked(text) + quoteEnds
}

func unmarked(text string) string {
	return strings.NewReplacer(quoteBegins, "", quoteEnds, "").Replace(text)
}

// said is the beginning of what somebody else has said.
func said(text string) string { return quote(outbound.Line(text, maxText)) }

// withoutQuotes is a text without what servers said in it.
func withoutQuotes(text string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, quoteBegins)
		out.WriteString(before)
		if !found {
			return out.String()
		}
		out.WriteString(unquoted)
		_, text, _ = strings.Cut(rest, quoteEnds)
	}
}

// quoting is an error with its quotations, or without.
func quoting(err error, shown bool) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if !strings.Contains(text, quoteBegins) {
		return err
	}
	if shown {
		return &quotation{text: unmarked(text), err: err}
	}
	return &quotation{text: withoutQuotes(text), err: err}
}

// quotation is an error with another text. What is below is found by errors.Is and errors.As.
type quotation struct {
	text string
	err  error
}

func (q *quotation) Error() string { return q.text }
func (q *quotation) Unwrap() error { return q.err }
