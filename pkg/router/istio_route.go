package router

import (
	"fmt"
	"maps"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	api "istio.io/api/networking/v1alpha3"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// tcpRoutes divide connections. given are the settings of each as the spec has them.
func tcpRoutes(in Input) (routes []*api.TCPRoute, given []map[string]any, err error) {
	c := in.Canary
	if err := plain(c, "a TCP route", "leave out spec.service.appProtocol tcp if requests are HTTP"); err != nil {
		return nil, nil, err
	}
	// What a connection shows before it speaks. A match by path or header is refused as unknown:
	// without it the route would take more than was meant.
	for _, e := range entries(in) {
		match, some := e.match(c.Spec.Service.Match)
		if !some {
			continue
		}
		var s settings
		route := &api.TCPRoute{Match: matches[api.L4MatchAttributes](&s, "match", match)}
		for _, to := range sides(c, in.Traffic.Weight) {
			route.Route = append(route.Route, &api.RouteDestination{Destination: e.destination(to.name), Weight: int32(to.weight)})
		}
		if s.err != nil {
			return nil, nil, s.err
		}
		routes, given = append(routes, route), append(given, s.given)
	}
	return routes, given, nil
}

// httpRoutes are the lines of the table: Istio takes the first route that fits, as a table is meant.
// given are the settings of each as the spec has them.
func httpRoutes(in Input) (routes []*api.HTTPRoute, given []map[string]any, err error) {
	c := in.Canary
	if err := judgeMatches(c); err != nil {
		return nil, nil, err
	}
	common, all := commonRoute(c.Spec.Service)
	if all.err != nil {
		return nil, nil, all.err
	}
	lines, err := table(in)
	if err != nil {
		return nil, nil, err
	}
	for _, l := range lines {
		for _, e := range entries(in) {
			match, some := e.match(l.match)
			if !some {
				continue
			}
			s := settings{given: maps.Clone(all.given)}
			routes = append(routes, httpRoute(c, common, &s, l, e, match))
			given = append(given, s.given)
		}
	}
	return routes, given, nil
}

// httpRoute is one line of the table for what comes in one way.
func httpRoute(c *v1beta1.Canary, common *api.HTTPRoute, s *settings, l line, e entry, match []v1beta1.HTTPMatchRequest) *api.HTTPRoute {
	route := proto.CloneOf(common)
	route.Match = matches[api.HTTPMatchRequest](s, "match", match)
	route.Route = split(c, l, e)
	// Mirrored requests are copies: the route still says who answers.
	if l.mirror > 0 {
		route.Mirror = e.destination(c.CanaryName())
		route.MirrorPercentage = &api.Percent{Value: float64(l.mirror)}
	}
	return route
}

// judgeMatches looks at the matches one by one as they were written: a combination of them would be told by a path that
// nobody knows.
func judgeMatches(c *v1beta1.Canary) error {
	var s settings
	matches[api.HTTPMatchRequest](&s, "match", c.Spec.Service.Match)
	if a := c.Spec.Analysis; a != nil {
		s.scope = "spec.analysis."
		matches[api.HTTPMatchRequest](&s, "match", a.Match)
		for _, p := range previews(a) {
			matches[api.HTTPMatchRequest](&s, p.field, p.match)
		}
	}
	return s.err
}

// commonRoute is what all routes of a service share.
func commonRoute(from v1beta1.CanaryService) (*api.HTTPRoute, settings) {
	var s settings
	route := &api.HTTPRoute{Rewrite: setting[api.HTTPRewrite](&s, "rewrite", rewrite(from.Rewrite))}
	// A duration alone has no message of Istio's own.
	if from.Timeout != "" {
		route.Timeout = durationpb.New(lasting(&s.problem, "timeout", from.Timeout))
		s.keep("timeout", from.Timeout)
	}
	route.Retries = setting[api.HTTPRetry](&s, "retries", from.Retries)
	route.Headers = setting[api.Headers](&s, "headers", from.Headers)
	route.CorsPolicy = setting[api.CorsPolicy](&s, "corsPolicy", cors(from.CorsPolicy))
	return route, s
}

// matches keeps the order: Istio takes a request that fits any of them, and logs name the first.
func matches[T any, M message[T]](s *settings, field string, from []v1beta1.HTTPMatchRequest) []M {
	if len(from) == 0 {
		return nil
	}
	to, given := make([]M, len(from)), make([]any, len(from))
	for i, m := range from {
		to[i], given[i] = decoded[T, M](&s.problem, fmt.Sprintf("%s[%d]", field, i), suffixes(m))
	}
	s.keep(field, given)
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
