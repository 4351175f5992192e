// Package traffic is a user who never stops asking: a steady stream of requests over connections old and
// new, with a memory of who answered what when. A rollout is judged by what this client saw, so nothing
// is smoothed or left out: whatever isn't a success is a failure with its time and its reason. What every
// HTTP client makes up for unasked, a kept connection that was dead already, is counted by itself.
package traffic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptrace"
	"sync"
	"time"
)

// Config says what to ask for and how often.
type Config struct {
	URL     string
	Host    string      // Host header; empty: the URL's
	Rate    float64     // requests per second in all; zero: as many as get through
	Workers int         // requests at a time; zero: 4. Every other one dials anew for each request
	Fresh   bool        // all of them do
	Headers http.Header // sent along
	Cookies bool        // each worker keeps the cookies it is given, as a browser does
	Timeout time.Duration
	// Call asks in another protocol, and tells the version that answered. Nil: by HTTP, which alone the fields above
	// are about, but for Rate, Workers and Timeout.
	Call func(context.Context) (version string, err error)
}

// defaultTimeout is when a user gives up.
const defaultTimeout = 10 * time.Second

// Client is a running stream of requests.
type Client struct {
	cfg     Config
	ticks   <-chan time.Time
	workers sync.WaitGroup
	stop    context.CancelFunc

	mu      sync.Mutex
	answers []Answer
}

// Answer is what became of one request.
type Answer struct {
	Worker   int // who asked: each keeps cookies of its own
	Sent     time.Time
	Took     time.Duration
	Fresh    bool   // over a connection of its own
	Resent   bool   // the first connection turned out dead, which HTTP clients make up for by asking again
	Status   int    // zero: there was no answer, or none of HTTP
	Version  string // of who answered, if the answer names one
	Hostname string
	Err      string // empty: success, which is any status below 400
}

// Start asks until ctx ends or Stop is called. Requests then under way are awaited, not broken off.
func Start(ctx context.Context, cfg Config) *Client {
	if cfg.Workers == 0 {
		cfg.Workers = 4
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	ctx, stop := context.WithCancel(ctx)
	c := &Client{cfg: cfg, stop: stop}
	if cfg.Rate > 0 {
		ticker := time.NewTicker(time.Duration(float64(time.Second) / cfg.Rate))
		c.ticks = ticker.C
		context.AfterFunc(ctx, ticker.Stop)
	}
	for n := range cfg.Workers {
		c.workers.Go(func() { c.work(ctx, n) })
	}
	return c
}

// Stop ends the stream and waits for the last answers.
func (c *Client) Stop() {
	c.stop()
	c.workers.Wait()
}

// work asks over and over; every other worker does so on a new connection each time, or all do.
func (c *Client) work(ctx context.Context, n int) {
	fresh := c.cfg.Call == nil && (n%2 == 1 || c.cfg.Fresh)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives, transport.Proxy = fresh, nil
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: c.cfg.Timeout}
	if c.cfg.Cookies {
		client.Jar, _ = cookiejar.New(nil) // never fails without options
	}
	for c.due(ctx) {
		answer := c.ask(context.WithoutCancel(ctx), client)
		answer.Worker, answer.Fresh = n, fresh
		c.mu.Lock()
		c.answers = append(c.answers, answer)
		c.mu.Unlock()
	}
}

// due waits for the next request's time; false: there is none any more.
func (c *Client) due(ctx context.Context) bool {
	if c.ticks == nil {
		return ctx.Err() == nil
	}
	select {
	case <-ctx.Done():
		return false
	case <-c.ticks:
		return ctx.Err() == nil
	}
}

func (c *Client) ask(ctx context.Context, client *http.Client) Answer {
	answer := Answer{Sent: time.Now()}
	var err error
	if c.cfg.Call == nil {
		err = c.fetch(ctx, client, &answer)
	} else {
		err = c.call(ctx, &answer)
	}
	answer.Took = time.Since(answer.Sent)
	if err != nil {
		answer.Err = err.Error()
	}
	return answer
}

// call makes one request of another protocol.
func (c *Client) call(ctx context.Context, answer *Answer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	answer.Version, err = c.cfg.Call(ctx)
	return err
}

// fetch makes one request; only a whole answer with a good status is a success.
func (c *Client) fetch(ctx context.Context, client *http.Client, answer *Answer) error {
	connections := 0
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connections++ }})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.cfg.URL, nil)
	if err != nil {
		return fmt.Errorf("preparing the request: %w", err)
	}
	r.Host = c.cfg.Host
	for name, values := range c.cfg.Headers {
		r.Header[name] = values
	}
	resp, err := client.Do(r)
	answer.Resent = connections > 1
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer.Status = resp.StatusCode
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	answer.identify(body)
	if resp.StatusCode >= http.StatusBadRequest {
		return errors.New(resp.Status)
	}
	return nil
}

// identify reads who answered; an answer that doesn't say is as good as one that does.
func (a *Answer) identify(body []byte) {
	var who struct{ Version, Hostname string }
	if json.Unmarshal(body, &who) == nil {
		a.Version, a.Hostname = who.Version, who.Hostname
	}
}
