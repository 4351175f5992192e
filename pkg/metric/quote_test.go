package metric

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// TestAnswersAreNotQuoted has servers say in many ways what is not for everybody who may read a Canary.
func TestAnswersAreNotQuoted(t *testing.T) {
	answers := map[string]string{
		"Text":     "AKIA-r00t-credentials",
		"String":   `"AKIA-r00t-credentials"`,
		"Object":   `{"Token": "AKIA-r00t-credentials", "data": {"Token": "AKIA-r00t-credentials"}}`,
		"List":     `["AKIA-r00t-credentials"]`,
		"OwnError": `{"status": "error", "errorType": "AKIA-r00t-credentials", "error": "AKIA-r00t-credentials"}`,
		"Message":  `{"status": "error", "errorType": "bad_data", "error": "AKIA-r00t-credentials", "message": "AKIA-r00t-credentials", "code": "AKIA-r00t-credentials"}`,
		"Warning":  `{"status": "success", "warnings": ["AKIA-r00t-credentials"], "data": {"resultType": "vector", "result": []}}`,
		"Marks":    "\x0f AKIA-r00t-credentials \x0e",
	}
	everyone(t, func(t *testing.T, kind v1beta1.MetricProviderType, c contestant) {
		for name, answer := range answers {
			for _, code := range []int{200, 400, 503} {
				server := func(w http.ResponseWriter, _ *http.Request) {
					w.WriteHeader(code)
					fmt.Fprint(w, answer)
				}
				_, err := ask(t, kind, c, server, func(s *Settings) { s.Quote = false })
				if err != nil { // influxdb takes an empty answer for a zero
					require.NotContains(t, err.Error(), "AKIA", "%s with %d", name, code)
					require.NotRegexp(t, "[\x0e\x0f]", err.Error())
				}
			}
		}
	})
}

func TestMetricsServersAreQuotedWhereTheyAreTheOperators(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"status": "error", "errorType": "bad_data", "error": "parse error"}`)
	}).URL
	pool := NewPool(nil)
	tenants, err := pool.Prometheus(server)
	require.NoError(t, err)
	_, err = tenants.Query(t.Context(), "sum(")
	require.ErrorContains(t, err, "bad_data: (not quoted without quoteAnswers)")
	own, err := pool.Own(server)
	require.NoError(t, err)
	_, err = own.Query(t.Context(), "sum(")
	require.ErrorContains(t, err, "bad_data: parse error")
}
