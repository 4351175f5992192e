package metric

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// graphite has no window of ours: how far to look back is part of its query, `from`.
type graphite struct {
	server *rest
	config
}

func newGraphite(c config) (Provider, error) {
	h := http.Header{}
	if err := c.credentials(h, "username"); err != nil {
		return nil, err
	}
	server, err := newRest(c, h)
	if err != nil {
		return nil, err
	}
	return &graphite{server: server, config: c}, nil
}

// Query sends the query, which is the query string of a URL (`target=a.b.c&from=-5min`), and takes the
// newest complete point of the first series that has any.
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
	err = ErrNoData
	for _, series := range answer {
		points := make([]point, 0, len(series.Points))
		for _, p := range series.Points {
			if len(p) == 2 && p[1] != nil {
				points = append(points, point{from: time.Unix(int64(*p[1]), 0), value: p[0]})
			}
		}
		// By the time after the answer: what the server takes for now may be a moment after the question.
		value, none := newest(points, spacing(points), g.Now())
		if none == nil {
			return value, nil
		}
		err = none
	}
	return 0, err
}
