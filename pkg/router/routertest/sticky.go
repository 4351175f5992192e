package routertest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// kept is a scene whose users have cookies, and those cookies.
func (s scene) kept() (scene, rollout.Cookies) {
	k := s.with(func(a *v1beta1.CanaryAnalysis) {
		a.SessionAffinity = &v1beta1.SessionAffinity{CookieName: "side", PrimaryCookieName: "stay", MaxAge: 3600, Domain: "example.com", Path: "/"}
	})
	return k, rollout.Cookies{Canary: "side=new", Primary: "stay=new"}
}

func (s scene) sticky(t *testing.T) {
	k, cookies := s.kept()
	for _, w := range []int{1, 50, 99} {
		traffic := rollout.Traffic{Weight: w, Cookies: cookies}
		for _, whole := range []string{"side=new", "a=b; side=new", "side=new; a=b", "a=b;side=new;c=d"} {
			k.shared(t, traffic, header("cookie", whole), 100, "who has met the canary stays: "+whole)
		}
		k.shared(t, traffic, header("cookie", "stay=new"), 0, "who has met the primary stays for a while")
		for _, other := range []string{"side=newer", "beside=new", "side=old", "a=side=new", "a=b"} {
			k.shared(t, traffic, header("cookie", other), w, "another cookie decides nothing: "+other)
		}
		got := k.answer(t, traffic, Request{}).Cookies
		require.Equal(t, []string{"side=new", "Max-Age=3600", "Domain=example.com", "Path=/"}, attributes(got[k.canary.CanaryName()]), "the canary's answers")
		require.Equal(t, []string{"stay=new", "Max-Age=60", "Domain=example.com", "Path=/"}, attributes(got[k.canary.PrimaryName()]), "the primary's, for an interval")
	}
	k.shared(t, rollout.Traffic{Weight: 0, Cookies: cookies}, header("cookie", "side=new"), 0, "a canary that answers nobody may be stopped")
	k.shared(t, rollout.Traffic{Weight: 100, Cookies: cookies}, header("cookie", "stay=new"), 100, "a primary that answers nobody may be broken")
	require.Empty(t, s.answer(t, rollout.Traffic{Weight: 50}, Request{}).Cookies, "nobody gets a cookie unasked")
}

func (s scene) forgetting(t *testing.T) {
	k, _ := s.kept()
	cookies := rollout.Cookies{Expired: "side=old"}
	for _, w := range weights() {
		traffic := rollout.Traffic{Weight: w, Cookies: cookies}
		k.shared(t, traffic, header("cookie", "side=old"), w, "the cookie of the rollout before decides nothing")
		got := k.answer(t, traffic, header("cookie", "side=old")).Cookies
		require.Equal(t, []string{"side=old", "Max-Age=-1", "Domain=example.com", "Path=/"}, attributes(got[k.canary.PrimaryName()]), "and is forgotten")
		require.Empty(t, k.answer(t, traffic, Request{}).Cookies, "others have nothing to forget")
	}
	traffic := rollout.Traffic{Weight: 50, Cookies: rollout.Cookies{Expired: "side=old", Canary: "side=new"}}
	got := k.answer(t, traffic, header("cookie", "side=old")).Cookies
	require.Equal(t, "side=new", attributes(got[k.canary.CanaryName()])[0], "the new cookie takes the place of the old one")
	require.Equal(t, "side=old", attributes(got[k.canary.PrimaryName()])[0], "where no new one is set, the old one goes")
}

func (s scene) stickyAmongMatched(t *testing.T) {
	k, cookies := s.kept()
	k = k.with(func(a *v1beta1.CanaryAnalysis) {
		a.Match = []v1beta1.HTTPMatchRequest{{Headers: exactly("tester")}, {QueryParams: exactly("tester")}}
	})
	for _, tester := range []Request{header("x-user", "tester"), query("tester")} {
		traffic := rollout.Traffic{Weight: 50, Matched: true, Cookies: cookies}
		k.shared(t, traffic, tester, 50, "testers are divided")
		k.shared(t, traffic, carrying(tester, "side=new"), 100, "a tester who has met the canary stays")
		k.shared(t, traffic, carrying(tester, "stay=new"), 0, "and one who has met the primary")
		k.shared(t, traffic, header("cookie", "side=new"), 0, "a cookie makes nobody a tester")
	}
}

func (s scene) previewBeforeSticky(t *testing.T) {
	k, cookies := s.kept()
	k = k.with(func(a *v1beta1.CanaryAnalysis) {
		a.PreviewMatch = []v1beta1.HTTPMatchRequest{{Headers: exactly("insider")}, {QueryParams: exactly("insider")}}
	})
	cookies.Expired = "side=old"
	for _, insider := range []Request{header("x-user", "insider"), query("insider")} {
		for _, cookie := range []string{"side=new", "stay=new", "side=old"} {
			traffic := rollout.Traffic{Weight: 50, Preview: true, Cookies: cookies}
			k.shared(t, traffic, carrying(insider, cookie), 100, "no cookie keeps an insider from the canary: "+cookie)
		}
	}
}

// carrying is a request with a cookie besides.
func carrying(r Request, cookie string) Request {
	headers := map[string]string{"cookie": cookie}
	for name, value := range r.Headers {
		headers[name] = value
	}
	return Request{Headers: headers, Query: r.Query}
}
