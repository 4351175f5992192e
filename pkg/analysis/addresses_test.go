package analysis

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric"
	"github.com/sluice-cd/sluice/pkg/outbound"
)

// TestAddressesOfTenants has a server at loopback that a tenant names in every way that there is.
func TestAddressesOfTenants(t *testing.T) {
	const refused = "127.0.0.1 is a loopback, link-local or metadata address"
	address := serve(t, measuring("1"))
	strict, err := outbound.NewAddresses(nil)
	require.NoError(t, err)
	own := impatient(address)
	own.Restrict(strict, address+"/events")

	tls := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(tls.Close)
	bundle := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tls.Certificate().Raw})
	hook := v1beta1.CanaryWebhook{Name: "h", URL: address}
	for name, change := range map[string]func(*v1beta1.CanaryWebhook){
		"Hook":     func(*v1beta1.CanaryWebhook) {},
		"Insecure": func(h *v1beta1.CanaryWebhook) { h.DisableTLS = true },
		"Bundle":   func(h *v1beta1.CanaryWebhook) { h.CABundle = bundle },
	} {
		h := hook
		change(&h)
		require.ErrorContains(t, own.ask(t.Context(), podinfo(), h), refused, name)
	}
	hook.URL = address + "/events"
	require.NoError(t, own.ask(t.Context(), podinfo(), hook), "The operator's own event hook may be anywhere.")

	m := v1beta1.CanaryMetric{Name: "m", Query: "up", Threshold: 5}
	require.Equal(t, v1beta1.Passed, one(t, own, m).Verdict, "So may the operator's own Prometheus.")
	other := impatient("http://nowhere.invalid")
	other.Restrict(strict)
	c := podinfo()
	c.Spec.MetricsServer = address
	c.Spec.Analysis = &v1beta1.CanaryAnalysis{Metrics: []v1beta1.CanaryMetric{m}}
	require.ErrorContains(t, other.Probe(t.Context(), c), refused, "spec.metricsServer is the tenant's.")

	secret := map[string]string{"project": "p", "serviceAccountKey": "", "org": "o"}
	for _, key := range []string{"token", "datadog_api_key", "datadog_application_key", "newrelic_account_id", "newrelic_query_key",
		"dynatrace_token", "sf_token_key"} {
		secret[key] = "s3cret-" + key
	}
	for _, kind := range metric.Known() {
		switch kind {
		case "keptn", "job": // they are asked through the Kubernetes API alone
			continue
		case "cloudwatch", "stackdriver": // they are refused for want of credentials before
			continue
		}
		s := &shelf{secrets: map[string]map[string]string{"test/s": secret}, templates: map[string]v1beta1.MetricTemplateSpec{
			"test/t": {Query: "up", Provider: v1beta1.MetricProvider{
				Type: v1beta1.MetricProviderType(kind), Address: address, SecretRef: &v1beta1.SecretRef{Name: "s"}}}}}
		own.Library = s
		f := one(t, own, v1beta1.CanaryMetric{Name: "m", TemplateRef: &v1beta1.CrossNamespaceRef{Name: "t"}})
		require.Contains(t, f.Message, refused, kind)
	}
}
