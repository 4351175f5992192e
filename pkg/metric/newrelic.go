package metric

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
)

// newrelic is asked by its REST API, one request, for which the vendor's client has no call.
type newrelic struct {
	server *rest
	config
}

func newNewRelic(c config) (Provider, error) {
	h := http.Header{}
	h.Set("X-Query-Key", c.secret("newrelic_query_key"))
	h.Set("Accept", "application/json")
	server, err := newRest(c, h)
	if err != nil {
		return nil, err
	}
	return &newrelic{server: server, config: c}, nil
}

// Query runs NRQL over the interval and takes the first result.
//
// The interval is appended, as manifests of this API rely on: their queries do not say SINCE. NRQL knows whole seconds
// only, so that it is rounded up: of 500ms nothing would be left.
//
// Source: https://docs.newrelic.com/docs/apis/insights-apis/query-insights-event-data-api
func (n *newrelic) Query(ctx context.Context, query string) (float64, error) {
	since := fmt.Sprintf("%s SINCE %d seconds ago", query, int64(math.Ceil(n.Interval.Seconds())))
	var answer struct {
		Results []struct {
			Result *float64
		}
	}
	path := "/v1/accounts/" + url.PathEscape(n.secret("newrelic_account_id")) + "/query"
	if err := n.server.ask(ctx, http.MethodGet, path, url.Values{"nrql": {since}}, nil, &answer); err != nil {
		return 0, err
	}
	if len(answer.Results) == 0 || answer.Results[0].Result == nil {
		return 0, ErrNoData
	}
	return *answer.Results[0].Result, nil
}
