package metric

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// datadog is asked by its REST API: the vendor's client unpacks answers itself, past the limit of their size,
// and takes minutes to compile.
type datadog struct {
	server *rest
	config
}

func newDatadog(c config) (Provider, error) {
	h := http.Header{}
	h.Set("DD-API-KEY", c.secret("datadog_api_key"))
	h.Set("DD-APPLICATION-KEY", c.secret("datadog_application_key"))
	server, err := newRest(c, h)
	if err != nil {
		return nil, err
	}
	return &datadog{server: server, config: c}, nil
}

// Query takes the newest complete point of the first series that the query has had within ten intervals.
//
// Only the first series counts, as manifests of this API rely on; a query should aggregate to one.
//
// Source: https://docs.datadoghq.com/api/latest/metrics/#query-timeseries-points
func (d *datadog) Query(ctx context.Context, query string) (float64, error) {
	from, to := d.window()
	var answer struct {
		Series []struct {
			Points   [][]*float64 `json:"pointlist"` // time in milliseconds, value
			Interval float64      // of a point, in seconds
		}
		Error string
	}
	err := d.server.ask(ctx, http.MethodGet, "/api/v1/query", url.Values{
		"query": {query},
		"from":  {strconv.FormatInt(from.Unix(), 10)},
		"to":    {strconv.FormatInt(to.Unix(), 10)},
	}, nil, &answer)
	if err != nil {
		return 0, err
	}
	if answer.Error != "" { // with status 200, for a query that is wrong
		return 0, errors.New(said(answer.Error))
	}
	if len(answer.Series) == 0 {
		return 0, ErrNoData
	}
	first := answer.Series[0]
	points := make([]point, 0, len(first.Points))
	for _, p := range first.Points { // in the order of time
		if len(p) == 2 && p[0] != nil {
			points = append(points, point{from: time.UnixMilli(int64(*p[0])), value: p[1]})
		}
	}
	return newest(points, time.Duration(first.Interval*float64(time.Second)), d.Now())
}
