package gateway

import (
	"cmp"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

var redirectStatus = map[route.RedirectAction_RedirectResponseCode]int{
	route.RedirectAction_MOVED_PERMANENTLY:  http.StatusMovedPermanently,
	route.RedirectAction_FOUND:              http.StatusFound,
	route.RedirectAction_SEE_OTHER:          http.StatusSeeOther,
	route.RedirectAction_TEMPORARY_REDIRECT: http.StatusTemporaryRedirect,
	route.RedirectAction_PERMANENT_REDIRECT: http.StatusPermanentRedirect,
}

// compileRedirect sends clients to another host or port, for the same path.
func compileRedirect(a *route.RedirectAction) (func(*http.Request) answer, error) {
	// istiod always sets a path, which is empty where it stays.
	path := a.GetPathRedirect() + a.GetPrefixRewrite()
	if path != "" || a.GetRegexRewrite() != nil || a.GetSchemeRewriteSpecifier() != nil || a.GetStripQuery() {
		return nil, errors.New("redirecting to another path or scheme is not supported")
	}
	return func(r *http.Request) answer {
		to := url.URL{Scheme: "http", Host: cmp.Or(a.GetHostRedirect(), r.Host), Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
		if port := a.GetPortRedirect(); port != 0 {
			to.Host = net.JoinHostPort(withoutPort(to.Host), strconv.Itoa(int(port)))
		}
		return answer{status: redirectStatus[a.GetResponseCode()], location: to.String()}
	}, nil
}
