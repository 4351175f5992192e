package metric

import (
	"fmt"
	"regexp"
	"strings"
)

// BuiltinSamples is the template, in PromQL, of what a built-in metric is computed from, so that two workloads can
// be compared. Of SuccessRate these are the numbers of requests over the interval, two elements with the labels
// count="success" and count="total"; of Duration they are the buckets of the histogram, with the label le in the
// unit that the source measures in.
func BuiltinSamples(provider, name string) (string, error) {
	// Its routes lead to both sides, and are what is counted.
	if family, _ := familyOf(provider); family == "apisix" {
		return "", fmt.Errorf("the series of provider %q do not tell the canary from the primary", provider)
	}
	switch name {
	case SuccessRate:
		return Builtin(provider, "request-success-count")
	case Duration:
		return Builtin(provider, "request-duration-buckets")
	}
	return "", fmt.Errorf("there is no built-in metric %q to compare", name)
}

// BoundUnit is the unit of the bounds, le, of the built-in durations of a provider: `ms` or `s`.
func BoundUnit(provider string) string {
	query, err := Builtin(provider, Duration)
	if err == nil && strings.Contains(query, "* 1000") { // to milliseconds
		return "s"
	}
	return "ms"
}

// increases finds where a template of a user's counts the events of a series.
var increases = regexp.MustCompile(`(?s)increase\(\s*([\w:]+(?:\{.*?\})?)\[\{\{-?\s*interval\s*-?\}\}\]\s*\)`)

// Exact is a template, in PromQL, whose `increase(X[{{ interval }}])` are counted as those of the built-in metrics are: a
// series that is new, or counts anew, from 0, and nothing extrapolated. The counts of one interval and of the next one
// add up to those of both.
func Exact(query string) string {
	return increases.ReplaceAllString(query, "(($1 - $1 offset {{ interval }}) >= 0 or $1)")
}
