package gateway

import (
	"fmt"
	"net/http"
	"strings"

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
)

const corsFilter = "envoy.filters.http.cors"

// cors says which other origins a browser may call from.
type cors struct {
	origins                          []textMatch
	methods, headers, expose, maxAge string
	credentials                      bool
}

// compileCORS reads the route's policy or else the virtual host's; nil: there is none.
func compileCORS(r *route.Route, vh *route.VirtualHost) (*cors, error) {
	config, ok := r.GetTypedPerFilterConfig()[corsFilter]
	if !ok {
		config, ok = vh.GetTypedPerFilterConfig()[corsFilter]
	}
	if !ok {
		return nil, nil
	}
	policy := &corsv3.CorsPolicy{}
	if err := config.UnmarshalTo(policy); err != nil {
		return nil, fmt.Errorf("reading the CORS policy: %w", err)
	}
	out := &cors{
		methods: policy.GetAllowMethods(), headers: policy.GetAllowHeaders(), expose: policy.GetExposeHeaders(),
		maxAge: policy.GetMaxAge(), credentials: policy.GetAllowCredentials().GetValue(),
	}
	for _, origin := range policy.GetAllowOriginStringMatch() {
		match, err := compileText(origin)
		if err != nil {
			return nil, fmt.Errorf("CORS origin: %w", err)
		}
		out.origins = append(out.origins, match)
	}
	return out, nil
}

// allows says whether the request comes from an origin on the list.
func (c *cors) allows(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if c == nil || origin == "" {
		return false
	}
	for _, match := range c.origins {
		if match(origin) {
			return true
		}
	}
	return false
}

// preflight says whether the request only asks what it may do.
func (c *cors) preflight(r *http.Request) bool {
	return c.allows(r) && r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

// mark adds what a browser wants to see on a response; a preflight's answer says more.
func (c *cors) mark(h http.Header, r *http.Request, preflight bool) {
	h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
	set := func(name, value string) {
		if strings.TrimSpace(value) != "" {
			h.Set(name, value)
		}
	}
	if c.credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if preflight {
		set("Access-Control-Allow-Methods", c.methods)
		set("Access-Control-Allow-Headers", c.headers)
		set("Access-Control-Max-Age", c.maxAge)
		return
	}
	set("Access-Control-Expose-Headers", c.expose)
}
