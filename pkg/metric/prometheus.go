package metric

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/sluice-cd/sluice/pkg/outbound"
)

// Options are what every provider may be given. The zero value is ready to use.
type Options struct {
	Client  *http.Client  // nil: one of its own
	Timeout time.Duration // of a query; zero: 5s
	Quote   bool          // what the server says is shown in errors
}

const (
	defaultTimeout = 5 * time.Second
	maxText        = 1 << 10 // of what a server says is wrong
)

// It keeps the time limit and ErrNaN itself, though guard does so too: Pool.Prometheus is asked without a guard.
type prometheus struct {
	host    string // all of the address that may be shown
	api     promv1.API
	timeout time.Duration
}

// NewPrometheus asks the server at address, `http://prometheus:9090`, by instant queries. Credentials
// in it are sent as basic authentication.
//
// Source: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
func NewPrometheus(address string, o Options) (Provider, error) {
	made, err := openPrometheus(address, o)
	if err != nil {
		return nil, err
	}
	return &alone{prometheus: made, quote: o.Quote}, nil
}

// alone is a server that is asked without a guard.
type alone struct {
	*prometheus
	quote bool
}

// Query is the server's, with what it said in errors or without.
func (a *alone) Query(ctx context.Context, query string) (float64, error) {
	value, err := a.prometheus.Query(ctx, query)
	return value, quoting(err, a.quote)
}

// Samples is the server's, with what it said in errors or without.
func (a *alone) Samples(ctx context.Context, query string, at time.Time) ([]Sample, error) {
	found, err := a.prometheus.Samples(ctx, query, at)
	return found, quoting(err, a.quote)
}

func openPrometheus(address string, o Options) (*prometheus, error) {
	u, err := outbound.ParseURL(address)
	if err != nil {
		return nil, fmt.Errorf("the address of prometheus %w", err)
	}
	if o.Client == nil {
		o.Client = outbound.NewClient(outbound.Options{})
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	c, err := api.NewClient(api.Config{Address: address, Client: o.Client})
	if err != nil {
		return nil, fmt.Errorf("prometheus %q: %w", u.Host, outbound.Cause(err))
	}
	return &prometheus{host: u.Host, api: promv1.NewAPI(entire{c}), timeout: o.Timeout}, nil
}

// entire refuses an answer that VictoriaMetrics marks as partial, by a field that the library does not read. To a question
// about a time it wants the answer of that time: VictoriaMetrics takes one within the last half minute for half a minute
// ago, unless it is told not to. Others do not know the word.
//
// Sources: https://docs.victoriametrics.com/victoriametrics/cluster-victoriametrics/#cluster-availability,
// https://docs.victoriametrics.com/victoriametrics/single-server-victoriametrics/#prometheus-querying-api-enhancements
type entire struct{ api.Client }

func (e entire) Do(ctx context.Context, r *http.Request) (*http.Response, []byte, error) {
	if ctx.Value(ofTime{}) != nil {
		asked := r.URL.Query()
		asked.Set("nocache", "1")
		r.URL.RawQuery = asked.Encode()
	}
	resp, body, err := e.Client.Do(ctx, r)
	// No text in JSON can hold these bytes: its quotes are escaped.
	if err == nil && bytes.Contains(body, []byte(`"isPartial":true`)) {
		return resp, body, errPartial
	}
	return resp, body, err
}

// ofTime is what the context of a question about a time has.
type ofTime struct{}

var errPartial = errors.New("the server says that its answer is partial")

// newPrometheus asks with the credentials and headers of a template.
func newPrometheus(c config) (Provider, error) {
	h := c.header()
	if err := c.credentials(h, "token"); err != nil {
		return nil, err
	}
	// A copy with the same connections below: the client is shared, and these headers are one template's.
	client := *c.client
	client.Transport = withHeader{next: c.client.Transport, header: h}
	return openPrometheus(c.address, Options{Client: &client, Timeout: c.Timeout})
}

// withHeader sends headers along with every request.
type withHeader struct {
	next   http.RoundTripper
	header http.Header
}

// RoundTrip sets headers here, since the library's calls take none. Those of the template win over the library's.
func (h withHeader) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := r.Clone(r.Context()) // a request belongs to its sender
	for name, values := range h.header {
		sent.Header[name] = values
	}
	if host := h.header.Get("Host"); host != "" {
		// Go ignores a header of that name. Gateways with many hosts behind one address need it.
		sent.Host = host
	}
	return h.next.RoundTrip(sent)
}

// Query runs an instant query and takes its scalar, or the last element of its vector.
func (p *prometheus) Query(ctx context.Context, query string) (float64, error) {
	found, err := p.Samples(ctx, query, time.Time{})
	if err != nil {
		return 0, err
	}
	// The last, as other operators of this API have it. Who judges asks for all of them.
	number := found[len(found)-1].Value
	if math.IsNaN(number) {
		return 0, fmt.Errorf("prometheus %q: %w", p.host, ErrNaN)
	}
	return number, nil
}

// Samples runs an instant query and takes all elements of its vector. A scalar is one without labels. A single NaN is
// ErrNaN. Of the zero time nothing is sent: the server's clock, not ours, is that of its samples.
func (p *prometheus) Samples(ctx context.Context, query string, at time.Time) ([]Sample, error) {
	// Not the client's timeout: it is shared by those who have others.
	within, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	if !at.IsZero() {
		within = context.WithValue(within, ofTime{}, true)
	}
	v, warnings, err := p.api.Query(within, query, at)
	if err != nil {
		return nil, fmt.Errorf("prometheus %q: %w", p.host, p.cause(ctx, err))
	}
	if err := incomplete(warnings); err != nil {
		return nil, fmt.Errorf("prometheus %q: %w", p.host, err)
	}
	found, err := samples(v)
	if err != nil {
		return nil, fmt.Errorf("prometheus %q: %w", p.host, err)
	}
	if len(found) == 1 && math.IsNaN(found[0].Value) { // what a rate of nothing by nothing comes to
		return nil, fmt.Errorf("prometheus %q: %w", p.host, ErrNaN)
	}
	return found, nil
}

func (p *prometheus) cause(ctx context.Context, err error) error {
	// Ours has run out, and not that of the round.
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("no answer within %s: %w", p.timeout, context.DeadlineExceeded)
	}
	// Found below whatever the client wraps it in, and told in the words of all providers.
	var large *outbound.TooLargeError
	if errors.As(err, &large) {
		return large
	}
	var told *promv1.Error
	// A server may repeat the query, or be a proxy that answers with a page. The text ends in a condition.
	if errors.As(err, &told) && !ofStatus.MatchString(told.Msg) {
		return fmt.Errorf("%s: %s", shownType(told.Type), said(told.Msg))
	}
	var sending *url.Error
	if told != nil || errors.Is(err, errPartial) || errors.As(err, &sending) || ctx.Err() != nil {
		return outbound.Cause(err)
	}
	// The library's errors of decoding repeat the answer.
	return fmt.Errorf("the answer cannot be read: %s", said(err.Error()))
}

// ofStatus is the library's own text about a status code.
var ofStatus = regexp.MustCompile(`^(client error:|server error:|bad response code) \d{3}$`)

// shownType is a type of errors of the interface; any other is the server's own word.
func shownType(t promv1.ErrorType) string {
	switch t {
	case promv1.ErrBadData, promv1.ErrTimeout, promv1.ErrCanceled, promv1.ErrExec, promv1.ErrBadResponse, promv1.ErrServer, promv1.ErrClient:
		return string(t)
	}
	return said(string(t))
}

// incomplete is the first warning: that a part of the servers behind this one did not answer, or that some series could
// not be computed. Remarks on the query, which older servers put among them, say nothing of the answer.
//
// Source: https://prometheus.io/docs/prometheus/latest/querying/api/#format-overview
func incomplete(warnings promv1.Warnings) error {
	for _, w := range warnings {
		if !strings.HasPrefix(w, "PromQL info:") {
			return fmt.Errorf("the server warns: %s", said(w))
		}
	}
	return nil
}

func samples(v model.Value) ([]Sample, error) {
	switch v := v.(type) {
	// Without a label, so that conditions and comparisons treat `scalar(...)` and `vector(...)` alike.
	case *model.Scalar:
		return []Sample{{Value: float64(v.Value)}}, nil
	case model.Vector:
		if len(v) == 0 {
			return nil, ErrNoData
		}
		found := make([]Sample, len(v))
		for i, s := range v {
			switch {
			case s == nil: // null in the answer
				return nil, errors.New("an element of the query's result is null")
			case s.Histogram != nil:
				return nil, errors.New("an element of the query's result is a histogram, not a number")
			case s.Timestamp == 0 && s.Value == 0: // nothing was read
				return nil, errors.New("an element of the query's result has no value")
			}
			found[i] = Sample{Labels: labels(s.Metric), Value: float64(s.Value)}
		}
		return found, nil
	default:
		return nil, fmt.Errorf("the query's result is a %s, not a number", kind(v))
	}
}

func labels(m model.Metric) map[string]string {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]string, len(m))
	for name, value := range m {
		out[string(name)] = string(value)
	}
	return out
}

// kind is for errors. A range vector is the usual mistake: `[1m]` without a function around it.
func kind(v model.Value) string {
	if v == nil {
		return "nothing"
	}
	return v.Type().String()
}
