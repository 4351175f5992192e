package analysis

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func TestMeasurement(t *testing.T) {
	at := time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)
	a := impatient(serve(t, measuring("97.5")))
	a.now = func() time.Time { return at }
	f := one(t, a, v1beta1.CanaryMetric{Name: "mine", Query: "sum(\n  x\n)", ThresholdRange: &v1beta1.ThresholdRange{Min: new(99.0), Max: new(100.0)}})
	require.Equal(t, &v1beta1.Measurement{
		Time:    metav1.NewTime(at),
		Value:   "97.5",
		Limit:   ">= 99 and <= 100",
		Query:   "sum( x )",
		Verdict: v1beta1.Failed,
		Message: "Halt podinfo.test advancement mine 97.50 < 99",
	}, f.Measurement, "All that is needed to understand a verdict, with the query on one line.")
}

func TestAccepted(t *testing.T) {
	cases := map[string]struct {
		reason string
		metric v1beta1.CanaryMetric
		want   string
	}{
		"Least":      {reason: "A least value.", metric: v1beta1.CanaryMetric{Name: "request-success-rate", Threshold: 99}, want: ">= 99"},
		"Most":       {reason: "A greatest.", metric: v1beta1.CanaryMetric{Name: "request-duration", Threshold: 500}, want: "<= 500"},
		"Range":      {reason: "Both.", metric: v1beta1.CanaryMetric{Query: "q", ThresholdRange: &v1beta1.ThresholdRange{Min: new(0.5), Max: new(1e6)}}, want: ">= 0.5 and <= 1e+06"},
		"Anything":   {reason: "A range without ends.", metric: v1beta1.CanaryMetric{Query: "q", ThresholdRange: &v1beta1.ThresholdRange{}}, want: ""},
		"Conditions": {reason: "Conditions as they were written.", metric: v1beta1.CanaryMetric{Query: "q", SuccessCondition: "result < 1", FailureCondition: "result > 2"}, want: "result < 1 and not (result > 2)"},
		"All":        {reason: "Everything that counts.", metric: v1beta1.CanaryMetric{Query: "q", Threshold: 5, SuccessCondition: "result < 1"}, want: "<= 5 and result < 1"},
		"Comparison": {reason: "A comparison has no number.", metric: v1beta1.CanaryMetric{Query: "q", Baseline: "primary", Confidence: new(0.99)}, want: "not worse than the primary, confidence 0.99, margin 0.01"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, accepted(tc.metric, kindOf(tc.metric)), tc.reason)
		})
	}
	require.Equal(t, ">= 1", accepted(v1beta1.CanaryMetric{Name: "smoke"}, &work), "A Job has to succeed.")
}

func TestFindingIsBounded(t *testing.T) {
	long := strings.Repeat("ä€ ", 4000)
	f := outcome{query: long, value: long, limit: long, message: long, verdict: v1beta1.Failed}.finding(nil, time.Now())
	for what, text := range map[string]struct {
		text string
		most int
	}{
		"query": {f.Measurement.Query, maxQuery}, "value": {f.Measurement.Value, maxValue}, "limit": {f.Measurement.Limit, maxLimit},
		"message": {f.Measurement.Message, maxMessage}, "finding": {f.Message, maxMessage},
	} {
		require.LessOrEqual(t, len(text.text), text.most, what)
		require.Greater(t, len(text.text), text.most-16, "Not more than needed is cut off: %s", what)
		require.True(t, utf8.ValidString(text.text), what)
		require.True(t, strings.HasSuffix(text.text, "…"), what)
	}
}

func TestNumbers(t *testing.T) {
	cases := map[string]struct {
		reason string
		values []float64
		want   string
	}{
		"One":      {reason: "A number as it is.", values: []float64{0.1}, want: "0.1"},
		"Several":  {reason: "A list of them.", values: []float64{1, 2.5}, want: "[1, 2.5]"},
		"Infinite": {reason: "Words where there is no number.", values: []float64{math.Inf(1), math.NaN()}, want: "[+Inf, NaN]"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, numbers(tc.values), tc.reason) })
	}
	require.Less(t, len(numbers(make([]float64, 100000))), 4*maxValue, "A hundred thousand are not written down to be cut off.")
}

func TestHugeAnswer(t *testing.T) {
	flood := func(w http.ResponseWriter, _ *http.Request) {
		chunk := []byte(`{"status":"success","data":{"resultType":"vector","result":[` + strings.Repeat(" ", 1<<20))
		for range 100 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
	f := one(t, impatient(serve(t, flood)), v1beta1.CanaryMetric{Name: "x", Query: "q"})
	require.Equal(t, v1beta1.Failed, f.Verdict, "A hundred megabytes are not an answer.")
	require.Contains(t, f.Message, "larger than", "And that is what is said.")
}

func TestMessagesKeepSecrets(t *testing.T) {
	parrot := func(w http.ResponseWriter, r *http.Request) {
		saying(401, `{"status":"error","errorType":"auth","error":"who is `+r.Header.Get("Authorization")+`?"}`)(w, r)
	}
	spec := template(serve(t, parrot), "errors")
	spec.Provider.SecretRef = &v1beta1.SecretRef{Name: "keys"}
	a := impatient("")
	a.Library = &shelf{
		templates: map[string]v1beta1.MetricTemplateSpec{"test/here": spec},
		secrets:   map[string]map[string]string{"test/keys": {"username": "reader", "password": "p4ssword"}},
	}
	f := one(t, a, referring("here"))
	require.Equal(t, v1beta1.Failed, f.Verdict)
	for _, secret := range []string{"p4ssword", "cmVhZGVyOnA0c3N3b3Jk"} {
		require.NotContains(t, f.Message+f.Measurement.Message+f.Measurement.Query, secret)
	}
	m := referring("here")
	m.TemplateVariables = map[string]string{"x": "p4ssword"}
	spec.Query = `errors{token="{{ variables.x }}"}`
	a.Library.(*shelf).templates["test/here"] = spec
	require.Equal(t, `errors{token="***"}`, one(t, a, m).Measurement.Query, "Not even where the user put it into a query.")
}
