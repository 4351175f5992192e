package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

// What a request can die of, in the letters of Envoy's response flags.
const (
	flagNone             = "-"
	flagNoRoute          = "NR"
	flagNoCluster        = "NC"
	flagNoHealthy        = "UH"
	flagConnectFailed    = "UF"
	flagConnectionBroken = "UC"
	flagTimeout          = "UT"
	flagClientGone       = "DC"
	flagRetriesExhausted = "URX"
)

var (
	errTimeout = errors.New("the route's time is over")
	errPerTry  = errors.New("the attempt's time is over")
)

// flagOf says what an attempt died of.
func flagOf(ctx context.Context, err error) string {
	var op *net.OpError
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, errTimeout), errors.Is(cause, errPerTry), errors.Is(err, errTimeout), errors.Is(err, errPerTry):
		return flagTimeout
	case cause != nil:
		return flagClientGone
	case errors.As(err, &op) && op.Op == "dial":
		return flagConnectFailed
	}
	return flagConnectionBroken
}

// retryPolicy says which attempts are made again. A nil policy: none.
type retryPolicy struct {
	limit       int
	on          map[string]bool
	statuses    []int
	perTry      time.Duration
	first, last time.Duration // back-off
}

func compileRetry(p *route.RetryPolicy) *retryPolicy {
	if p == nil {
		return nil
	}
	out := &retryPolicy{limit: 1, on: map[string]bool{}, perTry: p.GetPerTryTimeout().AsDuration(), first: 25 * time.Millisecond}
	if n := p.GetNumRetries(); n != nil {
		out.limit = int(n.GetValue())
	}
	for on := range strings.SplitSeq(p.GetRetryOn(), ",") {
		out.on[strings.TrimSpace(on)] = true
	}
	for _, status := range p.GetRetriableStatusCodes() {
		out.statuses = append(out.statuses, int(status))
	}
	if base := p.GetRetryBackOff().GetBaseInterval(); base != nil {
		out.first = base.AsDuration()
	}
	out.last = 10 * out.first
	if longest := p.GetRetryBackOff().GetMaxInterval(); longest != nil {
		out.last = longest.AsDuration()
	}
	return out
}

// again says whether an attempt that ended like this is worth another: without a response by the flag,
// with one by its status.
func (p *retryPolicy) again(resp *http.Response, flag string) bool {
	if p == nil {
		return false
	}
	if resp != nil {
		return p.againAfter(resp)
	}
	if p.on["5xx"] || p.on["gateway-error"] || p.on["reset"] {
		return true
	}
	// A broken connection may have carried the request: none of the other conditions covers that.
	return flag == flagConnectFailed && (p.on["connect-failure"] || p.on["reset-before-request"])
}

// grpcNames are the conditions that look at gRPC's own status instead of HTTP's.
var grpcNames = map[string]string{"1": "cancelled", "4": "deadline-exceeded", "8": "resource-exhausted", "13": "internal", "14": "unavailable"}

func (p *retryPolicy) againAfter(resp *http.Response) bool {
	code := resp.StatusCode
	return p.on["5xx"] && code >= 500 ||
		p.on["gateway-error"] && code >= 502 && code <= 504 ||
		p.on["retriable-4xx"] && code == http.StatusConflict ||
		p.on["retriable-status-codes"] && slices.Contains(p.statuses, code) ||
		p.on[grpcNames[resp.Header.Get("Grpc-Status")]]
}

// pause is how long to wait before attempt n (from 1): somewhere below a bound that doubles.
func (p *retryPolicy) pause(n int, random float64) time.Duration {
	bound := p.first << min(n, 16)
	return time.Duration(random * float64(min(bound, p.last)))
}
