// Command demo shows the product at work on a real cluster on this machine: a canary that is promoted, one
// that is rolled back, and blue/green, under requests that never stop. All that it does to the cluster is
// printed as the command that a user would type.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sluice-cd/sluice/e2e/internal/cluster"
	"github.com/sluice-cd/sluice/e2e/internal/install"
	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

func main() {
	if err := play(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func play() error {
	repository := flag.String("repository", "..", "root of the repository")
	up := flag.Bool("up", true, "make the cluster first, unless it is there")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	log.SetLogger(logr.Discard()) // what matters is in errors
	return run(ctx, *repository, *up)
}

// run brings the cluster up, then plays the acts in order.
func run(ctx context.Context, repository string, up bool) error {
	out := &lines{}
	layout := cluster.DefaultLayout()
	d := &demo{
		Product: install.Product{Kubectl: install.Kubectl{Config: layout.Kubeconfig(), Out: out}, Repository: repository},
		layout:  layout,
		chat:    walk.Chat{URL: cluster.Slack},
		table:   walk.Table{Out: out},
		out:     out,
	}
	d.title("A cluster on this machine: Kubernetes, Istio's control plane, Prometheus, a chat service")
	if up {
		if err := layout.Up(ctx, cluster.Options{}, &cluster.Speaker{Out: out, Now: time.Now}); err != nil {
			return err
		}
	}
	config, err := clientcmd.BuildConfigFromFlags("", layout.Kubeconfig())
	if err != nil {
		return err
	}
	if d.client, err = client.NewWithWatch(config, client.Options{Scheme: runtime.NewScheme()}); err != nil {
		return err
	}
	for _, act := range []func(context.Context) error{d.install, d.begin, d.promote, d.rollBack, d.blueGreen} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	d.farewell()
	return nil
}

// lines lets several speakers print without cutting into each other's lines.
type lines struct{ mu sync.Mutex }

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return os.Stdout.Write(p)
}
