package analysis

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// parrot repeats all of a request, and so much before it that some texts are cut off within a secret.
func parrot(before int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, strings.Repeat("-", before), " ", r.Header.Get("Authorization"), " ", r.RequestURI, " ", r.Header)
	}
}

// TestEveryTextIsHidden has servers that repeat what they were sent, asked in every way that there is, and looks through all
// that people are told.
func TestEveryTextIsHidden(t *testing.T) {
	const path, query, word = "T0AB12CD", "s3cret-query", "s3cret-word"
	addresses := map[string]string{
		"Password": "http://somebody:" + word + "@HOST/hooks/" + path + "?k=" + query,
		"User":     "http://" + word + "@HOST/hooks/" + path + "?" + query,
		"NoScheme": "somebody:" + word + "@HOST/hooks/" + path,
		"OneSlash": "http:/somebody:" + word + "@HOST/hooks/" + path,
	}
	whole := map[string]string{"serviceAccountKey": "s3cret-key"}
	for _, key := range []string{"token", "username", "password", "project", "org", "datadog_api_key", "datadog_application_key",
		"newrelic_account_id", "newrelic_query_key", "dynatrace_token", "sf_token_key"} {
		whole[key] = "s3cret-" + key
	}
	for name, address := range addresses {
		for _, before := range []int{0, maxSaid - 30, maxSaid - 12, 1024 - 30, 1024 - 12} {
			host := strings.TrimPrefix(serve(t, parrot(before)), "http://")
			address := strings.Replace(address, "HOST", host, 1)
			t.Run(fmt.Sprintf("%s%d", name, before), func(t *testing.T) {
				a := impatient(address)
				shelf := &shelf{secrets: map[string]map[string]string{"test/s": whole}, templates: map[string]v1beta1.MetricTemplateSpec{}}
				a.Library = shelf
				hook := v1beta1.CanaryWebhook{Name: "h", URL: address, Headers: map[string]string{"X-Api-Key": "s3cret-header"}}
				err := a.Call(t.Context(), podinfo(), hook, nil)
				require.Error(t, err)
				hidden(t, "hook that is told", err.Error())
				metrics := []v1beta1.CanaryMetric{{Name: "request-success-rate"}, {Name: "own", Query: "up"}}
				for _, kind := range metric.Known() {
					spec := v1beta1.MetricTemplateSpec{QuoteAnswers: true, Query: "keptnmetric/test/x", Provider: v1beta1.MetricProvider{
						Type: v1beta1.MetricProviderType(kind), Address: address, SecretRef: &v1beta1.SecretRef{Name: "s"},
						Headers: http.Header{"X-Api-Key": {"s3cret-header"}}}}
					shelf.templates["test/"+kind] = spec
					metrics = append(metrics, v1beta1.CanaryMetric{Name: kind, TemplateRef: &v1beta1.CrossNamespaceRef{Name: kind}})
				}
				asked := []rollout.Question{{Key: "hook", Hook: &hook}}
				for i := range metrics {
					asked = append(asked, rollout.Question{Key: metrics[i].Name, Metric: &metrics[i]})
				}
				answer := a.Round(podinfo())
				for _, q := range asked {
					text, err := json.Marshal(answer(t.Context(), q))
					require.NoError(t, err)
					hidden(t, q.Key, string(text))
				}
			})
		}
	}
}

// hidden looks for the beginnings of secrets, also as basic authentication writes them.
func hidden(t *testing.T, who, text string) {
	t.Helper()
	for _, secret := range []string{"s3cret", "T0AB1", "c29tZWJvZHk6", "czNjcmV0"} {
		require.NotContains(t, text, secret, "%s shows what is secret.", who)
	}
}
