// Command targets tells Prometheus which pods to scrape: it serves the list over
// HTTP, as Prometheus' HTTP discovery reads it.
package main

import (
	"context"
	"flag"
	"os"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/sluice-cd/sluice/e2e/internal/cluster"
	"github.com/sluice-cd/sluice/e2e/internal/program"
)

func main() {
	address := flag.String("address", "127.0.0.1:19091", "where to listen, host:port")
	kubeconfig := flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "the cluster whose pods are listed")
	flag.Parse()
	program.Main("targets", func(ctx context.Context) error {
		config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
		if err != nil {
			return err
		}
		handler, err := cluster.TargetHandler(ctx, config)
		if err != nil {
			return err
		}
		return program.Serve(ctx, *address, handler)
	})
}
