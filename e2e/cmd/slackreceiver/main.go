// Command slackreceiver runs a receiver for Slack messages, see package slackreceiver for what it serves.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sluice-cd/sluice/e2e/slackreceiver"
)

func main() {
	address := flag.String("address", ":8888", "where to listen, host:port")
	keep := flag.Int("keep", 1000, "how many messages to keep")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, *address, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "slackreceiver:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, address string, keep int) error {
	server := &http.Server{Addr: address, Handler: slackreceiver.New(keep), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close() // streams have no end to wait for
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving at %q: %w", address, err)
	}
	return nil
}
