package metric

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
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

// Query takes the newest point of the first series that the query has had within ten intervals.
//
// Only the first series counts, as manifests of this API rely on; a query should aggregate to one.
//
// Source: https://docs.datadoghq.com/api/latest/metrics/#query-timeseries-points
func (d *datadog) Query(ctx context.Context, query string) (float64, error) {
	from, to := d.window()
	var answer struct {
		Series []struct {
			Points [][]*float64 `json:"pointlist"` // time in milliseconds, value
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
		return 0, errors.New(said([]byte(answer.Error)))
	}
	if len(answer.Series) == 0 {
		return 0, ErrNoData
	}
	// Points come in the order of time. The newest ones may be null: their interval has not ended yet.
	return newest(answer.Series[0].Points, 1)
}

// A point is `[time, value]` at Datadog, `[value, time]` at Graphite, which is why the place is given. A null is no
// zero: nothing was reported for that moment.
// newest is the last point that has a value, which stands at the given place.
func newest(points [][]*float64, at int) (float64, error) {
	for i := len(points) - 1; i >= 0; i-- {
		if p := points[i]; at < len(p) && p[at] != nil {
			return *p[at], nil
		}
	}
	return 0, ErrNoData
}
