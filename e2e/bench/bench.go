package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Options say how much is measured.
type Options struct {
	N        int           // Canaries
	Settled  bool          // they are at rest, without pods, and none is rolled out
	Replicas int32         // of each Deployment
	Nodes    int           // that pods are spread over; zero: as many as they need
	Idle     time.Duration // that nothing happens in
	Interval time.Duration // of each step
	Operator string        // program to measure; empty: built from Root
	Peer     bool          // Operator is another one of this API, which may poll
	Root     string        // of the repository
	Trace    bool          // list the requests of one rollout
	Keep     bool          // leave logs and the audit log behind
	Figures  string        // page that what was measured is written into; empty: none
	Compare  string        // page that what was measured is compared with; empty: none
	Out, Err io.Writer     // the report; what is being done
}

// Bench is one run.
type Bench struct {
	Options
	dir      string
	began    time.Time
	plane    *Plane
	operator *Operator
	fleet    *Fleet
	moments  *Moments
	log      *Log
	client   client.WithWatch
	report   Report
	single   Usage         // of the operator with a single Canary
	plain    time.Duration // that a rolling update of all Deployments takes without an operator
}

// Run brings up a cluster, measures, reports, and takes the cluster down.
func Run(ctx context.Context, o Options) error {
	dir, err := folder()
	if err != nil {
		return err
	}
	b := &Bench{Options: o, dir: dir, began: time.Now()}
	defer b.clear()
	if err := b.prepare(ctx); err != nil {
		return err
	}
	for _, stage := range b.stages() {
		if err := stage(ctx); err != nil {
			return fmt.Errorf("%w\nthe operator's log ends:\n%s", err, tail(b.plane.path(operator+".log")))
		}
	}
	b.report.print(o.Out)
	// Before the page is written, which may be the same.
	if o.Compare != "" {
		if err := b.compareFigures(o.Compare); err != nil {
			return err
		}
	}
	if o.Figures != "" {
		return b.writeFigures(o.Figures)
	}
	return nil
}

// stages are what is measured, in this order.
func (b *Bench) stages() []func(context.Context) error {
	if b.Settled {
		// The second operator is measured: the first has the heap of having made all this.
		return []func(context.Context) error{b.one, b.rest, b.restart, b.idle}
	}
	return []func(context.Context) error{b.rollingUpdate, b.one, b.rest, b.idle, b.rollouts, b.restart}
}

func (b *Bench) clear() {
	if b.operator != nil {
		b.operator.stop()
	}
	if b.plane != nil {
		b.plane.Stop()
	}
	if b.Keep {
		b.say("all that was written is in %s", b.dir)
		return
	}
	_ = os.RemoveAll(b.dir)
}

// prepare leaves a cluster with Deployments that all run.
func (b *Bench) prepare(ctx context.Context) error {
	b.say("programs")
	if err := b.programs(ctx); err != nil {
		return err
	}
	b.say("control plane")
	if err := b.plane.Start(ctx, b.dir); err != nil {
		return err
	}
	b.log = &Log{file: b.plane.AuditLog()}
	if err := b.connect(); err != nil {
		return err
	}
	if b.Nodes == 0 {
		b.Nodes = max(10, 1+3*b.N*int(b.Replicas)/podsPerNode)
	}
	if err := install(ctx, b.client, b.Root); err != nil {
		return err
	}
	if b.Settled {
		b.say("kinds, rights, %d Deployments without pods", b.N)
		if err := playDeployments(ctx, b.client); err != nil {
			return err
		}
		return b.fleet.deploy(ctx)
	}
	b.say("kinds, rights, %d nodes, %d Deployments", b.Nodes, b.N)
	if err := b.plane.simulate(ctx, b.client, b.Nodes); err != nil {
		return err
	}
	return b.fleet.deploy(ctx)
}

func (b *Bench) programs(ctx context.Context) (err error) {
	b.plane = &Plane{Bare: b.Settled}
	if b.plane.Kube, err = tool(ctx, b.Root, "kube"); err != nil {
		return err
	}
	if !b.Settled {
		if b.plane.Kwok, err = tool(ctx, b.Root, "kwok"); err != nil {
			return err
		}
	}
	b.operator = &Operator{program: b.Operator, dir: b.dir, peer: b.Peer}
	if b.Operator == "" {
		b.operator.program, err = build(ctx, b.Root, b.dir)
	}
	return err
}

func (b *Bench) connect() error {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1beta1.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	c, err := client.NewWithWatch(b.plane.admin, client.Options{Scheme: scheme})
	if err != nil {
		return err
	}
	b.client = c
	b.fleet = &Fleet{Size: b.N, Replicas: b.Replicas, Interval: b.Interval, c: c}
	b.operator.kubeconfig = b.plane.kubeconfig(userSluice)
	return nil
}

// say tells what is being done, and how busy the machine is with it.
func (b *Bench) say(format string, args ...any) {
	fmt.Fprintf(b.Err, "%6.1fs  load %-5s  %s\n", time.Since(b.began).Seconds(), load(), fmt.Sprintf(format, args...))
}

// calm is how long the operator has to ask for nothing to count as settled. It is
// longer than what it gives proxies to take their routes.
const calm = 5 * time.Second

// settled waits until the operator has nothing more to ask for. One that polls is never calm: it is given the time alone.
func (b *Bench) settled(ctx context.Context) error {
	began := time.Now()
	return wait.PollUntilContextTimeout(ctx, time.Second, patienceFor(b.N), false, func(context.Context) (bool, error) {
		now := time.Now()
		if b.Peer {
			return now.Sub(began) >= calm, nil
		}
		recent, err := b.log.between(now.Add(-calm), now)
		quiet := len(pick(recent, by(userSluice), notLease)) == 0
		return quiet && now.Sub(began) >= calm, err
	})
}
