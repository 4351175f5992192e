// Command sluice is the operator: it watches Canaries and brings their rollouts forward.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/sluice-cd/sluice/pkg/announce"
	"github.com/sluice-cd/sluice/pkg/controller"
	"github.com/sluice-cd/sluice/pkg/observe"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// File main.go is the order of the start: flags, logger, API server, manager, parts. What can fail does so before
// anything is watched, so that a mistake in a flag ends the pod with one line.

// version is set when the program is linked.
var version = "unknown"

// main ends when run does, whatever still runs: the lease is given back by then, and another replica may be at work.
func main() {
	err := run(ctrl.SetupSignalHandler(), os.Args[1:])
	// Who asks for help has it already, and has made no mistake.
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "sluice:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args, os.Getenv, os.Stderr)
	if err != nil {
		return err
	}
	// Before a logger or a server is needed: it is asked for where there is neither.
	if o.showVersion {
		fmt.Println(version)
		return nil
	}
	log, err := logger(o)
	if err != nil {
		return err
	}
	// Before the first client is made: libraries that log earlier complain that there is no logger.
	ctrl.SetLogger(log)
	limitMemory(log)
	config, err := connect(o)
	if err != nil {
		return err
	}
	if o.console.only {
		return runConsole(ctx, config, o)
	}
	var r *controller.Reconciler
	term := newTerm()
	mgr, err := newManager(connection(config, o, term, func() { r.LookAtAll() }), o)
	if err != nil {
		return fmt.Errorf("set up the manager: %w", err)
	}
	if r, err = assemble(mgr, o); err != nil {
		return err
	}
	if err := addConsole(mgr, config, o); err != nil {
		return err
	}
	log.Info("starting", "version", version, "provider", o.provider)
	if !o.leaderElection {
		r.RunTotal.Count()
		return mgr.Start(ctx)
	}
	r.Leads = term.Holds
	elector, err := newElector(config, mgr, o, term, r)
	if err != nil {
		return err
	}
	return startElected(ctx, mgr, elector)
}

// assemble hangs the parts into the manager.
func assemble(mgr manager.Manager, o *options) (*controller.Reconciler, error) {
	// The library's own error would not name the flag.
	settle, err := time.ParseDuration(o.settle)
	if err != nil {
		return nil, fmt.Errorf("-settle: %w", err)
	}
	// Before all that follow: it fills in o.provider where no flag does, which telemetry and analyst read.
	routers, err := newRouters(mgr, o)
	if err != nil {
		return nil, err
	}
	// Into the registry that the manager serves, beside the library's own figures.
	telemetry, err := announce.NewTelemetry(metrics.Registry, o.watched().Reader(mgr.GetClient()), version, o.provider)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	announcer, err := newAnnouncer(mgr, o, telemetry)
	if err != nil {
		return nil, err
	}
	// Secrets are read live, each time: the cache holds none.
	templates := &observe.Templates{Providers: mgr.GetClient(), Secrets: mgr.GetAPIReader(), Local: o.localRefs}
	// It has the same templates as Validate below, so that what was permitted is what is read.
	analyst, err := newAnalyst(mgr, o, telemetry, templates)
	if err != nil {
		return nil, err
	}
	// Event hooks and those of a round are called alike, with the same credentials and limits.
	announcer.Hooks = analyst
	r := &controller.Reconciler{
		Analyst:   analyst,
		Announcer: announcer,
		Routers:   routers,
		Validate:  validator(analyst, templates),
		Kinds:     workload.Kinds{LabelRules: workload.LabelRules{SelectorLabels: o.labels(), IncludeLabelPrefixes: o.prefixes()}},
		Settle:    settle,
		Spread:    true,
		Hosts:     &observe.Hosts{Domain: o.domain(), Enforced: o.restrictHosts},

		Tracking: o.configTracking,
		Watched:  o.watched(),
		Operator: o.operator(),
	}
	if r.Others, err = newOtherOperators(mgr, o, announcer, r.Leading); err != nil {
		return nil, err
	}
	if r.RunTotal, err = newRunTotal(mgr, o, r.Leading); err != nil {
		return nil, err
	}
	r.Active = (&reclaimer{shrink: r.Shrink}).touch
	r.Use(mgr, time.Now)
	err = r.Setup(mgr, o.threads)
	return r, err
}
