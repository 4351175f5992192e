package metric

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// answered is a Kubernetes API that answers everything with the same.
type answered []byte

func (a answered) Do(context.Context, string, string, []byte) ([]byte, error) { return a, nil }

// seeds are answers of a provider's server, as its contestant has them.
func seeds(f *testing.F, kind v1beta1.MetricProviderType, c contestant) [][]byte {
	f.Helper()
	all := [][]byte{[]byte("null"), []byte("[]"), []byte("{}"), []byte(`[null]`), []byte(`{"a":null}`)}
	if kind == "splunk" { // which are sent as messages
		return append(all, batch(frame(7, 2.5)), batch(), []byte(over))
	}
	if c.answer == nil { // who is asked through the Kubernetes API alone
		return all
	}
	for _, h := range append(slices.Clone(c.empty), c.answer, c.wrong) {
		w := httptest.NewRecorder()
		h(w, httptest.NewRequestWithContext(f.Context(), http.MethodGet, "/", nil))
		all = append(all, w.Body.Bytes())
	}
	return all
}

// FuzzAnswers has every provider read what nobody has thought of: it is a number or an error, and no panic.
func FuzzAnswers(f *testing.F) {
	all := contestants(f)
	kinds := Known()
	for i, kind := range kinds {
		for _, text := range seeds(f, v1beta1.MetricProviderType(kind), all[v1beta1.MetricProviderType(kind)]) {
			f.Add(uint8(i), uint16(200), text)
		}
		f.Add(uint8(i), uint16(500), []byte(`{"message":"no","code":"internal error"}`))
	}
	f.Add(uint8(slices.Index(kinds, "influxdb")), uint16(200), []byte("#datatype,string,long,double\n#esult,false,false,false\n#\n"))
	f.Add(uint8(slices.Index(kinds, "prometheus")), uint16(200), []byte(`{"status":"success","data":{"resultType":"vector","result":[null]}}`))
	f.Add(uint8(slices.Index(kinds, "externalmetrics")), uint16(200), []byte(`{"items":[{"value":"1e-2147483648"}]}`))
	f.Add(uint8(slices.Index(kinds, "job")), uint16(200), []byte(`{"status":{"conditions":[{"type":"Failed","status":"True"}]},"items":[{"status":{"phase":"Failed"},"spec":{"containers":[{}]}}]}`))
	f.Add(uint8(slices.Index(kinds, "keptn")), uint16(200), []byte(`{"status":{"state":"Completed","pass":true,"value":"2.5"}}`))
	var next atomic.Pointer[http.HandlerFunc]
	server := httptest.NewServer(tokens(func(w http.ResponseWriter, r *http.Request) { (*next.Load())(w, r) }))
	f.Cleanup(server.Close)
	pool := NewPool(nil) // keeps connections, or ports would run out
	f.Fuzz(func(t *testing.T, which uint8, code uint16, text []byte) {
		kind := v1beta1.MetricProviderType(kinds[int(which)%len(kinds)])
		h := answering(200+int(code)%400, string(text))
		c := all[kind]
		switch kind {
		case "cloudwatch":
			h = inCBOR(h)
		case "splunk":
			h = flows(text, string(text), over)
		}
		next.Store(&h)
		p, s := c.provider(t, kind, server.URL)
		s.Pool, s.Cluster, s.Timeout = pool, answered(text), time.Minute
		s.Job = Job{Template: []byte(`{}`), Round: "1"}
		switch kind {
		case "web":
			s.Web.JSONPath = []string{"$", "{[0]}", "{..a}", "{[?(@.a == 1.0)]}", "{.a[*]['a','b']}"}[len(text)%5]
		case "job", "keptn":
			p.Address, s.Timeout = "", 10*time.Millisecond // for those that wait
			c.query = []string{"keptnmetric/shop/errors", "analysis/shop/errors/1m"}[len(text)%2]
		}
		made, err := New(p, s)
		require.NoError(t, err)
		value, err := made.Query(t.Context(), c.query)
		if err != nil {
			require.Less(t, len(err.Error()), 4*maxText, "Errors end in conditions.")
			return
		}
		require.Equal(t, value, value, "What is no number is an error.") //nolint:testifylint // NaN differs from itself
		if e, ok := made.(Explainer); ok {
			require.LessOrEqual(t, len(e.Explain()), logBytes)
		}
	})
}
