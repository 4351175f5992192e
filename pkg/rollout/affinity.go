package rollout

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Session affinity: what browsers are told to remember. docs/decisions/0010 says why nothing here is random. How a
// cookie gets into an answer, and is found in a request, is the router's.

// cookieDigits is the length of a cookie's value: enough that two rollouts never share one.
const cookieDigits = 10

// setCookies names the cookies of a rollout that begins. Their values follow from the Canary and the revision, so that a
// restart in the middle, or a second look, gives no user another one.
func (t *transition) setCookies() {
	a := t.Plan.Affinity
	t.expireCookies()
	if a == nil {
		return
	}
	t.next.SessionAffinityCookie = a.CookieName + "=" + t.cookieValue("canary")
	// Without it users whom chance sent to the primary are drawn anew with each request, until the canary keeps them.
	if a.PrimaryCookieName != "" {
		t.next.PrimarySessionAffinityCookie = a.PrimaryCookieName + "=" + t.cookieValue("primary")
	}
}

// expireCookies ends the cookies of a rollout: browsers that still have one are told to drop it.
func (t *transition) expireCookies() {
	// This is called at the end of a rollout and again when the next one begins: the second time must not lose what
	// the first has noted.
	if t.next.SessionAffinityCookie != "" {
		t.next.PreviousSessionAffinityCookie = t.next.SessionAffinityCookie
	}
	t.next.SessionAffinityCookie, t.next.PrimarySessionAffinityCookie = "", ""
}

// cookieValue is the value of one side's cookie. The UID tells a Canary from one of the same name that was deleted before.
func (t *transition) cookieValue(side string) string {
	sum := sha256.Sum256([]byte(string(t.Names.UID) + "/" + t.next.LastAppliedSpec + "/" + side))
	return hex.EncodeToString(sum[:])[:cookieDigits]
}

// cookies are those in effect: the rollout's own while the canary answers requests, and else the one to be dropped.
func cookies(s v1beta1.CanaryStatus) Cookies {
	// The canary is stopped, or about to be: a cookie that still led there would send its user to nobody.
	if s.CanaryWeight == 0 {
		return Cookies{Expired: s.PreviousSessionAffinityCookie}
	}
	return Cookies{Canary: s.SessionAffinityCookie, Primary: s.PrimarySessionAffinityCookie}
}
