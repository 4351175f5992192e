package router_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/router/routertest"
)

const webIngress = `{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web, namespace: test}, spec: {rules: [
	{host: app.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: podinfo, port: {number: 9898}}}}]}}]}}`

func newNginx(t *testing.T) router.Router {
	t.Helper()
	return build(t, "nginx", rollout.Weighted|rollout.Matched)
}

// behind is a Canary behind the Ingress web.
func behind(change func(*v1beta1.Canary)) *v1beta1.Canary {
	c := podinfo(nil)
	c.Spec.IngressRef = &v1beta1.IngressRef{APIVersion: "networking.k8s.io/v1", Kind: "Ingress", Name: "web"}
	c.Spec.Analysis = &v1beta1.CanaryAnalysis{Interval: "1m", Threshold: 1}
	if change != nil {
		change(c)
	}
	return c
}

func TestNginxGolden(t *testing.T) {
	routertest.Golden(t, "testdata/nginx", "nginx", *update, routertest.Core())
}

func TestNginxContract(t *testing.T) {
	weights := func(t *testing.T, objects []*unstructured.Unstructured) map[string]int64 {
		t.Helper()
		require.Len(t, objects, 1)
		annotations := objects[0].GetAnnotations()
		require.Equal(t, "true", annotations["nginx.ingress.kubernetes.io/canary"])
		weight, err := strconv.ParseInt(annotations["nginx.ingress.kubernetes.io/canary-weight"], 10, 64)
		require.NoError(t, err)
		return map[string]int64{"podinfo-canary": weight, "podinfo-primary": 100 - weight}
	}
	routertest.Contract(t, newNginx(t), behind(nil), weights, parse(t, webIngress))
}

func header(name string, s v1beta1.StringMatch) v1beta1.HTTPMatchRequest {
	return v1beta1.HTTPMatchRequest{Headers: map[string]v1beta1.StringMatch{name: s}}
}

func TestNginxTellsRequestsApart(t *testing.T) {
	text := "insider"
	cases := map[string]struct {
		reason string
		match  []v1beta1.HTTPMatchRequest
		want   map[string]string
	}{
		"Exact":   {reason: "a value is compared", match: []v1beta1.HTTPMatchRequest{header("x-a", v1beta1.StringMatch{Exact: &text})}, want: map[string]string{"canary-by-header": "x-a", "canary-by-header-value": "insider"}},
		"Regex":   {reason: "an expression is passed on as it is", match: []v1beta1.HTTPMatchRequest{header("x-a", v1beta1.StringMatch{Regex: &text})}, want: map[string]string{"canary-by-header": "x-a", "canary-by-header-pattern": "insider"}},
		"Prefix":  {reason: "a beginning is an expression", match: []v1beta1.HTTPMatchRequest{header("x-a", v1beta1.StringMatch{Prefix: &text})}, want: map[string]string{"canary-by-header": "x-a", "canary-by-header-pattern": "^insider.*$"}},
		"Suffix":  {reason: "so is an end", match: []v1beta1.HTTPMatchRequest{header("x-a", v1beta1.StringMatch{Suffix: &text})}, want: map[string]string{"canary-by-header": "x-a", "canary-by-header-pattern": "^.*insider$"}},
		"Present": {reason: "with no value nginx expects always", match: []v1beta1.HTTPMatchRequest{header("x-a", v1beta1.StringMatch{})}, want: map[string]string{"canary-by-header": "x-a"}},
		"Cookie":  {reason: "of cookies the name is given", match: []v1beta1.HTTPMatchRequest{header("Cookie", v1beta1.StringMatch{Exact: &text})}, want: map[string]string{"canary-by-cookie": "insider"}},
		"Both": {
			reason: "one of each is any of the two",
			match:  []v1beta1.HTTPMatchRequest{header("cookie", v1beta1.StringMatch{Exact: &text}), header("x-a", v1beta1.StringMatch{})},
			want:   map[string]string{"canary-by-cookie": "insider", "canary-by-header": "x-a"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			in := input(behind(func(c *v1beta1.Canary) { c.Spec.Analysis.Match = tc.match }), parse(t, webIngress))
			in.Traffic = rollout.Traffic{Weight: 100, Matched: true}
			got := one(t, newNginx(t), in).GetAnnotations()
			for key, value := range tc.want {
				require.Equal(t, value, got["nginx.ingress.kubernetes.io/"+key], tc.reason)
			}
			require.Equal(t, "0", got["nginx.ingress.kubernetes.io/canary-weight"], "everybody else goes to the primary")
			require.Len(t, got, len(tc.want)+4, "%v", got)

			in.Traffic = rollout.Traffic{Weight: 0, Matched: true}
			require.NotContains(t, one(t, newNginx(t), in).GetAnnotations(), "nginx.ingress.kubernetes.io/canary-by-header", "at rest the canary may be stopped")
		})
	}
}

func TestNginxRefuses(t *testing.T) {
	text, other := "insider", "/api"
	matching := func(m ...v1beta1.HTTPMatchRequest) func(*v1beta1.Canary) {
		return func(c *v1beta1.Canary) { c.Spec.Analysis.Match = m }
	}
	two := header("x-a", v1beta1.StringMatch{Exact: &text})
	two.Headers["x-b"] = v1beta1.StringMatch{Exact: &text}
	path := header("x-a", v1beta1.StringMatch{Exact: &text})
	path.URI = &v1beta1.StringMatch{Prefix: &other}
	cases := map[string]struct {
		reason string
		change func(*v1beta1.Canary)
		read   string
		want   rollout.InvalidError
	}{
		"NoRef":     {reason: "there is nothing to copy", change: func(c *v1beta1.Canary) { c.Spec.IngressRef = nil }, want: rollout.InvalidError{Field: "spec.ingressRef", Problem: `provider "nginx" needs the Ingress`}},
		"NoIngress": {reason: "the object is named", want: rollout.InvalidError{Field: "spec.ingressRef.name", Problem: `Ingress "web" does not exist in namespace "test"`}},
		"Elsewhere": {
			reason: "an Ingress that leads elsewhere would be a canary of somebody else's",
			change: func(c *v1beta1.Canary) { c.Spec.Service.Name = "shop" },
			read:   webIngress,
			want:   rollout.InvalidError{Field: "spec.ingressRef.name", Problem: `Ingress "web" has no path that leads to Service "shop"`},
		},
		"TwoAtOnce": {reason: "nginx cannot ask for two headers at once", change: matching(two), read: webIngress, want: rollout.InvalidError{Field: "spec.analysis.match[0]", Problem: "one header and nothing else"}},
		"Path":      {reason: "nor for a path", change: matching(path), read: webIngress, want: rollout.InvalidError{Field: "spec.analysis.match[0]", Problem: "one header and nothing else"}},
		"Everybody": {reason: "an empty match would be everybody", change: matching(v1beta1.HTTPMatchRequest{}), read: webIngress, want: rollout.InvalidError{Field: "spec.analysis.match[0]", Problem: "one header and nothing else"}},
		"Second": {
			reason: "there is room for one header",
			change: matching(header("x-a", v1beta1.StringMatch{Exact: &text}), header("x-b", v1beta1.StringMatch{Exact: &text})),
			read:   webIngress,
			want:   rollout.InvalidError{Field: "spec.analysis.match[1]", Problem: "a second of its sort"},
		},
		"CookieRegex": {reason: "cookies are not compared", change: matching(header("cookie", v1beta1.StringMatch{Regex: &text})), read: webIngress, want: rollout.InvalidError{Field: "spec.analysis.match[0].headers.cookie", Problem: "exact name of a cookie"}},
		"Preview": {
			reason: "a preview is looked at before any rollout, too",
			change: func(c *v1beta1.Canary) { c.Spec.Analysis.PreviewMatch = []v1beta1.HTTPMatchRequest{two} },
			read:   webIngress,
			want:   rollout.InvalidError{Field: "spec.analysis.previewMatch[0]", Problem: "one header and nothing else"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			in := input(behind(tc.change))
			if tc.read != "" {
				in = input(in.Canary, parse(t, tc.read))
			}
			refuses(t, newNginx(t), in, tc.want, tc.reason)
		})
	}
}
