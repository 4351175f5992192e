package metric

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func TestKnown(t *testing.T) {
	require.Equal(t, []string{"cloudwatch", "datadog", "dynatrace", "externalmetrics", "graphite", "influxdb", "job",
		"keptn", "newrelic", "prometheus", "splunk", "stackdriver", "web"}, Known(), "Sorted, as the error that lists them is.")
}

func TestNewRefuses(t *testing.T) {
	cases := map[string]struct {
		reason   string
		provider v1beta1.MetricProvider
		settings Settings
		want     string
	}{
		"Unknown": {
			reason:   "The error lists what there is, instead of asking Prometheus.",
			provider: v1beta1.MetricProvider{Type: "wavefront", Address: "http://a"},
			want:     `"wavefront" is not one of cloudwatch, datadog, dynatrace`,
		},
		"NoCluster": {
			reason:   "Whoever makes a Job needs somebody to make it.",
			provider: v1beta1.MetricProvider{Type: "job"},
			want:     "job is asked through the Kubernetes API, which is not at hand",
		},
		"JobWithAddress": {
			reason:   "An address does not replace the cluster.",
			provider: v1beta1.MetricProvider{Type: "job", Address: "http://a"},
			settings: Settings{Namespace: "shop", Job: Job{Template: []byte(`{}`), Round: "1"}},
			want:     "job is asked through the Kubernetes API, which is not at hand",
		},
		"KeptnWithAddress": {
			reason:   "Nor for whoever reads from it.",
			provider: v1beta1.MetricProvider{Type: "keptn", Address: "http://a"},
			settings: Settings{Job: Job{Round: "1"}},
			want:     "keptn is asked through the Kubernetes API, which is not at hand",
		},
		"Region": {
			reason:   "There is no region that could be meant.",
			provider: v1beta1.MetricProvider{Type: "cloudwatch"},
			want:     "spec.provider.region",
		},
		"HalfOfCredentials": {
			reason:   "A name without a password is a mistake, not a guest.",
			provider: v1beta1.MetricProvider{Type: "prometheus", Address: "http://a", SecretRef: &v1beta1.SecretRef{Name: "s"}},
			settings: Settings{Secret: map[string][]byte{"username": []byte("reader")}},
			want:     `secret "s" has no key "password"`,
		},
		"OtherHalf": {
			reason:   "Nor is a password without a name.",
			provider: v1beta1.MetricProvider{Type: "graphite", Address: "http://a", SecretRef: &v1beta1.SecretRef{Name: "s"}},
			settings: Settings{Secret: map[string][]byte{"password": []byte("s3cret")}},
			want:     `secret "s" has no key "username"`,
		},
		"EmptySecret": {
			reason:   "A Secret that is named and has nothing in it is a mistake.",
			provider: v1beta1.MetricProvider{Type: "prometheus", Address: "http://a", SecretRef: &v1beta1.SecretRef{Name: "s"}},
			settings: Settings{Secret: map[string][]byte{}},
			want:     `secret "s" has no key "token"`,
		},
		"AccountKey": {
			reason:   "What is no key is not shown.",
			provider: v1beta1.MetricProvider{Type: "stackdriver", SecretRef: &v1beta1.SecretRef{Name: "s"}},
			settings: Settings{Secret: map[string][]byte{"project": []byte("p"), "serviceAccountKey": []byte("s3cret")}},
			want:     `"serviceAccountKey"`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := New(tc.provider, tc.settings)
			require.ErrorContains(t, err, tc.want, tc.reason)
			require.NotContains(t, err.Error(), "s3cret", tc.reason)
		})
	}
}

func TestCheck(t *testing.T) {
	at := func(kind, address string) v1beta1.MetricTemplateSpec {
		return v1beta1.MetricTemplateSpec{Query: "q", Provider: v1beta1.MetricProvider{
			Type: v1beta1.MetricProviderType(kind), Address: address, SecretRef: &v1beta1.SecretRef{Name: "s"},
		}}
	}
	with := func(t v1beta1.MetricTemplateSpec, change func(*v1beta1.MetricTemplateSpec)) v1beta1.MetricTemplateSpec {
		change(&t)
		return t
	}
	cases := map[string]struct {
		reason string
		spec   v1beta1.MetricTemplateSpec
		field  string // empty: nothing is wrong
	}{
		"Good":            {reason: "Nothing is missing.", spec: at("prometheus", "http://prometheus:9090")},
		"Default":         {reason: "Vendors have an address of their own.", spec: at("datadog", "")},
		"Unknown":         {reason: "A type that nobody knows.", spec: at("wavefront", ""), field: "spec.provider.type"},
		"Address":         {reason: "Nobody knows where.", spec: at("prometheus", ""), field: "spec.provider.address"},
		"AddressOfInflux": {reason: "Nor here.", spec: at("influxdb", ""), field: "spec.provider.address"},
		"BadAddress":      {reason: "A host is no URL.", spec: at("graphite", "graphite:80"), field: "spec.provider.address"},
		"Region":          {reason: "A cloud has many.", spec: at("cloudwatch", ""), field: "spec.provider.region"},
		"Secret": {
			reason: "Keys have to come from somewhere.",
			spec:   with(at("datadog", ""), func(t *v1beta1.MetricTemplateSpec) { t.Provider.SecretRef = nil }),
			field:  "spec.provider.secretRef",
		},
		"Guest": {
			reason: "A server may answer everybody.",
			spec:   with(at("influxdb", "http://influxdb:8086"), func(t *v1beta1.MetricTemplateSpec) { t.Provider.SecretRef = nil }),
		},
		"Query": {
			reason: "There is nothing to ask.",
			spec:   with(at("dynatrace", "http://a"), func(t *v1beta1.MetricTemplateSpec) { t.Query = " " }),
			field:  "spec.query",
		},
		"NoJob": {reason: "There is nothing to run.", spec: at("job", ""), field: "spec.job"},
		"Job": {
			reason: "A Job needs no query.",
			spec: with(at("job", ""), func(t *v1beta1.MetricTemplateSpec) {
				t.Query, t.Job = "", &runtime.RawExtension{Raw: []byte(`{}`)}
			}),
		},
		"Web": {reason: "A request can be made of an address alone.", spec: with(at("web", "http://a"), func(t *v1beta1.MetricTemplateSpec) { t.Query = "" })},
		"WebPath": {
			reason: "A path that cannot be read is found before anything rolls out.",
			spec:   with(at("web", "http://a"), func(t *v1beta1.MetricTemplateSpec) { t.Web = &v1beta1.WebRequest{JSONPath: "{.a"} }),
			field:  "spec.web.jsonPath",
		},
		"WebTimeout": {
			reason: "So is a time that is none.",
			spec:   with(at("web", "http://a"), func(t *v1beta1.MetricTemplateSpec) { t.Web = &v1beta1.WebRequest{Timeout: "soon"} }),
			field:  "spec.web.timeout",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := Check(tc.spec)
			if tc.field == "" {
				require.NoError(t, err, tc.reason)
				return
			}
			var wrong *FieldError
			require.ErrorAs(t, err, &wrong, tc.reason)
			require.Equal(t, tc.field, wrong.Field, tc.reason)
			require.NotEmpty(t, wrong.Problem, tc.reason)
		})
	}
}

// sent is what a provider asks its server.
type sent struct {
	method, path, query, body string
	header                    http.Header
}

// TestRequests shows what goes over the wire.
func TestRequests(t *testing.T) {
	now := time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC) // 1795320000
	cases := map[v1beta1.MetricProviderType]struct {
		reason string
		header http.Header
		want   sent
	}{
		"datadog": {
			reason: "Ten intervals up to now, in seconds.",
			header: http.Header{"Dd-Api-Key": {"s3cret-api"}, "Dd-Application-Key": {"s3cret-app"}},
			want:   sent{method: "GET", path: "/base/api/v1/query", query: "from=1795319400&query=avg%3Arequests.error_rate%7Bapp%3Apodinfo%7D&to=1795320000"},
		},
		"newrelic": {
			reason: "The account is in the path, and the interval is said in the query.",
			header: http.Header{"X-Query-Key": {"s3cret-query"}},
			want: sent{method: "GET", path: "/base/v1/accounts/12345678/query",
				query: "nrql=SELECT+percentage%28count%28%2A%29%2C+WHERE+error+IS+true%29+AS+result+FROM+Transaction+SINCE+60+seconds+ago"},
		},
		"graphite": {
			reason: "The query is the query string.",
			header: http.Header{"Authorization": {basic("reader-of-metrics", "s3cret-password")}},
			want:   sent{method: "GET", path: "/base/render", query: "format=json&from=-5min&target=asPercent%28a%2C+sum%28b%29%29"},
		},
		"stackdriver": {
			reason: "The key was exchanged for a token.",
			header: http.Header{"Authorization": {"Bearer s3cret-exchanged"}, "Content-Type": {"application/json"}},
			want:   sent{method: "POST", path: "/base/v3/projects/the-project/timeSeries:query", body: `{"query":"fetch k8s_container"}`},
		},
		"dynatrace": {
			reason: "Ten intervals up to now, in milliseconds, folded to one point.",
			header: http.Header{"Authorization": {"Api-Token s3cret-token"}},
			want: sent{method: "GET", path: "/base/api/v2/metrics/query",
				query: "from=1795319400000&metricSelector=builtin%3Aservice.errors.total.rate%3Aavg&resolution=Inf&to=1795320000000"},
		},
		"externalmetrics": {
			reason: "The API of the cluster, at another place.",
			header: http.Header{"Authorization": {"Bearer s3cret-token"}},
			want: sent{method: "GET", path: "/base/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/error-rate",
				query: "labelSelector=app%3Dpodinfo"},
		},
		"web": {
			reason: "The query goes behind the address.",
			header: http.Header{"Authorization": {"Bearer s3cret-token"}},
			want:   sent{method: "GET", path: "/base", query: "app=podinfo"},
		},
	}
	for kind, tc := range cases {
		t.Run(string(kind), func(t *testing.T) {
			c := contestants(t)[kind]
			var got sent
			url := serve(t, tokens(func(w http.ResponseWriter, r *http.Request) {
				got = sent{method: r.Method, path: r.URL.Path, query: r.URL.RawQuery, body: readAll(t, r.Body), header: r.Header}
				c.answer(w, r)
			})).URL
			p, s := c.provider(t, kind, url)
			p.Address = url + "/base"
			s.Now, s.Interval = func() time.Time { return now }, time.Minute
			made, err := New(p, s)
			require.NoError(t, err)
			_, err = made.Query(t.Context(), c.query)
			require.NoError(t, err)
			for name, values := range tc.header {
				require.Equal(t, values, got.header[name], tc.reason)
			}
			got.header = nil
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}

// TestHeadersAreCopied asks often with one template, at the same time: what it has belongs to a cache.
func TestHeadersAreCopied(t *testing.T) {
	var got []string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = append(slices.Clone(r.Header.Values("X-Scope-Orgid")), r.Header.Values("Authorization")...)
		result("scalar", `[1,"1"]`)(w, r)
	}).URL
	headers := map[string][]string{"X-Scope-OrgID": {"team-a"}}
	p := v1beta1.MetricProvider{Type: "prometheus", Address: url, Headers: headers, SecretRef: &v1beta1.SecretRef{Name: "s"}}
	for range 3 {
		made, err := New(p, Settings{Secret: map[string][]byte{"token": []byte("s3cret\n")}})
		require.NoError(t, err)
		for range 3 {
			_, err = made.Query(t.Context(), "up")
			require.NoError(t, err)
			require.Equal(t, []string{"team-a", "Bearer s3cret"}, got, "Each is sent once, however often it is asked.")
		}
	}
	require.Equal(t, map[string][]string{"X-Scope-OrgID": {"team-a"}}, headers, "The template is as it was.")
}

func TestSamplerSurvivesTheGuard(t *testing.T) {
	c := contestants(t)["prometheus"]
	p, s := c.provider(t, "prometheus", serve(t, c.answer).URL)
	made, err := New(p, s)
	require.NoError(t, err)
	sampler, ok := made.(Sampler)
	require.True(t, ok, "Comparisons need every element.")
	found, err := sampler.Samples(t.Context(), "up", time.Time{})
	require.NoError(t, err)
	require.Len(t, found, 2)

	p, s = contestants(t)["web"].provider(t, "web", "http://127.0.0.1:1")
	made, err = New(p, s)
	require.NoError(t, err)
	_, ok = made.(Sampler)
	require.False(t, ok, "Who cannot does not say so.")
}

func TestSamplesKeepTheContract(t *testing.T) {
	c := contestants(t)["prometheus"]
	for _, h := range []http.HandlerFunc{result("vector", "[]"), answering(500, "s3cret-password"), stalled} {
		p, s := c.provider(t, "prometheus", serve(t, h).URL)
		s.Timeout = 50 * time.Millisecond
		made, err := New(p, s)
		require.NoError(t, err)
		_, err = made.(Sampler).Samples(t.Context(), "up", time.Time{})
		require.Error(t, err)
		keepsSecrets(t, err, c)
	}
}

func TestSecretsOf(t *testing.T) {
	s := SecretsOf(v1beta1.MetricProvider{
		Address: "http://reader:hunter22@host/?token=from-the-url",
		Headers: map[string][]string{"Authorization": {"Bearer from-the-header"}},
	}, map[string][]byte{"a": []byte("long-secret\n"), "username": []byte("me"), "password": []byte("p4ss")})
	for _, text := range []string{"long-secret", "hunter22", "from-the-url", "Bearer from-the-header", "from-the-header", "p4ss", "bWU6cDRzcw=="} {
		require.Equal(t, "***", s.Hide(text))
	}
}
