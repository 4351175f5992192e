// Package demo shows the product at work on a real cluster: a canary that a person promotes by the plugin and takes back, one that
// fails, and blue/green, under requests that never stop, with the page beside it. All that it does to the cluster is printed as the
// command that a user would type.
package demo

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
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
	// Person is who may press Enter where a rollout waits; nil: nobody, so that nothing is waited for.
	Person io.Reader
}

// act is a part of the demonstration.
type act struct {
	title string
	about time.Duration // that it usually takes, when all programs are built
	play  func(*demo, context.Context) error
}

func acts() []act {
	return []act{
		{"A cluster on this machine: Kubernetes, Istio's control plane, Prometheus, a chat service", 45 * time.Second, (*demo).up},
		{"The operator, built by the Dockerfile and installed with kustomize", 60 * time.Second, (*demo).installOperator},
		{"An application, a load tester, and a chat channel for alerts", 20 * time.Second, (*demo).installApplication},
		{"A Canary beside the Deployment: users are moved to its primary", 20 * time.Second, (*demo).begin},
		{"The page, for who would rather look than read", 5 * time.Second, (*demo).openPage},
		{"A good version: it waits for a person, bakes with all users, and is promoted", 100 * time.Second, (*demo).promote},
		{"Second thoughts: the primary returns to what it ran before, and Git has nothing to undo", 25 * time.Second, (*demo).takeBack},
		{"A bad version: its errors bring users back to the one before", 60 * time.Second, (*demo).rollBack},
		{"Blue/green: checks without users, then all of them at once", 100 * time.Second, (*demo).blueGreen},
	}
}

// Run plays the acts in order.
func Run(ctx context.Context, o Options) error {
	repository, err := filepath.Abs(o.Repository)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	out := &lines{out: o.Out}
	layout := cluster.DefaultLayout()
	d := &demo{
		Product: install.Product{Kubectl: install.Kubectl{Config: layout.Kubeconfig(), Out: out}, Repository: repository},
		layout:  layout,
		make:    o.Up,
		chat:    walk.Chat{URL: cluster.Slack},
		table:   walk.Table{Out: out},
		out:     out,
	}
	defer d.besides.Wait()
	defer end()
	d.listen(o.Person)
	// Kubectl looks for its plugins on the path.
	if err := os.Setenv("PATH", d.File("bin")+string(os.PathListSeparator)+os.Getenv("PATH")); err != nil {
		return err
	}
	if _, err := exec.LookPath("debootstrap"); err != nil && o.Up {
		d.say("Before, this machine gets Debian's packages for a cluster, and a base for the load tester's image: about 5 minutes.")
	}
	return d.play(ctx, acts())
}

// play says before each act how far it is.
func (d *demo) play(ctx context.Context, acts []act) error {
	var whole time.Duration
	for _, a := range acts {
		whole += a.about
	}
	d.say("This takes about %s.", minutes(whole))
	began := time.Now()
	for i, a := range acts {
		d.title(fmt.Sprintf("%d of %d · %s of about %s · %s", i+1, len(acts), minutes(time.Since(began)), minutes(whole), a.title))
		if err := a.play(d, ctx); err != nil {
			return err
		}
	}
	d.farewell(time.Since(began))
	return nil
}

// minutes is a time as `7:05`.
func minutes(t time.Duration) string {
	t = t.Round(time.Second)
	return fmt.Sprintf("%d:%02d", int(t.Minutes()), int(t.Seconds())%60)
}

// up makes the cluster, unless it is there or somebody else's.
func (d *demo) up(ctx context.Context) error {
	if d.make {
		if err := d.layout.Up(ctx, cluster.Options{}, &cluster.Speaker{Out: d.out, Now: time.Now}); err != nil {
			return err
		}
	}
	config, err := clientcmd.BuildConfigFromFlags("", d.Config)
	if err != nil {
		return err
	}
	d.client, err = client.NewWithWatch(config, client.Options{Scheme: runtime.NewScheme()})
	return err
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
