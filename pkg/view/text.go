package view

import (
	"strings"
	"unicode"
)

// The bounds of texts in a View, in characters.
const (
	mostName   = 253
	mostText   = 300
	mostImages = 128
	mostValue  = 60
)

// clean makes text of a cluster fit to be shown: on one line, without what terminals obey or hide, and bounded.
func clean(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsPrint(r):
			return r
		case unicode.IsSpace(r):
			return ' '
		}
		return -1
	}, strings.ToValidUTF8(text, "?"))
	runes := []rune(strings.TrimSpace(text))
	if len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return string(runes)
}

// Clean is text of a cluster as one line that is fit to be shown, with at most so many characters.
func Clean(text string, most int) string { return clean(text, max(most, 1)) }
