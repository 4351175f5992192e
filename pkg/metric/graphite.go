package metric

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// graphite has no window of ours: how far to look back is part of its query, `from`.
type graphite struct{ server *rest }

func newGraphite(c config) (Provider, error) {
	h := http.Header{}
	if err := c.credentials(h, "username"); err != nil {
		return nil, err
	}
	server, err := newRest(c, h)
	if err != nil {
		return nil, err
	}
	return &graphite{server: server}, nil
}

// Query sends the query, which is the query string of a URL (`target=a.b.c&from=-5min`), and takes the
// newest point of the first series that has any.
//
// Source: https://graphite.readthedocs.io/en/latest/render_api.html
func (g *graphite) Query(ctx context.Context, query string) (float64, error) {
	// A semicolon belongs to tags there, and has ceased to separate values.
	values, err := url.ParseQuery(strings.ReplaceAll(strings.TrimSpace(query), ";", "%3B"))
	if err != nil {
		return 0, errors.New("the query is not the query string of a URL, as in target=a.b.c&from=-5min")
	}
	// Whatever the query asks for: it may have been copied from a page that draws pictures.
	values.Set("format", "json")
	var answer []struct {
		Points [][]*float64 `json:"datapoints"` // value, time in seconds
	}
	if err := g.server.ask(ctx, http.MethodGet, "/render", values, nil, &answer); err != nil {
		return 0, err
	}
	// Series of pods that are gone are listed as well, with null at each point.
	for _, series := range answer {
		if value, err := newest(series.Points, 0); err == nil {
			return value, nil
		}
	}
	return 0, ErrNoData
}
