package router

import (
	"fmt"
	"maps"
	"time"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// routesOf renders the routes of a VirtualService, and says which of its lists they belong to.
func routesOf(in Input) (kind string, routes []any, err error) {
	s := in.Canary.Spec.Service
	if tcp(s) {
		if err := plain(in.Canary, "a TCP route", "leave out spec.service.appProtocol tcp if requests are HTTP"); err != nil {
			return "", nil, err
		}
		// What a connection shows before it speaks. A match by path or header is refused as unknown:
		// without it the route would take more than was meant.
		var first problem
		route := map[string]any{"route": split(in.Canary, line{weight: in.Traffic.Weight})}
		set(route, "match", matches[networking.L4MatchAttributes](&first, "match", s.Match))
		return "tcp", []any{route}, first.err
	}
	common, err := settings(in.Canary)
	if err != nil {
		return "", nil, err
	}
	lines, err := table(in)
	if err != nil {
		return "", nil, err
	}
	// Istio takes the first route that fits, as a table is meant.
	for _, l := range lines {
		routes = append(routes, routeOf(in.Canary, l, common))
	}
	return "http", routes, nil
}

// settings are what all routes of a service share. Matches are looked at here, one by one as they were written:
// a combination of them would be told by a path that nobody knows.
func settings(c *v1beta1.Canary) (map[string]any, error) {
	s, route := c.Spec.Service, map[string]any{}
	var first problem
	matches[networking.HTTPMatchRequest](&first, "match", s.Match)
	set(route, "rewrite", verbatim[networking.HTTPRewrite](&first, "rewrite", rewrite(s.Rewrite)))
	set(route, "timeout", timeout(&first, s.Timeout))
	set(route, "retries", verbatim[networking.HTTPRetry](&first, "retries", s.Retries))
	set(route, "headers", verbatim[networking.Headers](&first, "headers", s.Headers))
	set(route, "corsPolicy", verbatim[networking.CorsPolicy](&first, "corsPolicy", cors(s.CorsPolicy)))
	if a := c.Spec.Analysis; a != nil {
		first.scope = "spec.analysis."
		matches[networking.HTTPMatchRequest](&first, "match", a.Match)
		matches[networking.HTTPMatchRequest](&first, "previewMatch", a.PreviewMatch)
	}
	return route, first.err
}

// routeOf is one line of the table. Mirrored requests are copies: the route still says who answers.
// A problem cannot be found here any more: settings has looked at each match by itself.
func routeOf(c *v1beta1.Canary, l line, common map[string]any) map[string]any {
	var sound problem
	route := maps.Clone(common)
	set(route, "match", matches[networking.HTTPMatchRequest](&sound, "match", l.match))
	route["route"] = split(c, l)
	if l.mirror > 0 {
		route["mirror"] = destination(c, c.CanaryName())
		route["mirrorPercentage"] = map[string]any{"value": int64(l.mirror)}
	}
	return route
}

// matches keeps the order: Istio takes a request that fits any of them, and logs name the first.
func matches[T any, M interface {
	*T
	proto.Message
}](first *problem, field string, from []v1beta1.HTTPMatchRequest) any {
	if len(from) == 0 {
		return nil
	}
	to := make([]any, len(from))
	for i, m := range from {
		to[i] = verbatim[T, M](first, fmt.Sprintf("%s[%d]", field, i), suffixes(m))
	}
	return to
}

// timeout is checked here, since Istio has no message of its own for it.
func timeout(first *problem, text string) any {
	if text == "" {
		return nil
	}
	lasting(first, "timeout", text)
	return text
}

// lasting reads a duration.
func lasting(first *problem, field, text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		first.note(field, fmt.Sprintf("%q is not a duration such as 15s", text))
	}
	return d
}
