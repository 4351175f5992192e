package rollout

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// cookieDigits is the length of a cookie's value: enough that two rollouts never share one.
const cookieDigits = 10

// greet names the cookies of a rollout that begins. Their values follow from the Canary and the revision, so that a
// restart in the middle, or a second look, gives no user another one.
func (t *turn) greet() {
	a := t.Plan.Affinity
	t.forget()
	if a == nil {
		return
	}
	t.next.SessionAffinityCookie = a.CookieName + "=" + t.token("canary")
	if a.PrimaryCookieName != "" {
		t.next.PrimarySessionAffinityCookie = a.PrimaryCookieName + "=" + t.token("primary")
	}
}

// forget ends the cookies of a rollout: browsers that still have one are told to drop it.
func (t *turn) forget() {
	if t.next.SessionAffinityCookie != "" {
		t.next.PreviousSessionAffinityCookie = t.next.SessionAffinityCookie
	}
	t.next.SessionAffinityCookie, t.next.PrimarySessionAffinityCookie = "", ""
}

func (t *turn) token(side string) string {
	sum := sha256.Sum256([]byte(string(t.Names.UID) + "/" + t.next.LastAppliedSpec + "/" + side))
	return hex.EncodeToString(sum[:])[:cookieDigits]
}

// cookies are those in effect: the rollout's own while the canary answers requests, and else the one to be dropped.
func cookies(s v1beta1.CanaryStatus) Cookies {
	if s.CanaryWeight == 0 {
		return Cookies{Expired: s.PreviousSessionAffinityCookie}
	}
	return Cookies{Canary: s.SessionAffinityCookie, Primary: s.PrimarySessionAffinityCookie}
}
