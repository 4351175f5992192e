package metric

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// dynatrace is asked with an access token of the tenant, which has a scheme of its own beside Bearer.
type dynatrace struct {
	server *rest
	config
}

func newDynatrace(c config) (Provider, error) {
	h := http.Header{}
	h.Set("Authorization", "Api-Token "+c.secret("dynatrace_token"))
	server, err := newRest(c, h)
	if err != nil {
		return nil, err
	}
	return &dynatrace{server: server, config: c}, nil
}

// Query takes a metric selector, folded to one value over ten intervals, and of the first metric the last
// set of data. The selector should split by nothing, so that there is one.
//
// Source: https://docs.dynatrace.com/docs/dynatrace-api/environment-api/metric-v2/get-data-points
func (d *dynatrace) Query(ctx context.Context, query string) (float64, error) {
	// Milliseconds: the API takes them beside relative times and ISO dates.
	from, to := d.window()
	var answer struct {
		Result []struct {
			Data []struct {
				Values []*float64
			}
		}
	}
	err := d.server.ask(ctx, http.MethodGet, "/api/v2/metrics/query", url.Values{
		"metricSelector": {query},
		// One value for all of the time, so that there is no newest point to look for, which may not be complete.
		"resolution": {"Inf"},
		"from":       {strconv.FormatInt(from.UnixMilli(), 10)},
		"to":         {strconv.FormatInt(to.UnixMilli(), 10)},
	}, nil, &answer)
	if err != nil {
		return 0, err
	}
	if len(answer.Result) == 0 || len(answer.Result[0].Data) == 0 {
		return 0, ErrNoData
	}
	// The last, as other operators of this API have it.
	data := answer.Result[0].Data
	// Null where nothing was measured.
	if values := data[len(data)-1].Values; len(values) > 0 && values[0] != nil {
		return *values[0], nil
	}
	return 0, ErrNoData
}
