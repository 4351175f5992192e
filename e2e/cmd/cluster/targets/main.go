// Command targets tells Prometheus which pods to scrape: it serves the list over
// HTTP, as Prometheus' HTTP discovery reads it.
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

	"k8s.io/client-go/tools/clientcmd"

	"github.com/sluice-cd/sluice/e2e/internal/cluster"
)

func main() {
	address := flag.String("address", "127.0.0.1:19091", "where to listen, host:port")
	kubeconfig := flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "the cluster whose pods are listed")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *address, *kubeconfig); err != nil {
		fmt.Fprintln(os.Stderr, "targets:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, address, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	handler, err := cluster.TargetHandler(ctx, config)
	if err != nil {
		return err
	}
	server := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() }) // Prometheus asks again
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
