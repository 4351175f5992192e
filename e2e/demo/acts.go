package demo

import (
	"context"
	"io"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/e2e/internal/cluster"
	"github.com/sluice-cd/sluice/e2e/internal/install"
	"github.com/sluice-cd/sluice/e2e/internal/traffic"
	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

const (
	namespace = "test"
	host      = "app.example.com"
	webhook   = "http://slack.istio-system/services/T000/B000/demo" // as pods know the chat service

	patience = 5 * time.Minute  // until a phase is reached
	beat     = 2 * time.Second  // between lines of the table
	lately   = 3 * time.Second  // what a line's figures are about
	silence  = 15 * time.Second // until it is said again what is being done
	choice   = time.Minute      // that a person has to promote
	requests = 50               // a second
)

// stepwise gives the Canary of the examples a pause and a bake.
const stepwise = `{"spec":{"analysis":{"stepWeight":null,"maxWeight":null,
  "steps":[{"name":"some","weight":20,"pause":{}},{"weight":50}],"promotion":{"bake":"20s"}}}}`

type demo struct {
	install.Product
	layout cluster.Layout
	make   bool // the cluster
	client client.WithWatch
	chat   walk.Chat
	table  walk.Table
	out    io.Writer

	journal *walk.Journal
	users   *traffic.Client
	enter   chan struct{}  // a person has pressed it; nil: nobody does
	besides sync.WaitGroup // programs that run beside the acts
}

// installOperator is what the owner of a cluster does once.
func (d *demo) installOperator(ctx context.Context) error {
	if err := d.busy("building the images", func() error { return d.Images(ctx, d.layout, io.Discard) }); err != nil {
		return err
	}
	return d.Operator(ctx)
}

func (d *demo) installApplication(ctx context.Context) error {
	if err := d.Gateway(ctx); err != nil {
		return err
	}
	if left, _ := d.Quiet(ctx, "get", "canary", "podinfo", "-n", namespace, "-o", "name"); left != "" { // an earlier demonstration's
		if _, err := d.Run(ctx, "delete", "canary", "podinfo", "-n", namespace); err != nil {
			return err
		}
	}
	if err := d.Walk(ctx); err != nil {
		return err
	}
	return d.Alerts(ctx, webhook)
}

// begin puts the Canary beside the application and waits until users meet the primary.
func (d *demo) begin(ctx context.Context) error {
	var err error
	if d.journal, err = walk.Follow(ctx, d.client, walk.Canaries(), client.InNamespace(namespace)); err != nil {
		return err
	}
	d.besides.Go(func() {
		_ = d.chat.Listen(ctx, func(line string) { d.say("    chat> %s", line) }) // messages are a sight, not a need
	})
	edits := []install.Edit{{Field: "interval", Value: "10s"}, {Field: "threshold", Value: "2"}}
	if err := d.canary(ctx, "podinfo-canary-alert.yaml", edits...); err != nil {
		return err
	}
	d.users = traffic.Start(ctx, traffic.Config{URL: cluster.Gateway, Host: host, Rate: requests})
	_, err = d.Run(ctx, "-n", namespace, "patch", "canary", "podinfo", "--type", "merge", "-p", stepwise)
	return err
}

// promote rolls out a good version, which waits for a person.
func (d *demo) promote(ctx context.Context) error {
	since := time.Now()
	if err := d.setImage(ctx, "3.1.1"); err != nil {
		return err
	}
	if err := d.follow(ctx, since, goal{phase: "Progressing", waiting: "StepPaused"}); err != nil {
		return err
	}
	if err := d.promoted(ctx); err != nil {
		return err
	}
	if err := d.follow(ctx, since, goal{phase: "Succeeded"}); err != nil {
		return err
	}
	d.summary(since)
	return d.history(ctx)
}

// takeBack has the primary return to the version before, which Git and the target do not.
func (d *demo) takeBack(ctx context.Context) error {
	since := time.Now()
	if _, err := d.Run(ctx, "sluice", "rollback", "podinfo", "-n", namespace, "--reason", "customers complain"); err != nil {
		return err
	}
	if err := d.follow(ctx, since, goal{phase: "Failed"}); err != nil {
		return err
	}
	d.summary(since)
	return d.history(ctx)
}

// rollBack rolls out a version that answers with errors.
func (d *demo) rollBack(ctx context.Context) error {
	tester := []string{"exec", "-n", namespace, "deployment/flagger-loadtester", "--", "sh", "-c"}
	errors := "rm -f /tmp/enough; until [ -e /tmp/enough ]; do curl -s http://podinfo-canary.test:9898/status/500; sleep 0.1; done"
	d.say("$ kubectl exec -n %s deployment/flagger-loadtester -- sh -c '%s' &", namespace, errors)
	ended := make(chan struct{})
	d.besides.Go(func() {
		defer close(ended)
		_, _ = d.Quiet(ctx, append(tester, errors)...) // that the canary fails is what shows it works
	})
	if err := d.release(ctx, "3.1.2", "Failed"); err != nil {
		return err
	}
	if _, err := d.Run(ctx, append(tester, "touch /tmp/enough")...); err != nil {
		return err
	}
	<-ended
	return d.events(ctx)
}

// blueGreen checks a version before any user meets it, then moves all of them at once.
func (d *demo) blueGreen(ctx context.Context) error {
	d.users.Stop()
	for _, args := range [][]string{
		{"delete", "canary", "podinfo", "-n", namespace},
		{"set", "image", "deployment/podinfo", "podinfod=stefanprodan/podinfo:3.1.0", "-n", namespace},
		{"rollout", "status", "deployment/podinfo", "-n", namespace, "--timeout=120s"},
	} {
		if _, err := d.Run(ctx, args...); err != nil {
			return err
		}
	}
	edits := []install.Edit{{Field: "interval", Value: "10s"}, {Field: "iterations", Value: "2"}}
	if err := d.canary(ctx, "podinfo-bg.yaml", edits...); err != nil {
		return err
	}
	d.users = traffic.Start(ctx, traffic.Config{URL: cluster.Gateway, Host: host, Rate: requests})
	defer d.users.Stop()
	if err := d.release(ctx, "3.1.1", "Succeeded"); err != nil {
		return err
	}
	return d.events(ctx)
}

// canary applies a Canary of the examples and waits until it is in charge.
func (d *demo) canary(ctx context.Context, file string, edits ...install.Edit) error {
	since := time.Now()
	if err := d.Apply(ctx, install.Manifest{Path: d.File("artifacts", "examples", file), Edits: edits}); err != nil {
		return err
	}
	if err := d.follow(ctx, since, goal{phase: "Initialized"}); err != nil {
		return err
	}
	_, err := d.Run(ctx, "get", "deployments,services,hpa,virtualservices,destinationrules,canaries", "-n", namespace)
	return err
}

// setImage changes the image, which is all that a user does.
func (d *demo) setImage(ctx context.Context, version string) error {
	_, err := d.Run(ctx, "-n", namespace, "set", "image", "deployment/podinfo", "podinfod=stefanprodan/podinfo:"+version)
	return err
}

// release rolls a version out and watches until the phase.
func (d *demo) release(ctx context.Context, version, phase string) error {
	since := time.Now()
	if err := d.setImage(ctx, version); err != nil {
		return err
	}
	if err := d.follow(ctx, since, goal{phase: phase}); err != nil {
		return err
	}
	d.summary(since)
	return nil
}

// summary is what users saw since a moment.
func (d *demo) summary(since time.Time) {
	d.say("\nAll requests meanwhile: %s\n", d.users.Since(since))
}

func (d *demo) history(ctx context.Context) error {
	_, err := d.Run(ctx, "sluice", "history", "podinfo", "-n", namespace)
	return err
}

func (d *demo) events(ctx context.Context) error {
	_, err := d.Run(ctx, "get", "events", "-n", namespace, "--field-selector", "involvedObject.kind=Canary", "--sort-by=.lastTimestamp")
	return err
}

// farewell says how to go on alone.
func (d *demo) farewell(took time.Duration) {
	d.title("It took " + minutes(took) + ". It is yours now")
	d.say(`  export KUBECONFIG=%s PATH=%s:$PATH
  kubectl -n %s set image deployment/podinfo podinfod=stefanprodan/podinfo:3.1.3
  kubectl sluice get podinfo -n %s -w
  kubectl sluice dashboard
  kubectl -n %s describe canary podinfo
  kubectl -n %s logs deployment/sluice
  curl -H 'Host: %s' %s
  curl %s/messages

To take all of it down: make cluster-down`, d.Config, d.File("bin"), namespace, namespace, namespace, install.Namespace, host, cluster.Gateway, cluster.Slack)
}
