package analysis

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/outbound"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

const (
	hookTimeout = 10 * time.Second
	maxSaid     = 160 // characters of an answer that are shown

	// Hooks of many Canaries that one host answers, as a load tester that all share: each namespace has some requests to it
	// of its own, and others are shared. One alone gets more than a load tester runs commands at the same time: who waits here
	// uses up the time of its hook.
	ownCalls, sharedCalls = 4, 256
	// idleCalls are connections that are kept to one host.
	idleCalls = 16
)

// caller calls webhooks. Its two clients differ in whether they ask who they are talking to.
type caller struct {
	to    *outbound.Addresses // that may be dialled; nil: all
	hosts *outbound.Hosts
	// Kept for good, for their connections; which one is used is up to each hook's disableTLS.
	strict, lax      *http.Client
	own              *http.Client  // for what the operator's flags name: it dials every address
	minWait, maxWait time.Duration // between attempts
}

// newCaller has the waiting times of the interface: a second at first, and half a minute at most.
func newCaller(to *outbound.Addresses) *caller {
	insecure, _ := outbound.Trust{Insecure: true}.Config() // it fails for bundles alone
	hosts := outbound.NewHosts(ownCalls, sharedCalls)
	return &caller{
		to:      to,
		hosts:   hosts,
		strict:  outbound.NewClient(outbound.Options{Addresses: to, Hosts: hosts, IdleConns: idleCalls}),
		lax:     outbound.NewClient(outbound.Options{TLS: insecure, Addresses: to, Hosts: hosts, IdleConns: idleCalls}),
		own:     outbound.NewClient(outbound.Options{Hosts: hosts, IdleConns: idleCalls}),
		minWait: time.Second,
		maxWait: 30 * time.Second,
	}
}

// call returns nil when the hook answered with a 2xx, and else one line that says what came instead. The
// context's deadline, which covers all attempts, is after the time that the hook was given.
func (c *caller) call(ctx context.Context, h v1beta1.CanaryWebhook, within time.Duration, body []byte, cr credentials) error {
	req, err := request(ctx, h, body, cr)
	if err != nil {
		return err
	}
	used, done, err := c.client(h, cr.own)
	if err != nil {
		return err
	}
	defer done()
	var last *answer
	resp, err := c.attempts(used, h.Retries, &last).Do(req)
	// The library leaves the last answer's body open, with this handler of errors.
	if resp != nil {
		resp.Body.Close()
	}
	if h.Moment() == v1beta1.StepHook && last != nil && last.code == http.StatusAccepted {
		return &notDoneError{last.String()}
	}
	return result(last, err, req.URL.Host, within)
}

// hookTimeoutOf reads a timeout anew each time: the Canary may have been stored before its field was checked. What is cut
// off is said in a remark of the plan.
func hookTimeoutOf(h v1beta1.CanaryWebhook) (time.Duration, error) {
	if h.Timeout == "" {
		return hookTimeout, nil
	}
	d, err := time.ParseDuration(h.Timeout)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("timeout %q is not a duration above zero", h.Timeout)
	}
	return min(d, rollout.LongestHook), nil
}

// request quotes no more of an address than its host: tokens are put into paths and queries as well as into
// passwords, and the error ends in an event.
func request(ctx context.Context, h v1beta1.CanaryWebhook, body []byte, cr credentials) (*retryablehttp.Request, error) {
	u, err := outbound.ParseURL(h.URL)
	if err != nil {
		return nil, errors.New("the url is not an http or https URL with a host") // it may hold a password
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, h.URL, body)
	if err != nil {
		return nil, fmt.Errorf("calling %q: %w", u.Host, outbound.Cause(err))
	}
	req.Header = cr.header
	req.Header.Set("Content-Type", "application/json")
	if host := cr.header.Get("Host"); host != "" { // the library sends another one otherwise
		req.Host = host
	}
	return req, nil
}

// client is whom to call by. One that trusts a bundle of its own is thrown away after the call: how many
// bundles there are is up to Canaries.
func (c *caller) client(h v1beta1.CanaryWebhook, own bool) (*http.Client, func(), error) {
	switch {
	case own:
		return c.own, func() {}, nil
	case h.DisableTLS:
		return c.lax, func() {}, nil
	case len(h.CABundle) == 0:
		return c.strict, func() {}, nil
	}
	cfg, err := outbound.Trust{CA: h.CABundle}.Config()
	if err != nil {
		return nil, nil, fmt.Errorf("the caBundle %w", err)
	}
	brief := outbound.NewClient(outbound.Options{TLS: cfg, Addresses: c.to, Hosts: c.hosts})
	return brief, brief.CloseIdleConnections, nil
}

// attempts makes as many attempts as the hook asks for, and keeps what was last said in last: the library throws
// it away when it gives up.
func (c *caller) attempts(by *http.Client, retries int, last **answer) *retryablehttp.Client {
	return &retryablehttp.Client{
		HTTPClient: by,
		// Retried are connections that fail, 429 and 5xx, as the interface has it. A no by 4xx is one.
		RetryMax:     max(0, retries),
		RetryWaitMin: c.minWait,
		RetryWaitMax: c.maxWait,
		Backoff:      retryablehttp.DefaultBackoff,
		// Else the library answers "giving up after n attempts", and not what the server said.
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
		CheckRetry: func(ctx context.Context, resp *http.Response, err error) (bool, error) {
			// Read here, while the body is still open: the library drains it before the next attempt.
			if err == nil {
				*last = read(resp)
			}
			return retryablehttp.DefaultRetryPolicy(ctx, resp, err)
		},
	}
}

// answer is what is kept of a response.
type answer struct {
	code   int
	status string
	target string // host of a redirect
	said   string
}

// read takes only the beginning of a body, whatever its length says: the answer is shown, not processed.
func read(resp *http.Response) *answer {
	// One byte more than the longest characters have tells whether there is more.
	a := &answer{code: resp.StatusCode, status: oneLine([]byte(resp.Status)), said: oneLine(outbound.Start(resp.Body, utf8.UTFMax*maxSaid+1))}
	if to, err := resp.Location(); err == nil {
		a.target = oneLine([]byte(to.Host))
	}
	return a
}

// oneLine makes text fit for an event.
func oneLine(text []byte) string {
	line := []rune(outbound.Line(string(text), len(text)))
	if len(line) > maxSaid || len(text) > utf8.UTFMax*maxSaid {
		return string(line[:min(len(line), maxSaid)]) + "…"
	}
	return string(line)
}

// result prefers what the server said to how the connection ended: a hook that answered 500 three
// times and then ran out of time failed for what its 500 said.
// Any 2xx agrees. The interface stopped at 202, and so refused 204, which many frameworks answer with.
func result(last *answer, err error, host string, within time.Duration) error {
	switch {
	case last != nil && last.code/100 == 2: // even when its body never ended
		return nil
	case last == nil && errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer from %q within %s", host, within)
	case last == nil:
		return fmt.Errorf("calling %q: %w", host, outbound.Short(outbound.Cause(err), maxMessage/2))
	case last.code/100 == 3:
		return fmt.Errorf("%s: redirects are not followed, this one leads to %q", last.status, last.target)
	}
	return errors.New(last.String())
}

// String is one line for people.
func (a answer) String() string {
	if a.said == "" {
		return a.status
	}
	return a.status + ": " + a.said
}

// notDoneError is what the webhook of a step answers by 202: it has neither agreed nor refused yet.
type notDoneError struct{ said string }

func (e *notDoneError) Error() string { return e.said }
