package router

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// Session affinity is done by routes alone: what a side answers carries a cookie, and a request that brings the
// cookie back goes to that side. No proxy has to remember anybody.

// cookieHeader is in the lower case that Istio asks for. HTTP/2 may divide it into several; proxies join them.
const cookieHeader = "cookie"

// day is how long a browser keeps the canary's cookie unless the spec says otherwise, in seconds.
const day = 86400

// carries matches requests that bring a cookie, `name=value`. It is anchored at the bounds of cookies: another one
// whose name or value merely contains this one's must not decide about a user.
func carries(cookie string) v1beta1.HTTPMatchRequest {
	expression := `^(.*;\s*)?` + regexp.QuoteMeta(cookie) + `(\s*;.*)?$`
	return v1beta1.HTTPMatchRequest{Headers: map[string]v1beta1.StringMatch{cookieHeader: {Regex: &expression}}}
}

// setCookie is the header that has a browser keep a cookie for some seconds, or forget it for less than none. A
// browser takes cookies of one name for the same only if domain and path are, too.
func setCookie(a *v1beta1.SessionAffinity, cookie string, maxAge int) string {
	parts := []string{cookie, fmt.Sprintf("Max-Age=%d", maxAge)}
	// In the order of their names: the same spec has to give the same bytes.
	for _, attribute := range []struct {
		text string
		set  bool
	}{
		{"Domain=" + a.Domain, a.Domain != ""},
		{"HttpOnly", a.HTTPOnly},
		{"Partitioned", a.Partitioned},
		{"Path=" + a.Path, a.Path != ""},
		{"SameSite=" + a.SameSite, a.SameSite != ""},
		{"Secure", a.Secure},
	} {
		if attribute.set {
			parts = append(parts, attribute.text)
		}
	}
	return strings.Join(parts, "; ")
}

// cookies are the headers that the two sides' answers get; empty: none. They are set while chance decides, or has
// decided for the canary: at weight zero nobody is to be held anywhere.
func cookies(in Input) (primary, canary string) {
	a, c, weight := affinity(in.Canary), in.Traffic.Cookies, in.Traffic.Weight
	if a == nil {
		return "", ""
	}
	// For one interval: those who bring it are not sent it again (see divided), so that the next weight reaches them.
	if c.Primary != "" && weight > 0 && weight < 100 {
		primary = setCookie(a, c.Primary, seconds(in.Canary.Spec.Analysis.Interval))
	}
	if c.Canary != "" && weight > 0 {
		age := a.MaxAge
		if age == 0 {
			age = day
		}
		canary = setCookie(a, c.Canary, age)
	}
	return primary, canary
}

// soundAffinity refuses cookies that no browser would take, or that a match on the cookie header stands against, in one
// of the lists whose requests are split.
func soundAffinity(c *v1beta1.Canary, split ...[]v1beta1.HTTPMatchRequest) error {
	a := affinity(c)
	if a == nil {
		return nil
	}
	for _, f := range []struct {
		field, value string
		sound        bool
	}{
		{"cookieName", a.CookieName, token(a.CookieName)},
		{"primaryCookieName", a.PrimaryCookieName, a.PrimaryCookieName == "" || token(a.PrimaryCookieName)},
		{"domain", a.Domain, whole(a.Domain)},
		{"path", a.Path, whole(a.Path)},
	} {
		if !f.sound {
			return &rollout.InvalidError{Field: "spec.analysis.sessionAffinity." + f.field, Problem: fmt.Sprintf("%q cannot be part of a cookie", f.value)}
		}
	}
	// Tried out with any value, so that a clash is told when the Canary is applied and not in mid-rollout.
	for _, among := range split {
		if _, _, err := sticky(a.CookieName+"=", among); err != nil {
			return err
		}
	}
	return nil
}

// sticky are the requests among some that bring a cookie.
func sticky(cookie string, among []v1beta1.HTTPMatchRequest) ([]v1beta1.HTTPMatchRequest, bool, error) {
	both, some, err := narrow("", []v1beta1.HTTPMatchRequest{carries(cookie)}, among)
	if err != nil {
		return nil, false, &rollout.InvalidError{
			Field:   "spec.analysis.sessionAffinity",
			Problem: "needs the cookie header to itself, and a match asks for it too; leave it out of the match, or compare another header",
		}
	}
	return both, some, nil
}

// affinity is nil where every request is decided anew.
func affinity(c *v1beta1.Canary) *v1beta1.SessionAffinity {
	if c.Spec.Analysis == nil {
		return nil
	}
	return c.Spec.Analysis.SessionAffinity
}

// seconds is an analysis' interval, with the contract's bounds: a minute where it cannot be read, ten seconds at least.
func seconds(interval string) int {
	d, err := time.ParseDuration(interval)
	if err != nil {
		d = time.Minute
	}
	return int(max(d, 10*time.Second) / time.Second)
}

// token says whether RFC 6265 has a text for the name of a cookie.
func token(name string) bool {
	odd := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r) }
	return name != "" && !strings.ContainsFunc(name, odd)
}

// whole says whether an attribute stays in one piece.
// A semicolon in it would begin another attribute, and a line break another header.
func whole(attribute string) bool {
	return !strings.ContainsFunc(attribute, func(r rune) bool { return r == ';' || r < ' ' || r > '~' })
}
