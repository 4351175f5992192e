// Command loadtester runs the load and acceptance tests that the webhooks of a Canary ask for, and
// keeps gates for approvals by hand.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"github.com/go-logr/logr"

	"github.com/sluice-cd/sluice/pkg/loadtest"
)

// tokenVariable is where a Secret is handed over. It counts more than the flag.
// A flag stands in the process list, which the commands that are run here can read.
const tokenVariable = "LOADTESTER_TOKEN"

// flags are what a user may set.
type flags struct {
	port    int
	timeout time.Duration
	// A regular expression. It looks at what the payload says, which is no proof: the token is for that.
	namespace string
	level     string
	gates     string
	token     string
}

// main ends with SIGTERM too, which is how a pod is told to: commands that run are ended before it goes.
func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "loadtester:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	// The token is taken from the environment first, and then taken out of it.
	f, err := parse(args, os.Getenv)
	if err != nil {
		return err
	}
	if err := os.Unsetenv(tokenVariable); err != nil { // commands inherit the environment
		return err
	}
	log, err := logger(f.level)
	if err != nil {
		return err
	}
	o := loadtest.Options{Timeout: f.timeout, Token: f.token, Log: log}
	// A lock that cannot be read must not stand open, so a wrong expression ends the start.
	if f.namespace != "" {
		if o.Namespaces, err = regexp.Compile(f.namespace); err != nil {
			return fmt.Errorf("-namespace-regexp: %w", err)
		}
	}
	if o.Gates, err = keeper(f.gates, log); err != nil {
		return fmt.Errorf("-gates-configmap: %w", err)
	}
	// Listening comes last: whoever connects finds a server that is ready.
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", f.port))
	if err != nil {
		return err
	}
	log.Info("listening", "address", l.Addr().String(), "timeout", f.timeout.String(), "token", f.token != "")
	// Both are given ctx: load tests go on when their call has been answered, but must not outlive the process.
	return loadtest.New(ctx, o).Run(ctx, l)
}

func parse(args []string, env func(string) string) (flags, error) {
	var f flags
	set := flag.NewFlagSet("loadtester", flag.ContinueOnError)
	set.IntVar(&f.port, "port", 9090, "port to listen on")
	// Names and defaults are the interface's; gates-configmap and token are ours.
	set.DurationVar(&f.timeout, "timeout", time.Hour, "longest time that a command may run")
	set.StringVar(&f.namespace, "namespace-regexp", "", "namespaces whose Canaries may call; empty allows all")
	set.StringVar(&f.level, "log-level", "info", "debug, info, warn or error")
	set.StringVar(&f.gates, "gates-configmap", "", "ConfigMap of this namespace that open gates are kept in; empty keeps them in memory")
	set.StringVar(&f.token, "token", "", "bearer token that callers must send; also "+tokenVariable)
	if err := set.Parse(args); err != nil {
		return f, err
	}
	// A flag that lost its dash would be ignored otherwise, a lock among them.
	if set.NArg() > 0 {
		return f, fmt.Errorf("unexpected argument %q", set.Arg(0))
	}
	f.token = cmp.Or(env(tokenVariable), f.token)
	return f, nil
}

// logger writes JSON, as the operator does, through the standard library: this program needs no more.
func logger(level string) (logr.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return logr.Discard(), fmt.Errorf("-log-level: %w", err)
	}
	return logr.FromSlogHandler(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: l})), nil
}
