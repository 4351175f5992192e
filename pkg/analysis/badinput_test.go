package analysis

import (
	"crypto/tls"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// TestTemplateBadInput is what users and servers get wrong about templates beside what TestTemplateMessages has. All of
// it ends as a failed check that says what to mend, and nothing of it shows a secret.
func TestTemplateBadInput(t *testing.T) {
	pair := expired(t)
	late := httptest.NewUnstartedServer(measuring("1"))
	late.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	late.StartTLS()
	t.Cleanup(late.Close)
	signed := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}))

	cases := map[string]struct {
		reason   string
		provider v1beta1.MetricProvider
		web      *v1beta1.WebRequest
		server   http.HandlerFunc // at the provider's address, unless that is given
		secret   map[string]string
		want     string
	}{
		"MissingKey": {
			reason: "The key is named, not those that are there.", provider: v1beta1.MetricProvider{Type: "datadog"},
			secret: map[string]string{"datadog_api_key": "s3cret-one"}, want: `provider datadog error: datadog: secret "keys" has no key "datadog_application_key"`,
		},
		"NoSecretRef": {
			reason: "So is the field.", provider: v1beta1.MetricProvider{Type: "newrelic"}, want: `provider newrelic error: spec.provider.secretRef is needed by provider "newrelic"`,
		},
		"NoRegion": {
			reason: "Whatever it is.", provider: v1beta1.MetricProvider{Type: "cloudwatch"}, want: `provider cloudwatch error: spec.provider.region is needed by provider "cloudwatch"`,
		},
		"UnreadableCA": {
			reason: "An authority that nobody can read.", provider: v1beta1.MetricProvider{Type: "prometheus", Address: "https://prometheus"},
			secret: map[string]string{"ca.crt": "s3cret-nonsense", "token": "s3cret-two"}, want: "ca.crt",
		},
		"ExpiredCertificate": {
			reason: "A certificate that has run out.", provider: v1beta1.MetricProvider{Type: "prometheus", Address: late.URL},
			secret: map[string]string{"ca.crt": signed, "token": "s3cret-two"}, want: "expired",
		},
		"UnknownSigner": {
			reason: "One that nobody knows.", provider: v1beta1.MetricProvider{Type: "prometheus", Address: late.URL},
			secret: map[string]string{"token": "s3cret-two"}, want: "certificate",
		},
		"NotAnAddress": {
			reason: "An address that is none is not quoted.", provider: v1beta1.MetricProvider{Type: "prometheus", Address: "http://me:s3cret-three@a b:c"},
			want: "spec.provider.address is not a URL",
		},
		"TimesOut": {
			reason: "A server that does not answer in time.", provider: v1beta1.MetricProvider{Type: "web"}, web: &v1beta1.WebRequest{Timeout: "50ms"},
			server: stalled, want: "Metric query failed for errors: web: no answer within 50ms",
		},
		"NotANumber": {
			reason: "A word where a number is wanted.", provider: v1beta1.MetricProvider{Type: "web"}, web: &v1beta1.WebRequest{JSONPath: "{.rate}"},
			server: saying(200, `{"rate":"high"}`), want: "Metric query failed for errors: web: ",
		},
		"NotThere": {
			reason: "A field that the answer does not have.", provider: v1beta1.MetricProvider{Type: "web"}, web: &v1beta1.WebRequest{JSONPath: "{.rate}"},
			server: saying(200, `{}`), want: "errors",
		},
		"NoCluster": {
			reason: "What needs the cluster says so where there is none.", provider: v1beta1.MetricProvider{Type: "externalmetrics"},
			want: "provider externalmetrics error: externalmetrics is asked through the Kubernetes API, which is not at hand",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			spec := v1beta1.MetricTemplateSpec{Provider: tc.provider, Web: tc.web, Query: "errors"}
			if spec.Provider.Address == "" && tc.server != nil {
				spec.Provider.Address = serve(t, tc.server)
			}
			s := &shelf{templates: map[string]v1beta1.MetricTemplateSpec{}, secrets: map[string]map[string]string{"test/keys": tc.secret}}
			if tc.secret != nil {
				spec.Provider.SecretRef = &v1beta1.SecretRef{Name: "keys"}
			}
			s.templates["test/here"] = spec
			a := impatient("")
			a.Library = s
			f := one(t, a, referring("here"))
			require.Equal(t, v1beta1.Failed, f.Verdict, tc.reason)
			require.Contains(t, f.Message, tc.want, tc.reason)
			require.NotContains(t, f.Message, "s3cret", tc.reason)
			require.LessOrEqual(t, len(f.Message), maxMessage, tc.reason)
		})
	}
}

func TestWebTemplate(t *testing.T) {
	spec := v1beta1.MetricTemplateSpec{
		Provider: v1beta1.MetricProvider{Type: "web", Address: serve(t, saying(200, `{"rate":3}`))},
		Web:      &v1beta1.WebRequest{JSONPath: "{.rate}"},
	}
	a := impatient("")
	a.Library = &shelf{templates: map[string]v1beta1.MetricTemplateSpec{"test/here": spec}}
	m := referring("here")
	f := one(t, a, m)
	require.Equal(t, v1beta1.Passed, f.Verdict, f.Message)
	require.Equal(t, "3", f.Measurement.Value, "A template needs no query where its provider needs none.")
	m.Baseline, m.ThresholdRange = "primary", nil
	require.Contains(t, one(t, a, m).Message, "a comparison needs counts, buckets or values", "Not every system can be compared by.")
}

func TestJobOfARound(t *testing.T) {
	c := podinfo()
	c.UID = "uid-1"
	next := func(at int64) string {
		s := &source{canary: c, metric: v1beta1.CanaryMetric{Name: "Smoke test, 100%"}}
		c.Status.NextCheck = micro(at)
		return s.job(nil).Round
	}
	first := next(100)
	require.Equal(t, first, next(100), "A check that was broken off finds its Job again.")
	require.NotEqual(t, first, next(160), "The next check has one of its own.")
	c.Status.LastAppliedSpec = "r1-other"
	require.NotEqual(t, first, next(100), "So has another revision.")
	c.UID = "uid-2"
	require.NotEqual(t, first, next(100), "And a Canary that was made anew.")
	job := (&source{canary: c, metric: v1beta1.CanaryMetric{Name: "Smoke test, 100%"}}).job([]byte(`{}`))
	require.Equal(t, "podinfo-smoke-test--100-", job.Name, "Names of objects have few characters.")
	require.Equal(t, c.UID, job.Owner.UID, "It goes with its Canary.")
}

func micro(seconds int64) *metav1.MicroTime {
	at := metav1.NewMicroTime(time.Unix(seconds, 0))
	return &at
}
