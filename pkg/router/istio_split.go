package router

import "github.com/sluice-cd/sluice/pkg/apis/v1beta1"

// split names both sides at every weight. A weight of zero is written out, as Istio's own JSON would not:
// people, and whoever compares objects, shall see that it was chosen.
func split(c *v1beta1.Canary, l line) []any {
	return []any{
		share(c, c.PrimaryName(), 100-l.weight, l.primaryCookie),
		share(c, c.CanaryName(), l.weight, l.canaryCookie),
	}
}

// share is one side's part of the requests. Its cookie is set on its own answers alone.
// The header is added and not set: the app's own cookies stay.
func share(c *v1beta1.Canary, host string, weight int, cookie string) any {
	s := map[string]any{"destination": destination(c, host), "weight": int64(weight)}
	if cookie != "" {
		s["headers"] = map[string]any{"response": map[string]any{"add": map[string]any{"Set-Cookie": cookie}}}
	}
	return s
}

// destination is a side's Service. With more than one port Istio keeps the port that was asked, which at a gateway
// is the gateway's own and none of the Service's, so there it has to be named.
func destination(c *v1beta1.Canary, host string) map[string]any {
	s := c.Spec.Service
	d := map[string]any{"host": host}
	if s.PortDiscovery && (s.Delegation || outside(s)) {
		d["port"] = map[string]any{"number": int64(s.Port)}
	}
	return d
}
