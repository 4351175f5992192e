// Package metrictest is a Prometheus for tests: its engine and its answers over HTTP, with series that are written down.
package metrictest

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"
	"github.com/stretchr/testify/require"
)

// Scrape is the time between two samples of a series.
const Scrape = 15 * time.Second

// Serve starts a server with the given series, and returns its address. A series is written as in unit tests of
// Prometheus' rules: `http_requests_total{code="200"} 0+15x20`. The first sample is of the time 0, and the last one of
// the longest series is now.
func Serve(t testing.TB, series ...string) string {
	t.Helper()
	s := store(t, series)
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1_000_000, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{})})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, at := r.FormValue("query"), s.now
		if seconds, err := strconv.ParseFloat(r.FormValue("time"), 64); err == nil {
			at = time.UnixMilli(int64(math.Round(seconds * 1000)))
		}
		query, err := engine.NewInstantQuery(r.Context(), s, nil, text, at)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			write(w, map[string]any{"status": "error", "errorType": "bad_data", "error": err.Error()})
			return
		}
		defer query.Close()
		answer(w, query.Exec(r.Context()), text)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// answer is that of Prometheus' API.
//
// Source: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
func answer(w http.ResponseWriter, found *promql.Result, query string) {
	if found.Err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		write(w, map[string]any{"status": "error", "errorType": "execution", "error": found.Err.Error()})
		return
	}
	warnings, infos := found.Warnings.AsStrings(query, 10, 10)
	result := any(found.Value)
	if vector, ok := found.Value.(promql.Vector); ok { // which the API writes by other means than the type's own
		elements := []any{}
		for _, e := range vector {
			elements = append(elements, map[string]any{"metric": e.Metric.Map(), "value": []any{float64(e.T) / 1000, fmt.Sprint(e.F)}})
		}
		result = elements
	}
	write(w, map[string]any{
		"status": "success", "warnings": warnings, "infos": infos,
		"data": map[string]any{"resultType": found.Value.Type(), "result": result},
	})
}

func write(w http.ResponseWriter, body any) {
	if err := json.NewEncoder(w).Encode(body); err != nil {
		panic(err)
	}
}

// memory is a storage of a few series.
type memory struct {
	all []storage.Series
	now time.Time
}

func store(t testing.TB, series []string) *memory {
	t.Helper()
	p, s := parser.NewParser(parser.Options{}), &memory{now: time.UnixMilli(0)}
	for _, text := range series {
		name, values, err := p.ParseSeriesDesc(text)
		require.NoError(t, err, text)
		samples := chunkenc.NewXORChunk()
		writer, err := samples.Appender()
		require.NoError(t, err, text)
		for i, v := range values {
			at := time.UnixMilli(0).Add(time.Duration(i) * Scrape)
			if at.After(s.now) {
				s.now = at
			}
			if !v.Omitted {
				writer.Append(0, at.UnixMilli(), v.Value)
			}
		}
		s.all = append(s.all, &storage.SeriesEntry{Lset: name, SampleIteratorFn: samples.Iterator})
	}
	return s
}

// Querier finds series by their labels; the engine takes the samples that are in its range.
func (s *memory) Querier(_, _ int64) (storage.Querier, error) {
	return &storage.MockQuerier{SelectMockFunction: func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
		found := &list{}
		for _, one := range s.all {
			if matches(one.Labels(), matchers) {
				found.all = append(found.all, one)
			}
		}
		return found
	}}, nil
}

func matches(l labels.Labels, matchers []*labels.Matcher) bool {
	for _, m := range matchers {
		if !m.Matches(l.Get(m.Name)) {
			return false
		}
	}
	return true
}

// list goes through series.
type list struct {
	all []storage.Series
	at  storage.Series
}

func (l *list) Next() bool {
	if len(l.all) == 0 {
		return false
	}
	l.at, l.all = l.all[0], l.all[1:]
	return true
}

func (l *list) At() storage.Series                { return l.at }
func (l *list) Err() error                        { return nil }
func (l *list) Warnings() annotations.Annotations { return nil }
