// Command demo shows the product at work on a real cluster on this machine, see package demo.
package main

import (
	"context"
	"flag"
	"os"

	"golang.org/x/sys/unix"

	"github.com/sluice-cd/sluice/e2e/demo"
	"github.com/sluice-cd/sluice/e2e/internal/program"
)

func main() {
	o := demo.Options{Out: os.Stdout}
	flag.StringVar(&o.Repository, "repository", "..", "root of the repository")
	flag.BoolVar(&o.Up, "up", true, "make the cluster first, unless it is there")
	flag.Parse()
	if _, err := unix.IoctlGetTermios(int(os.Stdin.Fd()), unix.TCGETS); err == nil && os.Getenv("CI") == "" {
		o.Person = os.Stdin
	}
	program.Main("demo", func(ctx context.Context) error { return demo.Run(ctx, o) })
}
