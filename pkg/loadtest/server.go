// Package loadtest is what webhooks call when nothing else is at hand: it runs commands that load or
// test a canary, and keeps gates that people open and close by hand.
//
//	POST /                       run what metadata.type says: cmd and ngrinder in the background, bash,
//	                             helm, kubectl and concord at once
//	/gate/approve /gate/halt     always agree, always refuse
//	/gate/check open close       a gate for each Canary, closed at first
//	/rollback/check open close   the same for asking a rollout to go back: that one, and none after it
//	/healthz /metrics
//
// It runs what it is sent. Who may reach it may run commands in its pod, so it belongs behind a network
// policy, with a service account that may do little. Its own locks are a bearer token and a regexp of
// namespaces. All that callers could fill is bounded: payloads, output, the number of commands and their time.
package loadtest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"regexp"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options are the settings of a Server. Its zero value runs commands of any namespace for an hour.
type Options struct {
	Timeout    time.Duration  // of a command; zero: 1h
	Namespaces *regexp.Regexp // whose Canaries may call; nil: all
	Commands   int            // of each type that run at the same time; zero: 64
	Token      *Digest        // of what callers must bear; nil: nothing. Health and metrics stay open
	Gates      Gates          // where it is kept which gates are open; nil: in memory
	Log        logr.Logger
}

// Server runs commands and keeps gates. Make one with New.
type Server struct {
	options Options
	gates   Gates
	asked   askedGates
	runner  *runner
	metrics *prometheus.Registry
}

const (
	defaultTimeout  = time.Hour
	defaultCommands = 64

	// grace is what requests under way get at shutdown. Commands get nothing: the canary they load is
	// somebody else's by then.
	grace = 5 * time.Second
)

// New makes a Server. Commands end when ctx does.
func New(ctx context.Context, o Options) *Server {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Commands <= 0 {
		o.Commands = defaultCommands
	}
	if o.Gates == nil {
		o.Gates = &Memory{}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &Server{
		options: o,
		gates:   o.Gates,
		runner:  newRunner(ctx, o, registry),
		metrics: registry,
	}
}

// Handler serves all of the addresses above.
func (s *Server) Handler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("/healthz", say(http.StatusOK, "OK"))
	m.Handle("/metrics", promhttp.HandlerFor(s.metrics, promhttp.HandlerOpts{}))
	m.Handle("/", bearing(s.options.Token, s.calls()))
	return m
}

// calls are the addresses that webhooks call.
func (s *Server) calls() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("/gate/approve", say(http.StatusOK, "OK"))
	m.HandleFunc("/gate/halt", say(http.StatusForbidden, "Forbidden"))
	m.HandleFunc(gateKey.path+"/check", s.called(s.gate(gateKey, s.check)))
	m.HandleFunc(rollbackKey.path+"/check", s.called(s.gate(rollbackKey, s.checkSwitch)))
	for _, kind := range []gateKind{gateKey, rollbackKey} {
		m.HandleFunc(kind.path+"/open", s.called(s.gate(kind, s.turn(kind, true))))
		m.HandleFunc(kind.path+"/close", s.called(s.gate(kind, s.turn(kind, false))))
	}
	m.HandleFunc("/{$}", s.called(s.task))
	return m
}

// Run serves until ctx is done, then ends what runs and returns.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	web := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := web.Shutdown(within)
	s.runner.wait()
	if errors.Is(err, context.DeadlineExceeded) {
		return web.Close()
	}
	return err
}

func say(code int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { answer(w, code, text) }
}

func answer(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text)) // nobody is left to be told
}
