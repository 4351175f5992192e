package gateway

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcher "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

// rewrite changes a path: what the route matched as its prefix, or whatever a pattern finds.
type rewrite struct {
	prefix      string
	pattern     *regexp.Regexp
	replacement string
}

// reference is how the pattern's groups are written in a replacement there; Go writes them ${1}.
var reference = regexp.MustCompile(`\\(\d)`)

func compileRewrite(prefix string, regex *matcher.RegexMatchAndSubstitute) (rewrite, error) {
	if regex == nil {
		return rewrite{prefix: prefix}, nil
	}
	pattern, err := regexp.Compile(regex.GetPattern().GetRegex())
	if err != nil {
		return rewrite{}, fmt.Errorf("rewriting by %q: %w", regex.GetPattern().GetRegex(), err)
	}
	literal := strings.ReplaceAll(regex.GetSubstitution(), "$", "$$")
	return rewrite{pattern: pattern, replacement: reference.ReplaceAllString(literal, `$${$1}`)}, nil
}

// path gives the path that a request matched by m goes on with.
func (w rewrite) path(path string, m ruleMatch) string {
	switch {
	case w.pattern != nil:
		return w.pattern.ReplaceAllString(path, w.replacement)
	case w.prefix == "":
		return path
	case m.shape == "regex":
		return w.prefix
	case len(path) >= len(m.prefix):
		return w.prefix + path[len(m.prefix):]
	}
	return path
}

// withPath sets an escaped path; one that can't be read is left as it was.
func withPath(u *url.URL, path string) {
	if parsed, err := url.ParseRequestURI(path); err == nil {
		u.Path, u.RawPath = parsed.Path, parsed.RawPath
	}
}

var redirectStatus = map[route.RedirectAction_RedirectResponseCode]int{
	route.RedirectAction_MOVED_PERMANENTLY:  http.StatusMovedPermanently,
	route.RedirectAction_FOUND:              http.StatusFound,
	route.RedirectAction_SEE_OTHER:          http.StatusSeeOther,
	route.RedirectAction_TEMPORARY_REDIRECT: http.StatusTemporaryRedirect,
	route.RedirectAction_PERMANENT_REDIRECT: http.StatusPermanentRedirect,
}

func compileRedirect(a *route.RedirectAction, m ruleMatch) (func(*http.Request) answer, error) {
	path, err := compileRewrite(a.GetPrefixRewrite(), a.GetRegexRewrite())
	if err != nil {
		return nil, err
	}
	scheme := a.GetSchemeRedirect()
	if a.GetHttpsRedirect() {
		scheme = "https"
	}
	return func(r *http.Request) answer {
		to := url.URL{Scheme: cmp.Or(scheme, "http"), Host: redirectHost(a, r.Host, scheme), RawQuery: r.URL.RawQuery}
		withPath(&to, cmp.Or(a.GetPathRedirect(), path.path(r.URL.EscapedPath(), m)))
		if a.GetStripQuery() {
			to.RawQuery = ""
		}
		return answer{status: redirectStatus[a.GetResponseCode()], location: to.String()}
	}, nil
}

// redirectHost keeps the port only where neither host nor scheme changes it.
func redirectHost(a *route.RedirectAction, host, scheme string) string {
	if a.GetHostRedirect() != "" {
		host = a.GetHostRedirect()
	} else if scheme != "" {
		host = withoutPort(host)
	}
	if port := a.GetPortRedirect(); port != 0 {
		return net.JoinHostPort(withoutPort(host), strconv.Itoa(int(port)))
	}
	return host
}
