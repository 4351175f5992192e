package metric

import (
	"embed"
	"fmt"
	"strings"
)

// The metrics that need no query of the user's.
const (
	// SuccessRate is the percentage of requests that did not end in a 5xx.
	SuccessRate = "request-success-rate"
	// Duration is the 99th percentile of the time that requests take, in milliseconds.
	Duration = "request-duration"
)

// The queries end in the units above, whatever a source measures in.
//
//go:embed builtin/*.promql
var builtin embed.FS

// Builtin is the template, in PromQL, of a built-in metric on a traffic provider. An unknown pair is
// an error: a query for another provider would find nothing, or something else.
func Builtin(provider, name string) (string, error) {
	family, known := familyOf(provider)
	if !known {
		return "", fmt.Errorf("there are no built-in metrics for provider %q", provider)
	}
	text, err := builtin.ReadFile("builtin/" + family + "_" + name + ".promql")
	if err != nil {
		return "", fmt.Errorf("there is no built-in metric %q for provider %q", name, provider)
	}
	return strings.TrimSpace(string(text)), nil
}

// familyOf says whose series tell of a provider's traffic. Where no proxy measures it the
// application has to, as `http_request_duration_seconds`.
func familyOf(provider string) (family string, known bool) {
	switch {
	case provider == "istio":
		return "istio", true
	case provider == "kubernetes", strings.HasPrefix(provider, "gatewayapi"):
		return "http", true
	}
	return "", false
}
