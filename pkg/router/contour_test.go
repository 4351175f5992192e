package router_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/router/routertest"
)

func newContour(t *testing.T) router.Router {
	t.Helper()
	return build(t, "contour", rollout.Weighted|rollout.Matched|rollout.MatchedWeighted, "projectcontour.io/v1")
}

func TestContourGolden(t *testing.T) {
	routertest.Golden(t, "testdata/contour", "contour", *update, routertest.Read(t, "testdata/contour/crd.yaml"))
}

func TestContourContract(t *testing.T) {
	weights := func(t *testing.T, objects []*unstructured.Unstructured) map[string]int64 {
		t.Helper()
		require.Len(t, objects, 1)
		route := first(t, objects[0], "spec", "routes")
		return listed([]string{"name"}, []string{"weight"}, "services")(t, []*unstructured.Unstructured{route})
	}
	routertest.Contract(t, newContour(t), podinfo(nil), weights)
}

func TestContourRequests(t *testing.T) {
	routertest.Requests(t, newContour(t), podinfo(nil), rollout.Weighted|rollout.Matched|rollout.MatchedWeighted, askContour)
}

// askContour finds the route of a request as Contour orders them: the one with more conditions first.
func askContour(t *testing.T, objects []*unstructured.Unstructured, r routertest.Request) routertest.Answer {
	t.Helper()
	routes, _, err := unstructured.NestedSlice(objects[0].Object, "spec", "routes")
	require.NoError(t, err)
	var best map[string]any
	most := -1
	for _, route := range routes {
		conditions := route.(map[string]any)["conditions"].([]any)
		if n := len(conditions); n > most && contourFits(t, conditions, r) {
			best, most = route.(map[string]any), n
		}
	}
	require.NotNil(t, best, "every request has a route")
	weights := listed([]string{"name"}, []string{"weight"}, "services")(t, []*unstructured.Unstructured{{Object: best}})
	return routertest.Answer{Weights: weights}
}

func contourFits(t *testing.T, conditions []any, r routertest.Request) bool {
	t.Helper()
	for _, one := range conditions {
		c := one.(map[string]any)
		var fits bool
		switch {
		case c["header"] != nil:
			h := c["header"].(map[string]any)
			value, there := r.Headers[strings.ToLower(h["name"].(string))]
			fits = there && compares(t, h, value)
		case c["queryParameter"] != nil:
			q := c["queryParameter"].(map[string]any)
			value, there := r.Query[q["name"].(string)]
			fits = there && compares(t, q, value)
		default:
			fits = compares(t, c, r.Path)
		}
		if !fits {
			return false
		}
	}
	return true
}

// compares is Envoy's comparison of a text: expressions fit the whole of it.
func compares(t *testing.T, how map[string]any, text string) bool {
	t.Helper()
	for word, value := range how {
		want, _ := value.(string)
		switch word {
		case "name", "present":
		case "exact":
			return text == want
		case "prefix":
			return strings.HasPrefix(text, want)
		case "suffix":
			return strings.HasSuffix(text, want)
		case "contains":
			return strings.Contains(text, want)
		case "regex":
			fits, err := regexp.MatchString("^(?:"+want+")$", text)
			require.NoError(t, err)
			return fits
		default:
			require.Fail(t, "unknown comparison", word)
		}
	}
	return true
}

// By the contract prefix and suffix of a header are looked for anywhere in it.
func TestContourHeaderContains(t *testing.T) {
	mobile, app, agent := "Mobile", "app/", "iPhone app/Mobile 3"
	header := func(s v1beta1.StringMatch) []v1beta1.HTTPMatchRequest {
		return []v1beta1.HTTPMatchRequest{{Headers: map[string]v1beta1.StringMatch{"User-Agent": s}}}
	}
	cases := map[string]struct {
		reason           string
		service, insider []v1beta1.HTTPMatchRequest
		canary           int64
	}{
		"Prefix":   {reason: "which is not at its beginning", insider: header(v1beta1.StringMatch{Prefix: &mobile}), canary: 100},
		"Suffix":   {reason: "nor at its end", insider: header(v1beta1.StringMatch{Suffix: &mobile}), canary: 100},
		"Narrowed": {reason: "a whole text that has the other in it fits both", service: header(v1beta1.StringMatch{Prefix: &app}), insider: header(v1beta1.StringMatch{Exact: &agent}), canary: 100},
		"Never":    {reason: "and one that has not fits none", service: header(v1beta1.StringMatch{Prefix: &app}), insider: header(v1beta1.StringMatch{Exact: &mobile})},
		"Any":      {reason: "an empty text asks that there is a header", insider: header(v1beta1.StringMatch{Prefix: new(string)}), canary: 100},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := podinfo(func(s *v1beta1.CanaryService) { s.Match = tc.service })
			c.Spec.Analysis = &v1beta1.CanaryAnalysis{Interval: "1m", Iterations: 1, Match: tc.insider}
			in, before := input(c), c.DeepCopy()
			in.Traffic = rollout.Traffic{Weight: 100, Matched: true}
			applied, err := newContour(t).Render(in)
			require.NoError(t, err)
			require.Equal(t, before, c)
			got := askContour(t, routertest.Objects(t, applied), routertest.Request{Path: "/", Headers: map[string]string{"user-agent": agent}})
			require.Equal(t, tc.canary, got.Weights["podinfo-canary"], tc.reason)
		})
	}
}

// Contour takes a count of zero for its default, which is one.
func TestContourRetries(t *testing.T) {
	for attempts, count := range map[int32]int64{0: -1, 1: 1, 3: 3} {
		c := podinfo(func(s *v1beta1.CanaryService) { s.Retries = &v1beta1.HTTPRetry{Attempts: attempts} })
		applied, err := newContour(t).Render(input(c))
		require.NoError(t, err)
		policy := first(t, routertest.Objects(t, applied)[0], "spec", "routes").Object["retryPolicy"]
		require.Equal(t, map[string]any{"count": count}, policy)
	}
}

func TestContourRefuses(t *testing.T) {
	get := "GET"
	cases := map[string]struct {
		reason string
		change func(*v1beta1.Canary)
		want   rollout.InvalidError
	}{
		"Timeout": {
			reason: "a duration that cannot be read is not the default",
			change: func(c *v1beta1.Canary) { c.Spec.Service.Timeout = "soon" },
			want:   rollout.InvalidError{Field: "spec.service.timeout", Problem: `"soon" is not a duration`},
		},
		"Method": {
			reason: "without its method the match would take more than was meant",
			change: func(c *v1beta1.Canary) {
				c.Spec.Analysis.Match = []v1beta1.HTTPMatchRequest{{Method: &v1beta1.StringMatch{Exact: &get}}}
			},
			want: rollout.InvalidError{Field: "spec.analysis.match[0]", Problem: "contour compares paths, headers and query parameters"},
		},
		"SourceLabels": {
			reason: "a gateway does not know the workloads that ask",
			change: func(c *v1beta1.Canary) {
				c.Spec.Analysis.Match = []v1beta1.HTTPMatchRequest{{SourceLabels: map[string]string{"app": "a"}}}
			},
			want: rollout.InvalidError{Field: "spec.analysis.match[0]", Problem: "and nothing else"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := podinfo(nil)
			c.Spec.Analysis = &v1beta1.CanaryAnalysis{Interval: "1m", Threshold: 1, Iterations: 1}
			tc.change(c)
			in := input(c)
			in.Traffic = rollout.Traffic{Weight: 100, Matched: true}
			refuses(t, newContour(t), in, tc.want, tc.reason)
			in.Traffic = rollout.Traffic{}
			refuses(t, newContour(t), in, tc.want, "and that is said before there is any rollout")
		})
	}
}

func TestContourAccepted(t *testing.T) {
	cases := map[string]struct{ reason, live, want string }{
		"NoStatus": {reason: "nothing is known and nothing held back", live: `{}`},
		"Valid":    {reason: "it is served", live: `{status: {conditions: [{type: Valid, status: "True", observedGeneration: 2}]}}`},
		"Invalid": {
			reason: "what is wrong is passed on",
			live:   `{status: {conditions: [{type: Valid, status: "False", observedGeneration: 2, errors: [{type: ServiceError, reason: ServiceUnresolvedReference, message: 'Spec.Routes unresolved service reference'}]}]}}`,
			want:   "HTTPProxy podinfo.test: refused by Contour: ServiceUnresolvedReference: Spec.Routes unresolved service reference",
		},
		"Orphaned": {
			reason: "no virtual host includes it yet, which only the user can mend",
			live:   `{status: {conditions: [{type: Valid, status: "False", observedGeneration: 2, errors: [{type: Orphaned, reason: Orphaned, message: x}]}]}}`,
		},
		"Undated": {
			reason: "a verdict that does not say which version it is on is taken for one on this",
			live:   `{status: {conditions: [{type: Valid, status: "False", errors: [{type: ServiceError, reason: a, message: b}]}]}}`,
			want:   "HTTPProxy podinfo.test: refused by Contour: a: b",
		},
		"Outdated": {
			reason: "what was wrong with the version before says nothing about this one",
			live:   `{status: {conditions: [{type: Valid, status: "False", observedGeneration: 1, errors: [{type: ServiceError, reason: a, message: b}]}]}}`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			u := parse(t, `{apiVersion: projectcontour.io/v1, kind: HTTPProxy, metadata: {name: podinfo, namespace: test, generation: 2}}`)
			for key, value := range parse(t, `{kind: Status, apiVersion: v1, x: `+tc.live+`}`).Object["x"].(map[string]any) {
				u.Object[key] = value
			}
			ok, reason := newContour(t).(router.Prober).Accepted([]*unstructured.Unstructured{u})
			require.Equal(t, tc.want == "", ok, tc.reason)
			require.Equal(t, tc.want, reason, tc.reason)
		})
	}
}
