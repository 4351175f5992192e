// Command slackreceiver runs a receiver for Slack messages, see package slackreceiver for what it serves.
package main

import (
	"context"
	"flag"

	"github.com/sluice-cd/sluice/e2e/internal/program"
	"github.com/sluice-cd/sluice/e2e/slackreceiver"
)

func main() {
	address := flag.String("address", ":8888", "where to listen, host:port")
	keep := flag.Int("keep", 1000, "how many messages to keep")
	flag.Parse()
	program.Main("slackreceiver", func(ctx context.Context) error {
		return program.Serve(ctx, *address, slackreceiver.New(*keep))
	})
}
