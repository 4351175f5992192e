package metric

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func asked(t *testing.T, h http.HandlerFunc, w *v1beta1.WebRequest, query string) (float64, error) {
	t.Helper()
	p, err := New(v1beta1.MetricProvider{Type: "web", Address: serve(t, h).URL + "/check?from=template"}, Settings{Web: w, Vars: podinfo(), Quote: true})
	require.NoError(t, err)
	return p.Query(t.Context(), query)
}

func TestWebFinds(t *testing.T) {
	cases := map[string]struct {
		reason, path string
		want         float64
		err          string
		noData       bool
	}{
		"Number":       {reason: "A number in the answer.", path: "{.data.errorRate}", want: 2.5},
		"NoBraces":     {reason: "Written without braces it is the same.", path: ".data.errorRate", want: 2.5},
		"NumberInText": {reason: "Many APIs write numbers as strings.", path: "{.data.p99}", want: 12.5},
		"Text":         {reason: "The error says what was found.", path: "{.data.note}", err: `at "{.data.note}" is the string "fine", not a number`},
		"Boolean":      {reason: "Yes is no number.", path: "{.data.healthy}", err: `is the boolean true, not a number`},
		"Object":       {reason: "Nor is half the answer.", path: "{.data}", err: `is the object {"app":"podinfo"`},
		"List":         {reason: "Nor is a list.", path: "{.data.tags}", err: `is the list ["a","b"], not a number`},
		"Several":      {reason: "One is wanted.", path: "{.data.tags[*]}", err: "are 2 values where one is wanted"},
		"Null":         {reason: "Nothing was measured.", path: "{.data.nothing}", err: "null is at", noData: true},
		"Missing":      {reason: "Nothing is there.", path: "{.data.missing}", err: "nothing is at", noData: true},
		"Out":          {reason: "A list may be shorter than hoped.", path: "{.data.tags[7]}", err: "array index out of bounds"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := asked(t, recorded(t, "web.json"), &v1beta1.WebRequest{JSONPath: tc.path}, "")
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err, tc.reason)
				if tc.noData {
					require.ErrorIs(t, err, ErrNoData, tc.reason)
				} else {
					require.NotErrorIs(t, err, ErrNoData, tc.reason)
				}
				return
			}
			require.NoError(t, err, tc.reason)
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}

func TestWebJudgesByStatus(t *testing.T) {
	for _, code := range []int{200, 204, 302, 404, 503} {
		got, err := asked(t, answering(code, ""), nil, "")
		require.NoError(t, err, "Without a path the status is the answer, whatever it is.")
		require.Equal(t, float64(code), got)
	}
}

func TestWebRequest(t *testing.T) {
	var got sent
	h := func(w http.ResponseWriter, r *http.Request) {
		got = sent{method: r.Method, path: r.URL.Path, query: r.URL.RawQuery, body: readAll(t, r.Body), header: r.Header}
	}
	_, err := asked(t, h, &v1beta1.WebRequest{Method: "POST", Body: `{"app":"{{ target }}"}`}, "ns=test")
	require.NoError(t, err)
	require.Equal(t, []string{"application/json"}, got.header["Content-Type"])
	got.header = nil
	require.Equal(t, sent{method: "POST", path: "/check", query: "from=template&ns=test", body: `{"app":"podinfo"}`}, got)
}

func TestWebHost(t *testing.T) {
	host := ""
	h := func(w http.ResponseWriter, r *http.Request) { host = r.Host }
	p := v1beta1.MetricProvider{Type: "web", Address: serve(t, h).URL, Headers: http.Header{"host": {"gate.example"}}}
	made, err := New(p, Settings{})
	require.NoError(t, err)
	_, err = made.Query(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, "gate.example", host, "Gateways with many hosts behind one address need it.")
}

func TestWebRefuses(t *testing.T) {
	cases := map[string]struct {
		reason, want string
		web          v1beta1.WebRequest
	}{
		"Path":     {reason: "A path that cannot be read.", web: v1beta1.WebRequest{JSONPath: "{.a"}, want: "spec.web.jsonPath"},
		"Variable": {reason: "A word that is not given is named.", web: v1beta1.WebRequest{Body: "{{ variables.code }}"}, want: `"code"`},
		"Timeout":  {reason: "A time that is none.", web: v1beta1.WebRequest{Timeout: "soon"}, want: "spec.web.timeout"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := New(v1beta1.MetricProvider{Type: "web", Address: "http://a"}, Settings{Web: &tc.web, Vars: podinfo()})
			require.ErrorContains(t, err, tc.want, tc.reason)
		})
	}
}

func TestWebTimeout(t *testing.T) {
	began := time.Now()
	_, err := asked(t, stalled, &v1beta1.WebRequest{Timeout: "50ms"}, "")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "no answer within 50ms", "The template says how long.")
	require.Less(t, time.Since(began), 5*time.Second)
	day := Settings{Web: &v1beta1.WebRequest{Timeout: "24h"}}
	require.Equal(t, time.Minute, day.filled(providerKinds()["web"]).Timeout, "A minute at most.")
}

func TestShownIsBounded(t *testing.T) {
	got := unmarked(shown(strings.Repeat("x", 10000)))
	require.Less(t, len(got), 150)
	require.True(t, strings.HasPrefix(got, `the string "xxx`))
	require.Equal(t, "5", unmarked(shown(5.0)), "A number needs no word for what it is.")
}
