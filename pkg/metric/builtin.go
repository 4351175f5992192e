package metric

import (
	"embed"
	"fmt"
	"regexp"
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
	// A file for each pair, so that a query can be read as such; a test parses them as Prometheus does.
	text, err := builtin.ReadFile("builtin/" + family + "_" + name + ".promql")
	if err != nil {
		return "", fmt.Errorf("there is no built-in metric %q for provider %q", name, provider)
	}
	query := strings.TrimSpace(string(text))
	if name != Duration {
		query = counting.ReplaceAllString(query, "(($1 - $1 offset {{ interval }}) >= 0 or $1)")
	}
	return query, nil
}

// counting finds where events are counted, which rate and increase do from the second sample of a series on. With
// ten pods that fail once each nothing would have failed: the series of failures begins with them. What is sent in their
// place takes a series that is new, or counts anew, from 0. A histogram's quantile needs no such care.
var counting = regexp.MustCompile(`(?s)(?:rate|increase)\((\w+\{.*?\})\[\{\{ interval \}\}\]\)`)

// familyOf says whose series tell of a provider's traffic; `gloo` and `smi:v1alpha2` are providers. Where no
// proxy measures it the application has to, as `http_request_duration_seconds`.
func familyOf(provider string) (family string, known bool) {
	name, _, _ := strings.Cut(provider, ":") // an API version says nothing of who measures
	switch name {
	case "istio", "linkerd", "nginx", "contour", "gloo", "knative", "kuma", "traefik", "skipper", "apisix", "appmesh", "osm":
		return name, true
	case "smi": // whose implementation is not known; manifests of this API rely on Istio's names
		return "istio", true
	case "kubernetes", "gatewayapi":
		return "http", true
	}
	return "", false
}
