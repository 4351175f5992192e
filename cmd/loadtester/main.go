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
	"strings"
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
	encoding  string
	gates     string
	token     *loadtest.Digest
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
	// The token is taken from the environment first, and then taken out of it: commands inherit that. They can still read what
	// this process began with, under /proc, which is what -token-sha256 is for.
	f, err := parse(args, os.Getenv)
	if err != nil {
		return err
	}
	if err := os.Unsetenv(tokenVariable); err != nil { // commands inherit the environment
		return err
	}
	log, err := logger(f.level, f.encoding)
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
	log.Info("listening", "address", l.Addr().String(), "timeout", f.timeout.String(), "token", f.token != nil)
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
	set.StringVar(&f.level, "log-level", "info", "debug, info, warn or error, and zap's other names of levels")
	set.StringVar(&f.encoding, "zap-encoding", "json", "json or console")
	set.Bool("zap-replace-globals", false, "accepted; there are no global loggers here")
	set.StringVar(&f.gates, "gates-configmap", "", "ConfigMap of this namespace that open gates are kept in; empty keeps them in memory")
	token := set.String("token", "", "bearer token that callers must send; also "+tokenVariable)
	digested, digest := false, set.String("token-sha256", "", "SHA-256 of that token instead of it, in hexadecimal: commands, which can read the flags, learn nothing from it")
	if err := set.Parse(args); err != nil {
		return f, err
	}
	// A flag that lost its dash would be ignored otherwise, a lock among them.
	if set.NArg() > 0 {
		return f, fmt.Errorf("unexpected argument %q", set.Arg(0))
	}
	// A variable that is empty must not open the lock that it was to be.
	set.Visit(func(given *flag.Flag) { digested = digested || given.Name == "token-sha256" })
	plain := cmp.Or(env(tokenVariable), *token)
	switch {
	case plain != "" && digested:
		return f, errors.New("-token-sha256: there is a token as well; give one of the two")
	case plain != "":
		f.token = loadtest.DigestOf(plain)
	case digested:
		var err error
		if f.token, err = loadtest.ParseDigest(*digest); err != nil {
			return f, fmt.Errorf("-token-sha256: %w", err)
		}
	}
	return f, nil
}

// logger writes through the standard library: this program needs no more. Levels and encodings are named as zap does,
// since manifests of this interface are written for it.
func logger(level, encoding string) (logr.Logger, error) {
	l, err := parseLevel(level)
	if err != nil {
		return logr.Discard(), fmt.Errorf("-log-level: %w", err)
	}
	options := &slog.HandlerOptions{Level: l}
	switch encoding {
	case "json":
		return logr.FromSlogHandler(slog.NewJSONHandler(os.Stderr, options)), nil
	case "console":
		return logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, options)), nil
	}
	return logr.Discard(), fmt.Errorf("-zap-encoding: %q is neither json nor console", encoding)
}

// parseLevel knows the names that slog has not.
func parseLevel(name string) (slog.Level, error) {
	switch strings.ToLower(name) {
	case "warning":
		return slog.LevelWarn, nil
	case "dpanic", "panic", "fatal":
		return slog.LevelError, nil // nothing here is worse than an error
	}
	var l slog.Level
	err := l.UnmarshalText([]byte(name))
	return l, err
}
