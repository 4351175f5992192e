package controller

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/analysis"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/observe"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// shelf is a namespace with templates and Secrets, and one Canary that reads them.
type shelf struct {
	*world
	templates *observe.Templates
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	w := newWorld(t)
	return &shelf{world: w, templates: &observe.Templates{Providers: w.Client, Secrets: w.Client}}
}

// put makes a template for Prometheus, and a Secret for it where data is given.
func (s *shelf) put(ns, name, address, query string, data map[string]string) {
	s.Helper()
	p := v1beta1.MetricProvider{Type: "prometheus", Address: address}
	if data != nil {
		p.SecretRef = &v1beta1.SecretRef{Name: name}
		require.NoError(s, s.Create(s.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, StringData: data}))
	}
	require.NoError(s, s.Create(s.Context(), &v1beta1.MetricTemplate{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
		Spec:       v1beta1.MetricTemplateSpec{Provider: p, Query: query},
	}))
}

// answer asks for one metric by a real analyst.
func (s *shelf) answer(m v1beta1.CanaryMetric) rollout.Finding {
	s.Helper()
	a := analysis.New("http://127.0.0.1:1", "istio")
	a.Library = s.templates
	return a.Round(s.canary())(s.Context(), rollout.Question{Metric: &m})
}

func referring(name, namespace string) v1beta1.CanaryMetric {
	return v1beta1.CanaryMetric{
		Name:           "errors",
		TemplateRef:    &v1beta1.CrossNamespaceRef{Name: name, Namespace: namespace},
		ThresholdRange: &v1beta1.ThresholdRange{Max: new(5.0)},
	}
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	other := kubetest.Namespace(t)
	server := serve(t, measures(sample("3")))
	s.put(s.ns, "here", server, `errors{app="{{ target }}"}`, nil)
	s.put(other, "there", server, `errors{app="{{ target }}"}`, nil)

	f := s.answer(referring("here", ""))
	require.Equal(t, v1beta1.Passed, f.Verdict, "Without a namespace a template is in the Canary's: %s", f.Message)
	require.Equal(t, `errors{app="podinfo"}`, f.Measurement.Query)
	require.Equal(t, v1beta1.Passed, s.answer(referring("there", other)).Verdict, "Others may be named.")

	require.Equal(t, "Metric template gone."+s.ns+" error: it does not exist", s.answer(referring("gone", "")).Message,
		"What is missing is named.")
	s.templates.Local = true
	require.Equal(t, v1beta1.Passed, s.answer(referring("here", s.ns)).Verdict, "The Canary's own namespace is always allowed.")
	require.Equal(t, "Metric template there."+other+" error: is in another namespace, which --no-cross-namespace-refs forbids",
		s.answer(referring("there", other)).Message, "The flag forbids all others, also those that exist.")
}

func TestTemplateSecret(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	var sent string
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if sent = r.Header.Get("Authorization"); sent != "Bearer t0ken-one" && sent != "Bearer t0ken-two" {
			says(http.StatusUnauthorized, "who is "+sent+"?")(w, r)
			return
		}
		measures(sample("3"))(w, r)
	})
	s.put(s.ns, "guarded", server, `errors`, map[string]string{"token": "t0ken-one"})
	require.Equal(t, v1beta1.Passed, s.answer(referring("guarded", "")).Verdict)
	require.Equal(t, "Bearer t0ken-one", sent, "The Secret's token is sent.")

	s.token("guarded", "t0ken-two")
	require.Equal(t, v1beta1.Passed, s.answer(referring("guarded", "")).Verdict)
	require.Equal(t, "Bearer t0ken-two", sent, "A changed Secret counts at the next round: it is read live.")

	s.token("guarded", "t0ken-bad")
	f := s.answer(referring("guarded", ""))
	require.Equal(t, v1beta1.Failed, f.Verdict)
	require.NotContains(t, f.Message, "t0ken", "A server that quotes the token does not get it into an event.")

	require.NoError(t, s.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "guarded"}}))
	require.Equal(t, "Metric template guarded."+s.ns+" secret guarded error: it does not exist", s.answer(referring("guarded", "")).Message)
}

func (s *shelf) token(name, token string) {
	s.Helper()
	require.NoError(s, s.Update(s.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: name}, StringData: map[string]string{"token": token},
	}))
}

func TestTemplatesPermit(t *testing.T) {
	cases := map[string]struct {
		reason  string
		local   bool
		metrics []v1beta1.CanaryMetric
		want    string // of the field; empty: permitted
	}{
		"Open":    {reason: "Without the flag every namespace may be named.", metrics: []v1beta1.CanaryMetric{referring("x", "other")}},
		"Own":     {reason: "Its own namespace may always be named.", local: true, metrics: []v1beta1.CanaryMetric{referring("x", "test"), referring("y", "")}},
		"Builtin": {reason: "Built-in metrics refer to nothing.", local: true, metrics: []v1beta1.CanaryMetric{{Name: "request-duration"}}},
		"Foreign": {
			reason: "The field is named.", local: true,
			metrics: []v1beta1.CanaryMetric{referring("y", ""), referring("x", "other")},
			want:    "spec.analysis.metrics[1].templateRef.namespace",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Namespace: "test", Name: "podinfo"}}
			c.Spec.Analysis = &v1beta1.CanaryAnalysis{Metrics: tc.metrics}
			err := (&observe.Templates{Local: tc.local}).Permit(c)
			if tc.want == "" {
				require.NoError(t, err, tc.reason)
				return
			}
			var invalid *rollout.InvalidError
			require.ErrorAs(t, err, &invalid, tc.reason)
			require.Equal(t, tc.want, invalid.Field, tc.reason)
			require.Contains(t, invalid.Problem, "--no-cross-namespace-refs")
		})
	}
	require.NoError(t, (&observe.Templates{Local: true}).Permit(&v1beta1.Canary{}), "A Canary without an analysis refers to nothing.")
}

func TestHookSecret(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	require.NoError(t, s.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "gate"}, StringData: map[string]string{"username": "sluice", "password": "s3cret"},
	}))
	var user, word string
	hook := v1beta1.CanaryWebhook{
		Name:      "gate",
		SecretRef: &v1beta1.SecretRef{Name: "gate"},
		URL: serve(t, func(_ http.ResponseWriter, r *http.Request) {
			user, word, _ = r.BasicAuth()
		}),
	}
	a := analysis.New("", "istio")
	a.Library = s.templates
	require.NoError(t, a.Call(t.Context(), s.canary(), hook, nil))
	require.Equal(t, []string{"sluice", "s3cret"}, []string{user, word}, "What the Secret holds now is sent.")
	hook.SecretRef.Name = "gone"
	require.EqualError(t, a.Call(t.Context(), s.canary(), hook, nil), `secret "gone": it does not exist`)
}
