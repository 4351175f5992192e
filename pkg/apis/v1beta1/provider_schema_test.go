package v1beta1_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const plainAlert = `
apiVersion: flagger.app/v1beta1
kind: AlertProvider
metadata: {name: on-call, namespace: test}
spec: {type: slack, secretRef: {name: on-call-url}}
`

const plainTemplate = `
apiVersion: flagger.app/v1beta1
kind: MetricTemplate
metadata: {name: errors, namespace: test}
spec:
  provider: {type: prometheus, address: "http://prometheus:9090"}
  query: vector(1)
`

func TestAlertProvider(t *testing.T) {
	cases := map[string]struct {
		reason string
		edits  edits
		want   string
	}{
		"Secret":    {reason: "the address may be in a Secret"},
		"Address":   {reason: "the address may be written down", edits: edits{"spec.secretRef": "", "spec.address": "http://slack.test/"}},
		"Teams":     {reason: "every chat service of the contract", edits: edits{"spec.type": "msteams"}},
		"Discord":   {reason: "every chat service of the contract", edits: edits{"spec.type": "discord"}},
		"Rocket":    {reason: "every chat service of the contract", edits: edits{"spec.type": "rocket"}},
		"Chat":      {reason: "every chat service of the contract", edits: edits{"spec.type": "gchat"}},
		"Proxy":     {reason: "a proxy may be on the way", edits: edits{"spec.proxy": "http://proxy.test:3128", "spec.channel": "general", "spec.username": "flagger"}},
		"Both":      {reason: "which address?", edits: edits{"spec.address": "http://slack.test/"}, want: "exactly one of"},
		"Neither":   {reason: "there has to be an address", edits: edits{"spec.secretRef": ""}, want: "exactly one of"},
		"NoType":    {reason: "every service has its own form", edits: edits{"spec.type": ""}, want: "spec.type: Required"},
		"Unknown":   {reason: "an unknown name is never a default", edits: edits{"spec.type": "pager"}, want: "spec.type: Unsupported"},
		"NoSecrets": {reason: "a reference has a name", edits: edits{"spec.secretRef": "{}"}, want: "spec.secretRef.name: Required"},
	}
	api := serve(t, "alertproviders")
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, errs := api.create(t, tc.edits.applyTo(t, parse(t, plainAlert)))
			requireVerdict(t, errs.ToAggregate(), tc.want, tc.reason)
		})
	}
}

func TestMetricTemplate(t *testing.T) {
	cases := map[string]struct {
		reason string
		edits  edits
		want   string
	}{
		"Prometheus": {reason: "an address and a query are enough"},
		"Headers":    {reason: "a header may have several values", edits: edits{"spec.provider.headers": "{X-Scope-OrgID: [a, b]}"}},
		"CloudWatch": {reason: "a vendor's service needs no address", edits: edits{"spec.provider": "{type: cloudwatch, region: eu-central-1}"}},
		"Everything": {reason: "credentials and certificates", edits: edits{"spec.provider.secretRef": "{name: x}", "spec.provider.insecureSkipVerify": "true"}},
		"NoQuery":    {reason: "a template is its query", edits: edits{"spec.query": ""}, want: "spec.query: Invalid"},
		"Web":        {reason: "the request is the query", edits: edits{"spec.query": "", "spec.provider.type": "web"}},
		"NoJob":      {reason: "nothing would be run", edits: edits{"spec.query": "", "spec.provider.type": "job"}, want: "spec.job: Invalid"},
		"NoProvider": {reason: "whom to ask?", edits: edits{"spec.provider": ""}, want: "spec.provider: Required"},
		"NoType":     {reason: "every system has its own form", edits: edits{"spec.provider.type": ""}, want: "spec.provider.type: Required"},
		"Unknown":    {reason: "an unknown name is never a default", edits: edits{"spec.provider.type": "zabbix"}, want: "spec.provider.type: Unsupported"},
		"FlatHeader": {reason: "values are a list", edits: edits{"spec.provider.headers": "{X-Scope-OrgID: a}"}, want: "spec.provider.headers"},
	}
	api := serve(t, "metrictemplates")
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, errs := api.create(t, tc.edits.applyTo(t, parse(t, plainTemplate)))
			requireVerdict(t, errs.ToAggregate(), tc.want, tc.reason)
		})
	}
}

func TestEveryMetricProviderOfTheContract(t *testing.T) {
	const reason = "templates of every system have to be accepted, whether it is built yet or not"
	api := serve(t, "metrictemplates")
	for _, provider := range []string{
		"prometheus", "influxdb", "datadog", "externalmetrics", "stackdriver", "cloudwatch", "newrelic",
		"graphite", "dynatrace", "keptn", "splunk",
	} {
		t.Run(provider, func(t *testing.T) {
			obj := edits{"spec.provider.type": provider}.applyTo(t, parse(t, plainTemplate))
			_, errs := api.create(t, obj)
			require.Empty(t, errs, reason)
		})
	}
}

// requireVerdict checks that a manifest was accepted, or refused for the reason given.
func requireVerdict(t *testing.T, err error, want, reason string) {
	t.Helper()
	if want == "" {
		require.NoError(t, err, reason)
		return
	}
	require.ErrorContains(t, err, want, reason)
}
