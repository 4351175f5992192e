// Command attack tries what a tenant could do to others, and prints a line for each attempt: see internal/attack.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/sluice-cd/sluice/e2e/internal/attack"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "attack:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	root := flag.String("root", "..", "of the repository")
	full := flag.Bool("full", false, "also what needs a control plane: SLUICE_KUBE_BINARY")
	flag.Parse()
	dir, err := os.MkdirTemp("", "attack")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return (&attack.Runner{Root: *root, Dir: dir, Out: os.Stdout, Full: *full}).Run(ctx, attack.Attacks())
}
