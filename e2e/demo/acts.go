package demo

import (
	"context"
	"io"
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

	patience = 5 * time.Minute // until a phase is reached
	beat     = 2 * time.Second // between lines of the table
	lately   = 3 * time.Second // what a line's figures are about
	requests = 50              // a second
)

type demo struct {
	install.Product
	layout cluster.Layout
	client client.WithWatch
	chat   walk.Chat
	table  walk.Table
	out    io.Writer

	journal *walk.Journal
	users   *traffic.Client
}

// install is what a user does once.
func (d *demo) install(ctx context.Context) error {
	d.title("The operator, built by the Dockerfile and installed with kustomize")
	if err := d.Images(ctx, d.layout, io.Discard); err != nil {
		return err
	}
	if err := d.Operator(ctx); err != nil {
		return err
	}
	d.title("An application, a load tester, and a chat channel for alerts")
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
	go func() {
		_ = d.chat.Listen(ctx, func(line string) { d.say("    chat> %s", line) }) // messages are a sight, not a need
	}()
	d.title("A Canary beside the Deployment: users are moved to its primary")
	if err := d.canary(ctx, "podinfo-canary-alert.yaml", install.Edit{Field: "interval", Value: "10s"}); err != nil {
		return err
	}
	d.users = traffic.Start(ctx, traffic.Config{URL: cluster.Gateway, Host: host, Rate: requests})
	return nil
}

// promote rolls out a good version.
func (d *demo) promote(ctx context.Context) error {
	d.title("A good version: traffic moves in steps, then the primary is updated")
	if err := d.release(ctx, "3.1.1", "Succeeded"); err != nil {
		return err
	}
	return d.events(ctx)
}

// rollBack rolls out a version that answers with errors.
func (d *demo) rollBack(ctx context.Context) error {
	d.title("A bad version: its errors bring users back to the one before")
	tester := []string{"exec", "-n", namespace, "deployment/flagger-loadtester", "--", "sh", "-c"}
	errors := "rm -f /tmp/enough; until [ -e /tmp/enough ]; do curl -s http://podinfo-canary.test:9898/status/500; sleep 0.1; done"
	d.say("$ kubectl exec -n %s deployment/flagger-loadtester -- sh -c '%s' &", namespace, errors)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = d.Quiet(ctx, append(tester, errors)...) // that the canary fails is what shows it works
	}()
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
	d.title("Blue/green: checks without users, then all of them at once")
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
	edits := []install.Edit{{Field: "interval", Value: "10s"}, {Field: "iterations", Value: "3"}}
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
	if err := d.follow(ctx, since, "Initialized"); err != nil {
		return err
	}
	_, err := d.Run(ctx, "get", "deployments,services,hpa,virtualservices,destinationrules,canaries", "-n", namespace)
	return err
}

// release changes the image, which is all that a user does, and watches until the phase.
func (d *demo) release(ctx context.Context, version, phase string) error {
	since := time.Now()
	if _, err := d.Run(ctx, "-n", namespace, "set", "image", "deployment/podinfo", "podinfod=stefanprodan/podinfo:"+version); err != nil {
		return err
	}
	if err := d.follow(ctx, since, phase); err != nil {
		return err
	}
	d.say("\nAll requests of this rollout: %s\n", d.users.Since(since))
	return nil
}

func (d *demo) events(ctx context.Context) error {
	_, err := d.Run(ctx, "get", "events", "-n", namespace, "--field-selector", "involvedObject.kind=Canary", "--sort-by=.lastTimestamp")
	return err
}

// farewell says how to go on alone.
func (d *demo) farewell() {
	d.title("It is yours now")
	d.say(`  export KUBECONFIG=%s
  kubectl get canary -A --watch
  kubectl -n %s set image deployment/podinfo podinfod=stefanprodan/podinfo:3.1.3
  kubectl -n %s describe canary podinfo
  kubectl -n %s logs deployment/sluice
  curl -H 'Host: %s' %s
  curl %s/messages

To take all of it down: make cluster-down`, d.Config, namespace, namespace, install.Namespace, host, cluster.Gateway, cluster.Slack)
}
