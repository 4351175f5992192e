// Package demo shows the product at work on a real cluster: a canary that is promoted, one that is rolled back, and
// blue/green, under requests that never stop. All that it does to the cluster is printed as the command that a user
// would type.
package demo

import (
	"context"
	"io"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/e2e/internal/cluster"
	"github.com/sluice-cd/sluice/e2e/internal/install"
	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// Options say where the demonstration finds what it needs.
type Options struct {
	Repository string    // its root
	Up         bool      // make the cluster first, unless it is there
	Out        io.Writer // what people see
}

// Run plays the acts in order.
func Run(ctx context.Context, o Options) error {
	out := &lines{out: o.Out}
	layout := cluster.DefaultLayout()
	d := &demo{
		Product: install.Product{Kubectl: install.Kubectl{Config: layout.Kubeconfig(), Out: out}, Repository: o.Repository},
		layout:  layout,
		chat:    walk.Chat{URL: cluster.Slack},
		table:   walk.Table{Out: out},
		out:     out,
	}
	d.title("A cluster on this machine: Kubernetes, Istio's control plane, Prometheus, a chat service")
	if o.Up {
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
type lines struct {
	mu  sync.Mutex
	out io.Writer
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}
