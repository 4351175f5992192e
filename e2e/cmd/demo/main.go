// Command demo shows the product at work on a real cluster on this machine, see package demo.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sluice-cd/sluice/e2e/demo"
)

func main() {
	if err := play(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func play() error {
	o := demo.Options{Out: os.Stdout}
	flag.StringVar(&o.Repository, "repository", "..", "root of the repository")
	flag.BoolVar(&o.Up, "up", true, "make the cluster first, unless it is there")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	log.SetLogger(logr.Discard()) // what matters is in errors
	return demo.Run(ctx, o)
}
