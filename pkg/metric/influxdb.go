package metric

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	influx "github.com/influxdata/influxdb-client-go/v2"
	influxapi "github.com/influxdata/influxdb-client-go/v2/api"
	influxhttp "github.com/influxdata/influxdb-client-go/v2/api/http"

	"github.com/sluice-cd/sluice/pkg/outbound"
)

// influxdb is asked by the vendor's client, which knows annotated CSV: Flux answers in that.
type influxdb struct{ api influxapi.QueryAPI }

func newInflux(c config) (Provider, error) {
	if _, err := outbound.ParseURL(c.address); err != nil {
		return nil, fmt.Errorf("the address %w", err)
	}
	// The client is shared, and only this provider's requests are changed on the way.
	own := *c.client
	own.Transport = unpacking{next: c.client.Transport}
	o := influx.DefaultOptions().SetHTTPClient(&own).SetLogLevel(0)
	client := influx.NewClientWithOptions(c.address, c.secret("token"), o)
	return &influxdb{api: client.QueryAPI(c.secret("org"))}, nil
}

var errNoCSV = errors.New("the answer cannot be read: it is not the annotated CSV that was expected")

// unpacking has the transport below unpack answers, where the limit of their size is above it. The client would
// do so itself, without any.
type unpacking struct{ next http.RoundTripper }

func (u unpacking) RoundTrip(r *http.Request) (*http.Response, error) {
	asked := r.Clone(r.Context())
	asked.Header.Del("Accept-Encoding")
	return u.next.RoundTrip(asked)
}

// ErrNoRecords is the ErrNoData of an answer without records. The interface counts it as 0, which is for who judges to do.
var ErrNoRecords error = noRecords{}

type noRecords struct{}

func (noRecords) Error() string { return ErrNoData.Error() }
func (noRecords) Unwrap() error { return ErrNoData }

// Query runs Flux and takes the `_value` of the first record. No record is ErrNoRecords.
//
// Source: https://docs.influxdata.com/influxdb/v2/query-data/execute-queries/influx-api/
func (i *influxdb) Query(ctx context.Context, query string) (float64, error) {
	// Raw, to look at the text first: see below.
	text, err := i.api.QueryRaw(ctx, query, influxapi.DefaultDialect())
	if err != nil {
		return 0, refusal(err)
	}
	// The client takes a page without annotations for an answer without records.
	if text = strings.TrimLeft(text, "\r\n"); text != "" && text[0] != '#' && text[0] != ',' {
		return 0, errNoCSV
	}
	found := influxapi.NewQueryTableResult(io.NopCloser(strings.NewReader(text)))
	if !found.Next() {
		if err := found.Err(); err != nil {
			return 0, fmt.Errorf("the answer cannot be read: %s", said(err.Error()))
		}
		return 0, ErrNoRecords
	}
	record := found.Record()
	if record == nil { // the client takes any row for a record, and makes none of a misspelt annotation
		return 0, errNoCSV
	}
	switch v := record.Value().(type) {
	// An aggregate of nothing has a record without a value.
	case nil:
		return 0, ErrNoData
	case float64:
		return v, nil
	case int64:
		return float64(v), nil
	case uint64:
		return float64(v), nil
	default:
		return 0, fmt.Errorf("the first record's value is %s, not a number", shown(v))
	}
}

// refusal is what the client's error is about, in the words of the others.
func refusal(err error) error {
	var told *influxhttp.Error
	if errors.As(err, &told) && told.StatusCode != 0 {
		return &StatusError{Code: told.StatusCode, Said: said(told.Message)}
	}
	return outbound.Cause(err)
}
