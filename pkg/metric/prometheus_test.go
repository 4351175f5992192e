package metric

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// answering serves one answer to everything.
func answering(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// result is the answer of a server that found something.
func result(kind, value string) http.HandlerFunc {
	return answering(200, fmt.Sprintf(`{"status":"success","data":{"resultType":%q,"result":%s}}`, kind, value))
}

// stalled answers only once the client has gone.
func stalled(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func TestPrometheusPicksTheNumber(t *testing.T) {
	cases := map[string]struct {
		reason string
		answer http.HandlerFunc
		want   float64
	}{
		"Scalar": {
			reason: "A scalar is the number itself.",
			answer: result("scalar", `[1700000000,"97.5"]`),
			want:   97.5,
		},
		"OneElement": {
			reason: "The sum of everything is a vector of one element.",
			answer: result("vector", `[{"metric":{},"value":[1700000000,"100"]}]`),
			want:   100,
		},
		"LastElement": {
			reason: "Of several series the last one counts, as manifests of this API rely on.",
			answer: result("vector", `[{"metric":{"a":"1"},"value":[1,"5"]},{"metric":{"a":"2"},"value":[1,"7"]}]`),
			want:   7,
		},
		"Zero": {
			reason: "A zero that was measured is data.",
			answer: result("vector", `[{"metric":{},"value":[1,"0"]}]`),
			want:   0,
		},
		"Infinite": {
			reason: "A quantile beyond the last bucket is infinite, and that is a finding.",
			answer: result("vector", `[{"metric":{},"value":[1,"+Inf"]}]`),
			want:   math.Inf(1),
		},
		"Whole": {
			reason: "The field may say that nothing is missing, and a label may hold what it is called.",
			answer: answering(200, `{"status":"success","isPartial":false,"data":{"resultType":"vector","result":[{"metric":{"a":"\"isPartial\":true"},"value":[1,"3"]}]}}`),
			want:   3,
		},
		"Infos": {
			reason: "Older servers put what they remark on a query among their warnings.",
			answer: answering(200, `{"status":"success","warnings":["PromQL info: metric might not be a counter"],"infos":["PromQL info: x"],"data":{"resultType":"scalar","result":[1,"3"]}}`),
			want:   3,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p, err := NewPrometheus(serve(t, tc.answer).URL, Options{Quote: true})
			require.NoError(t, err)
			got, err := p.Query(t.Context(), "up")
			require.NoError(t, err, tc.reason)
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}

func TestPrometheusSamples(t *testing.T) {
	cases := map[string]struct {
		reason string
		answer http.HandlerFunc
		want   []Sample
		err    string
	}{
		"Scalar": {
			reason: "A scalar is one sample of nothing in particular.",
			answer: result("scalar", `[1,"97.5"]`),
			want:   []Sample{{Value: 97.5}},
		},
		"Vector": {
			reason: "Every element is told apart by its labels, in the server's order.",
			answer: result("vector", `[{"metric":{"le":"1"},"value":[1,"5"]},{"metric":{"le":"+Inf"},"value":[1,"7"]}]`),
			want:   []Sample{{Labels: map[string]string{"le": "1"}, Value: 5}, {Labels: map[string]string{"le": "+Inf"}, Value: 7}},
		},
		"NoLabels": {
			reason: "A sum over everything has none.",
			answer: result("vector", `[{"metric":{},"value":[1,"5"]}]`),
			want:   []Sample{{Value: 5}},
		},
		"Empty": {
			reason: "No element is no data.",
			answer: result("vector", `[]`),
			err:    ErrNoData.Error(),
		},
		"Matrix": {
			reason: "A range is many answers at many times.",
			answer: result("matrix", `[{"metric":{},"values":[[1,"5"]]}]`),
			err:    "the query's result is a matrix",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p, err := NewPrometheus(serve(t, tc.answer).URL, Options{Quote: true})
			require.NoError(t, err)
			got, err := p.(Sampler).Samples(t.Context(), "up", time.Time{})
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err, tc.reason)
				return
			}
			require.NoError(t, err, tc.reason)
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}

func TestPrometheusSamplesNaN(t *testing.T) {
	p, err := NewPrometheus(serve(t, result("vector", `[{"metric":{},"value":[1,"NaN"]},{"metric":{},"value":[1,"2"]}]`)).URL, Options{Quote: true})
	require.NoError(t, err)
	got, err := p.(Sampler).Samples(t.Context(), "up", time.Time{})
	require.NoError(t, err, "What one NaN among others means is for who asked to say.")
	require.Len(t, got, 2)
	require.True(t, math.IsNaN(got[0].Value))
}

func TestPrometheusHasNoNumber(t *testing.T) {
	cases := map[string]struct {
		reason string
		answer http.HandlerFunc
		noData bool
		nan    bool
		want   string // part of the error
	}{
		"Empty": {
			reason: "Nothing was measured; that must never be judged as a zero.",
			answer: result("vector", `[]`),
			noData: true,
			want:   "query returned no data",
		},
		"NaN": {
			reason: "No requests at all make 0/0.",
			answer: result("vector", `[{"metric":{},"value":[1,"NaN"]}]`),
			noData: true, nan: true,
			want: "not a number",
		},
		"NaNScalar": {
			reason: "Scalars can be NaN too.",
			answer: result("scalar", `[1,"NaN"]`),
			noData: true, nan: true,
			want: "not a number",
		},
		"LastIsNaN": {
			reason: "It is the last element that counts, even if another one is a number.",
			answer: result("vector", `[{"metric":{},"value":[1,"5"]},{"metric":{},"value":[1,"NaN"]}]`),
			noData: true, nan: true,
			want: "not a number",
		},
		"Matrix": {
			reason: "A range has many numbers; which one is meant is a mistake of the query.",
			answer: result("matrix", `[{"metric":{},"values":[[1,"5"]]}]`),
			want:   "the query's result is a matrix, not a number",
		},
		"String": {
			reason: "A string is no number.",
			answer: result("string", `[1,"five"]`),
			want:   `unexpected value type "string"`,
		},
		"Warnings": {
			reason: "Part of an answer is none: what is missing may be the failures.",
			answer: answering(200, `{"status":"success","warnings":["PromQL info: x","No StoreAPIs matched"],"data":{"resultType":"vector","result":[{"metric":{},"value":[1,"3"]}]}}`),
			want:   "the server warns: No StoreAPIs matched",
		},
		"Partial": {
			reason: "VictoriaMetrics has a field of its own for that.",
			answer: answering(200, `{"status":"success","isPartial":true,"data":{"resultType":"vector","result":[{"metric":{},"value":[1,"3"]}]}}`),
			want:   "the server says that its answer is partial",
		},
		"EmptyWithWarnings": {
			reason: "Nor is it no data.",
			answer: answering(200, `{"status":"success","warnings":["store-1 is down"],"data":{"resultType":"vector","result":[]}}`),
			want:   "the server warns: store-1 is down",
		},
		"BadQuery": {
			reason: "What the server says about a query helps who wrote it.",
			answer: answering(400, `{"status":"error","errorType":"bad_data","error":"parse error at char 3"}`),
			want:   "bad_data: parse error at char 3",
		},
		"LongComplaint": {
			reason: "Errors end in conditions and must fit.",
			answer: answering(400, `{"status":"error","errorType":"bad_data","error":"`+strings.Repeat("x", 5000)+`"}`),
			want:   strings.Repeat("x", 100),
		},
		"TooManyRequests": {
			reason: "A server that limits is not a server without data.",
			answer: answering(429, "slow down"),
			want:   "429",
		},
		"ServerError": {
			reason: "A broken server is not a server without data.",
			answer: answering(503, "down"),
			want:   "503",
		},
		"NotJSON": {
			reason: "A login page is no answer.",
			answer: answering(200, "<html>"),
			want:   "bad_response",
		},
		"Redirect": {
			reason: "A redirect would take credentials along to another host.",
			answer: func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "http://elsewhere.invalid/", http.StatusFound)
			},
			want: "302",
		},
		"Huge": {
			reason: "An answer of any size must not eat the operator's memory.",
			answer: huge,
			want:   "the answer is larger than 4194304 bytes",
		},
		"HugeCompressed": {
			reason: "It is the size in memory that counts, not that on the wire.",
			answer: hugeCompressed,
			want:   "the answer is larger than 4194304 bytes",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p, err := NewPrometheus(serve(t, tc.answer).URL, Options{Quote: true, Timeout: time.Minute})
			require.NoError(t, err)
			_, err = p.Query(t.Context(), "up")
			require.ErrorContains(t, err, tc.want, tc.reason)
			require.Equal(t, tc.noData, errors.Is(err, ErrNoData), tc.reason)
			require.Equal(t, tc.nan, errors.Is(err, ErrNaN), tc.reason)
			require.Less(t, len(err.Error()), 2*maxText, "Errors are bounded.")
		})
	}
}

// huge would go on to 100 MB.
func huge(w http.ResponseWriter, _ *http.Request) {
	chunk := []byte(strings.Repeat(" ", 1<<20))
	for range 100 {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// packed is 8 MB in gzip. It is made once, since that takes seconds where everything is watched for races.
var packed = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(bytes.Repeat([]byte(" "), 8<<20))
	if err = errors.Join(err, z.Close()); err != nil {
		panic(err)
	}
	return b.Bytes()
})

func hugeCompressed(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	_, _ = w.Write(packed())
}

func TestPrometheusRequest(t *testing.T) {
	type seen struct{ path, query, at, user, word string }
	var got seen
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = seen{path: r.URL.Path, query: r.FormValue("query"), at: r.FormValue("time")}
		got.user, got.word, _ = r.BasicAuth()
		result("scalar", `[1,"1"]`)(w, r)
	})
	p, err := NewPrometheus(strings.Replace(s.URL, "http://", "http://reader:s3cret@", 1)+"/prom/", Options{Quote: true})
	require.NoError(t, err)
	_, err = p.Query(t.Context(), `sum(up{job="a"})`)
	require.NoError(t, err)
	require.Equal(t, seen{path: "/prom/api/v1/query", query: `sum(up{job="a"})`, user: "reader", word: "s3cret"}, got,
		"The path is kept, credentials are sent, and the time is left to the server.")
}

func TestPrometheusTime(t *testing.T) {
	type seen struct{ method, query, at, cached string }
	for name, refuses := range map[string]string{"Post": "", "Get": http.MethodPost} {
		t.Run(name, func(t *testing.T) {
			var got seen
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == refuses {
					w.WriteHeader(http.StatusForbidden)
					return
				}
				got = seen{method: r.Method, query: r.FormValue("query"), at: r.FormValue("time"), cached: r.FormValue("nocache")}
				result("scalar", `[1,"1"]`)(w, r)
			})
			p, err := NewPrometheus(s.URL, Options{Quote: true})
			require.NoError(t, err)
			_, err = p.(Sampler).Samples(t.Context(), "up", time.Unix(1700000000, 0))
			require.NoError(t, err)
			require.Equal(t, seen{method: strings.ToUpper(name), query: "up", at: "1700000000", cached: "1"}, got, "VictoriaMetrics would answer for another time.")
		})
	}
}

func TestPrometheusFallsBackToGet(t *testing.T) {
	var query string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		query = r.URL.Query().Get("query")
		result("scalar", `[1,"1"]`)(w, r)
	})
	p, err := NewPrometheus(s.URL, Options{Quote: true})
	require.NoError(t, err)
	got, err := p.Query(t.Context(), "up")
	require.NoError(t, err, "A proxy may let nothing but GET through.")
	require.Equal(t, 1.0, got)
	require.Equal(t, "up", query)
}

func TestPrometheusEnds(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	cases := map[string]struct {
		reason  string
		ctx     context.Context
		timeout time.Duration
		want    string
		is      error
	}{
		"Slow": {
			reason:  "A slow server must not hold a round up.",
			ctx:     t.Context(),
			timeout: 20 * time.Millisecond,
			want:    "no answer within 20ms",
			is:      context.DeadlineExceeded,
		},
		"Cancelled": {
			reason:  "A cancelled round ends at once, and says so.",
			ctx:     cancelled,
			timeout: time.Minute,
			want:    "context canceled",
			is:      context.Canceled,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p, err := NewPrometheus(serve(t, stalled).URL, Options{Quote: true, Timeout: tc.timeout})
			require.NoError(t, err)
			_, err = p.Query(tc.ctx, "up")
			require.ErrorContains(t, err, tc.want, tc.reason)
			require.ErrorIs(t, err, tc.is, tc.reason)
		})
	}
}

func TestPrometheusDefaultTimeout(t *testing.T) {
	p, err := NewPrometheus("http://prometheus:9090", Options{Quote: true})
	require.NoError(t, err)
	require.Equal(t, 5*time.Second, p.(*alone).timeout, "The interface's own timeout.")
}

func TestPrometheusAddress(t *testing.T) {
	cases := map[string]struct {
		reason, address, want string
	}{
		"Empty":       {reason: "Nobody said where.", address: "", want: "not an http or https URL"},
		"NoScheme":    {reason: "A host alone is no URL.", address: "prometheus:9090", want: "not an http or https URL"},
		"NoHost":      {reason: "A path alone is no server.", address: "http:///prom", want: "not an http or https URL"},
		"OtherScheme": {reason: "Files are not asked.", address: "file:///etc/passwd", want: "not an http or https URL"},
		"Garbage":     {reason: "What cannot be read is not quoted.", address: "http://u:s3cret@h:x y/", want: "not a URL"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := NewPrometheus(tc.address, Options{Quote: true})
			require.ErrorContains(t, err, tc.want, tc.reason)
			require.NotContains(t, err.Error(), "s3cret", tc.reason)
		})
	}
}

func TestPrometheusKeepsSecrets(t *testing.T) {
	cases := map[string]struct {
		reason string
		answer http.HandlerFunc
	}{
		"NoData":  {reason: "No data names the server.", answer: result("vector", `[]`)},
		"Refused": {reason: "Complaints name the server.", answer: answering(401, "who are you")},
		"Broken":  {reason: "Failures name the server.", answer: answering(500, "")},
		"Garbled": {reason: "So does what cannot be read.", answer: answering(200, "{")},
		"Hangs":   {reason: "So does what never comes.", answer: stalled},
		"HangsUp": {reason: "So does a broken connection.", answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		"Redirect": {reason: "So does a redirect.", answer: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/?s3cret", http.StatusTemporaryRedirect)
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := serve(t, tc.answer)
			address := strings.Replace(s.URL, "http://", "http://reader:s3cret@", 1) + "/k3y?token=t0ken"
			p, err := NewPrometheus(address, Options{Quote: true, Timeout: 50 * time.Millisecond})
			require.NoError(t, err)
			_, err = p.Query(t.Context(), "up")
			require.Error(t, err, tc.reason)
			for _, secret := range []string{"s3cret", "reader", "t0ken", "k3y"} {
				require.NotContains(t, err.Error(), secret, tc.reason)
			}
			require.Contains(t, err.Error(), strings.TrimPrefix(s.URL, "http://"), tc.reason)
		})
	}
}

func TestPrometheusErrorsAreDeterministic(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close()
	p, err := NewPrometheus(s.URL, Options{Quote: true})
	require.NoError(t, err)
	_, first := p.Query(t.Context(), "up")
	_, second := p.Query(t.Context(), "up")
	require.ErrorContains(t, first, "connection refused")
	require.EqualError(t, second, first.Error(), "Errors end in conditions, which must not flap.")
}

func TestAnswersAreJSON(t *testing.T) {
	var v any
	rec := httptest.NewRecorder()
	result("scalar", `[1,"1"]`)(rec, nil)
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &v), "The tests above must not pass on a typing error.")
}

func BenchmarkPrometheusQuery(b *testing.B) {
	p, err := NewPrometheus(serve(b, result("vector", `[{"metric":{},"value":[1,"99.9"]}]`)).URL, Options{Quote: true})
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Query(b.Context(), "up"); err != nil {
			b.Fatal(err)
		}
	}
}
