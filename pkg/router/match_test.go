package router

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/utils/ptr"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

func exact(text string) *v1beta1.StringMatch  { return &v1beta1.StringMatch{Exact: &text} }
func prefix(text string) *v1beta1.StringMatch { return &v1beta1.StringMatch{Prefix: &text} }
func suffix(text string) *v1beta1.StringMatch { return &v1beta1.StringMatch{Suffix: &text} }
func regex(text string) *v1beta1.StringMatch  { return &v1beta1.StringMatch{Regex: &text} }

func TestTextsAreJoined(t *testing.T) {
	cases := map[string]struct {
		reason string
		a, b   *v1beta1.StringMatch
		want   *v1beta1.StringMatch
		never  bool
		clash  bool
	}{
		"Neither":             {reason: "nothing is asked"},
		"One":                 {reason: "one asks", a: prefix("/a"), want: prefix("/a")},
		"Present":             {reason: "what has a value is there", a: &v1beta1.StringMatch{}, b: exact("1"), want: exact("1")},
		"PresentAlone":        {reason: "being there is something", a: &v1beta1.StringMatch{}, want: &v1beta1.StringMatch{}},
		"Same":                {reason: "the same is asked twice", a: regex("a+"), b: regex("a+"), want: regex("a+")},
		"Different":           {reason: "no text is two texts", a: exact("a"), b: exact("b"), want: exact("a"), never: true},
		"ExactInPrefix":       {reason: "the text begins so", a: exact("/api/x"), b: prefix("/api"), want: exact("/api/x")},
		"ExactOutOfPrefix":    {reason: "the text begins otherwise", a: prefix("/api"), b: exact("/web"), want: exact("/web"), never: true},
		"ExactInSuffix":       {reason: "the text ends so", a: exact("a.css"), b: suffix(".css"), want: exact("a.css")},
		"ExactInRegex":        {reason: "the whole text fits the expression", a: exact("aab"), b: regex("a+b"), want: exact("aab")},
		"ExactPartOfRegex":    {reason: "a part of the text is not enough", a: exact("aabb"), b: regex("a+b"), want: exact("aabb"), never: true},
		"ExactAndAlternative": {reason: "an alternative does not break the anchors", a: exact("ax"), b: regex("a|b"), want: exact("ax"), never: true},
		"ExactAndBroken":      {reason: "an expression that is none decides nothing", a: exact("a"), b: regex("("), want: exact("a"), never: true, clash: true},
		"LongerPrefix":        {reason: "one beginning is in the other", a: prefix("/api"), b: prefix("/api/v2"), want: prefix("/api/v2")},
		"ShorterPrefix":       {reason: "whichever is named first", a: prefix("/api/v2"), b: prefix("/api"), want: prefix("/api/v2")},
		"OtherPrefix":         {reason: "nothing begins both ways", a: prefix("/api"), b: prefix("/web"), want: prefix("/web"), never: true},
		"Suffixes":            {reason: "one end is in the other", a: suffix(".css"), b: suffix("main.css"), want: suffix("main.css")},
		"OtherSuffix":         {reason: "nothing ends both ways", a: suffix(".css"), b: suffix(".js"), want: suffix(".js"), never: true},
		"PrefixAndSuffix":     {reason: "no one comparison says both", a: prefix("a"), b: suffix("b"), want: prefix("a"), clash: true},
		"Expressions":         {reason: "nor are two expressions one", a: regex("a+"), b: regex("b+"), want: regex("a+"), clash: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			j := &junction{}
			require.Equal(t, tc.want, j.text("uri", tc.a, tc.b), tc.reason)
			require.Equal(t, tc.never, j.never, tc.reason)
			require.Equal(t, tc.clash, j.clash == "uri", tc.reason)
		})
	}
}

func headers(name string, s *v1beta1.StringMatch) map[string]v1beta1.StringMatch {
	return map[string]v1beta1.StringMatch{name: *s}
}

func TestMatchesAreJoined(t *testing.T) {
	type match = v1beta1.HTTPMatchRequest
	cases := map[string]struct {
		reason string
		a, b   match
		want   match
		junction
	}{
		"Everything": {
			reason: "fields that one of the two has are all asked for",
			a:      match{Headers: headers("X-A", exact("1")), QueryParams: headers("q", exact("2")), SourceLabels: map[string]string{"app": "shop"}, Method: exact("GET")},
			b: match{
				Name: "api", URI: prefix("/api"), IgnoreURICase: true, Scheme: exact("https"), Authority: exact("a.b"), Headers: headers("x-b", exact("3")),
				WithoutHeaders: headers("x-c", exact("4")), Port: 80, SourceLabels: map[string]string{"tier": "front"}, SourceNamespace: "shop", Gateways: []string{"mesh"}, StatPrefix: "s",
			},
			want: match{
				Name: "api", URI: prefix("/api"), IgnoreURICase: true, Scheme: exact("https"), Authority: exact("a.b"), Method: exact("GET"), QueryParams: headers("q", exact("2")),
				Headers:        map[string]v1beta1.StringMatch{"x-a": *exact("1"), "x-b": *exact("3")},
				WithoutHeaders: headers("x-c", exact("4")), Port: 80, SourceLabels: map[string]string{"app": "shop", "tier": "front"}, SourceNamespace: "shop", Gateways: []string{"mesh"}, StatPrefix: "s",
			},
		},
		"OneHeader": {
			reason: "a header is one, whichever case it is written in",
			a:      match{Headers: headers("Cookie", exact("a"))}, b: match{Headers: headers("cookie", regex("b"))},
			want:     match{Headers: headers("cookie", exact("a"))},
			junction: junction{never: true},
		},
		"ClashingHeader": {
			reason: "the field is named",
			a:      match{Headers: headers("cookie", regex("a"))}, b: match{Headers: headers("cookie", regex("b"))},
			want:     match{Headers: headers("cookie", regex("a"))},
			junction: junction{clash: "headers.cookie"},
		},
		"ParametersKeepCase": {
			reason: "a parameter is not a header",
			a:      match{QueryParams: headers("A", exact("1"))}, b: match{QueryParams: headers("a", exact("2"))},
			want: match{QueryParams: map[string]v1beta1.StringMatch{"A": *exact("1"), "a": *exact("2")}},
		},
		"CaseOfPath": {
			reason: "a comparison without case and one with it are not one",
			a:      match{URI: exact("/A"), IgnoreURICase: true}, b: match{URI: exact("/A")},
			want:     match{URI: exact("/A"), IgnoreURICase: true},
			junction: junction{clash: "uri"},
		},
		"CaseOfPathGiven": {
			reason: "case matters only to the path that said so",
			a:      match{IgnoreURICase: true}, b: match{URI: exact("/A")}, want: match{URI: exact("/A")},
		},
		"Refusals": {
			reason: "two refusals of one header are not one",
			a:      match{WithoutHeaders: headers("x", exact("1"))}, b: match{WithoutHeaders: headers("x", exact("2"))},
			want:     match{WithoutHeaders: headers("x", exact("1"))},
			junction: junction{clash: "withoutHeaders.x"},
		},
		"Gateways": {
			reason: "a request comes through one of those that both name",
			a:      match{Gateways: []string{"mesh", "edge"}}, b: match{Gateways: []string{"edge"}}, want: match{Gateways: []string{"edge"}},
		},
		"OtherGateways": {
			reason: "or there is none", a: match{Gateways: []string{"mesh"}}, b: match{Gateways: []string{"edge"}}, want: match{Gateways: []string{}},
			junction: junction{never: true},
		},
		"OtherPort":      {reason: "a request asks one port", a: match{Port: 80}, b: match{Port: 81}, want: match{Port: 80}, junction: junction{never: true}},
		"OtherNamespace": {reason: "a caller has one namespace", a: match{SourceNamespace: "a"}, b: match{SourceNamespace: "b"}, want: match{SourceNamespace: "a"}, junction: junction{never: true}},
		"OtherLabel": {
			reason: "a label has one value", a: match{SourceLabels: map[string]string{"a": "1"}}, b: match{SourceLabels: map[string]string{"a": "2"}},
			want: match{SourceLabels: map[string]string{"a": "1"}}, junction: junction{never: true},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			a, b := *tc.a.DeepCopy(), *tc.b.DeepCopy()
			got, j := join(tc.a, tc.b)
			require.Equal(t, tc.want, got, tc.reason)
			require.Equal(t, tc.junction, j, tc.reason)
			require.Equal(t, a, tc.a, "a spec is not written to")
			require.Equal(t, b, tc.b, "a spec is not written to")
		})
	}
}

func TestNarrow(t *testing.T) {
	type list = []v1beta1.HTTPMatchRequest
	a, b, c := v1beta1.HTTPMatchRequest{Method: exact("GET")}, v1beta1.HTTPMatchRequest{URI: prefix("/a")}, v1beta1.HTTPMatchRequest{URI: prefix("/b")}
	cases := map[string]struct {
		reason        string
		first, second list
		want          list
		some          bool
		err           *rollout.InvalidError
	}{
		"Neither": {reason: "nothing is asked for", some: true},
		"First":   {reason: "an empty list asks for nothing", first: list{a}, want: list{a}, some: true},
		"Second":  {reason: "whichever it is", second: list{a}, want: list{a}, some: true},
		"Combined": {
			reason: "every combination, in order", first: list{a, b}, second: list{b, c}, some: true,
			want: list{{Method: exact("GET"), URI: prefix("/a")}, {Method: exact("GET"), URI: prefix("/b")}, b},
		},
		"Nobody": {reason: "an empty list must not be taken for everybody", first: list{b}, second: list{c}},
		"Clash": {
			reason: "both fields are named", first: list{a, {URI: suffix("x")}}, second: list{b},
			err: &rollout.InvalidError{
				Field: "spec.analysis.match[1].uri",
				Problem: "cannot be asked for together with spec.service.match[0].uri: no single comparison says both; " +
					"leave it out in one of the two, or compare exactly",
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, some, err := narrow("spec.analysis.match", tc.first, tc.second)
			if tc.err != nil {
				require.Equal(t, tc.err, err, tc.reason)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.some, some, tc.reason)
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}

func TestSetCookie(t *testing.T) {
	cases := map[string]struct {
		reason   string
		affinity v1beta1.SessionAffinity
		age      int
		want     string
	}{
		"Bare":   {reason: "an attribute that is not asked for is not there", age: 10, want: "side=x; Max-Age=10"},
		"Forget": {reason: "less than no time is now", age: -1, want: "side=x; Max-Age=-1"},
		"InOrder": {
			reason: "the order is the interface's", age: 86400,
			affinity: v1beta1.SessionAffinity{Domain: "example.com", HTTPOnly: true, Partitioned: true, Path: "/app", SameSite: "Strict", Secure: true},
			want:     "side=x; Max-Age=86400; Domain=example.com; HttpOnly; Partitioned; Path=/app; SameSite=Strict; Secure",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, setCookie(&tc.affinity, "side=x", tc.age), tc.reason)
		})
	}
}

func TestPrimaryCookieLastsAnInterval(t *testing.T) {
	for interval, want := range map[string]int{"1m": 60, "90s": 90, "2h": 7200, "1s": 10, "": 60, "soon": 60} {
		require.Equal(t, want, seconds(interval), "interval %q", interval)
	}
}

func TestCarries(t *testing.T) {
	cookie := carries("a.b=c+d").Headers["cookie"]
	for text, want := range map[string]bool{
		"a.b=c+d": true, "x=y; a.b=c+d": true, "a.b=c+d;x=y": true, "x=y;  a.b=c+d ; z": true, "x=a;a.b=c+d": true,
		"a.b=c+de": false, "xa.b=c+d": false, "aXb=c+d": false, "a.b=ccd": false, "x=a.b=c+d": false, "a.b=": false, "": false,
	} {
		got, err := fits(text, &cookie)
		require.NoError(t, err)
		require.Equal(t, want, got, "cookies %q", text)
	}
}

func TestCookiesThatNoBrowserTakes(t *testing.T) {
	cases := map[string]struct {
		reason   string
		affinity v1beta1.SessionAffinity
		match    []v1beta1.HTTPMatchRequest // of the service
		tested   []v1beta1.HTTPMatchRequest // of the analysis
		rounds   int
		field    string
	}{
		"Sound":   {reason: "all that is used", affinity: v1beta1.SessionAffinity{CookieName: "__Host-a.b", PrimaryCookieName: "c", Domain: "example.com", Path: "/app"}},
		"NoName":  {reason: "a cookie has a name", field: "spec.analysis.sessionAffinity.cookieName"},
		"Space":   {reason: "a name is one word", affinity: v1beta1.SessionAffinity{CookieName: "my side"}, field: "spec.analysis.sessionAffinity.cookieName"},
		"Equals":  {reason: "the name would end early", affinity: v1beta1.SessionAffinity{CookieName: "a", PrimaryCookieName: "b=c"}, field: "spec.analysis.sessionAffinity.primaryCookieName"},
		"Domain":  {reason: "what follows a semicolon is another attribute", affinity: v1beta1.SessionAffinity{CookieName: "a", Domain: "a.b; Secure"}, field: "spec.analysis.sessionAffinity.domain"},
		"Newline": {reason: "what follows a newline is another header", affinity: v1beta1.SessionAffinity{CookieName: "a", Path: "/\nX: y"}, field: "spec.analysis.sessionAffinity.path"},
		"CookieMatch": {
			reason: "two cookies cannot be asked for in one header", affinity: v1beta1.SessionAffinity{CookieName: "a"},
			match: []v1beta1.HTTPMatchRequest{{Headers: headers("Cookie", regex("x"))}}, field: "spec.analysis.sessionAffinity",
		},
		"CookieOfThoseWhoFit": {
			reason: "nor among those who are split by weight", affinity: v1beta1.SessionAffinity{CookieName: "a"},
			tested: []v1beta1.HTTPMatchRequest{{Headers: headers("Cookie", regex("x"))}}, field: "spec.analysis.sessionAffinity",
		},
		"CookieOfATest": {
			reason: "where nobody is split no second cookie is asked for", affinity: v1beta1.SessionAffinity{CookieName: "a"},
			tested: []v1beta1.HTTPMatchRequest{{Headers: headers("Cookie", regex("x"))}}, rounds: 2,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := table(Input{Canary: &v1beta1.Canary{Spec: v1beta1.CanarySpec{
				Service:  v1beta1.CanaryService{Match: tc.match},
				Analysis: &v1beta1.CanaryAnalysis{SessionAffinity: &tc.affinity, Match: tc.tested, Iterations: tc.rounds},
			}}})
			var invalid *rollout.InvalidError
			if tc.field == "" {
				require.NoError(t, err, tc.reason)
				return
			}
			require.ErrorAs(t, err, &invalid, tc.reason)
			require.Equal(t, tc.field, invalid.Field, tc.reason)
		})
	}
}

func TestRankedKeepsTheFirstLineFirst(t *testing.T) {
	insider := v1beta1.HTTPMatchRequest{QueryParams: headers("preview", exact("1"))}
	cookie := v1beta1.HTTPMatchRequest{Headers: headers("cookie", exact("stay=x"))}
	cases := map[string]struct {
		reason string
		lines  []line
		want   [][]v1beta1.HTTPMatchRequest
	}{
		"Overtaken": {
			reason: "a header would win over a parameter", lines: []line{{match: []v1beta1.HTTPMatchRequest{insider}, weight: 100}, {match: []v1beta1.HTTPMatchRequest{cookie}}, {weight: 20}},
			want: [][]v1beta1.HTTPMatchRequest{{insider, {Headers: cookie.Headers, QueryParams: insider.QueryParams}}, {cookie}, nil},
		},
		"SameWay": {
			reason: "who goes the same way may be overtaken", lines: []line{{match: []v1beta1.HTTPMatchRequest{insider}}, {match: []v1beta1.HTTPMatchRequest{cookie}}},
			want: [][]v1beta1.HTTPMatchRequest{{insider}, {cookie}},
		},
		"LongerPath": {
			reason: "so would a longer path",
			lines:  []line{{match: []v1beta1.HTTPMatchRequest{{URI: prefix("/"), Method: exact("GET")}}, weight: 100}, {match: []v1beta1.HTTPMatchRequest{{URI: prefix("/api")}}}},
			want:   [][]v1beta1.HTTPMatchRequest{{{URI: prefix("/"), Method: exact("GET")}, {URI: prefix("/api"), Method: exact("GET")}}, {{URI: prefix("/api")}}},
		},
		"ThreeDeep": {
			reason: "what a line gained can overtake, too",
			lines:  []line{{match: []v1beta1.HTTPMatchRequest{{}}, weight: 1}, {match: []v1beta1.HTTPMatchRequest{insider}, weight: 2}, {match: []v1beta1.HTTPMatchRequest{cookie}, weight: 3}},
			want: [][]v1beta1.HTTPMatchRequest{
				{{}, insider, {Headers: cookie.Headers, QueryParams: insider.QueryParams}, cookie},
				{insider, {Headers: cookie.Headers, QueryParams: insider.QueryParams}},
				{cookie},
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			for i, l := range ranked(tc.lines) {
				require.Equal(t, tc.want[i], l.match, "%s: line %d", tc.reason, i)
			}
		})
	}
}

func TestCompact(t *testing.T) {
	for text, want := range map[string]string{"1.5s": "1s500ms", "90s": "1m30s", "0s": "0s", "250ms": "250ms", "36h": "36h", "1h0m0.001s": "1h1ms"} {
		var sound problem
		require.Equal(t, want, string(ptr.Deref(span(&sound, "timeout", text), "")))
		require.NoError(t, sound.err)
	}
}
