// Command meshgateway is the data plane of a mesh whose control plane is istiod: as a gateway in a pod it
// serves the ports of Gateways, as a mesh on a node it routes what pods send to Services.
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-cd/sluice/e2e/gateway"
	"github.com/sluice-cd/sluice/e2e/internal/program"
)

func main() {
	options := parse(os.Args[1:])
	program.Main("meshgateway", func(ctx context.Context) error { return run(ctx, options) })
}

// run serves traffic until ctx ends and the last request has ended, and until then what is to be seen of it.
func run(ctx context.Context, o options) error {
	proxy := gateway.New(o.config)
	ctx, stop := context.WithCancel(ctx)
	seen, done := context.WithCancel(context.WithoutCancel(ctx))
	var both errgroup.Group
	both.Go(func() error { defer stop(); return program.Serve(seen, o.metrics, proxy.Admin()) })
	both.Go(func() error { defer done(); return proxy.Run(ctx) })
	return both.Wait()
}

type options struct {
	config  gateway.Config
	metrics string
}

// parse reads the flags; each falls back to a variable that a pod fills from its own metadata.
func parse(args []string) options {
	var o options
	var mode, labels string
	id := &o.config.Identity
	set := flag.NewFlagSet("meshgateway", flag.ExitOnError)
	text := func(p *string, name, env, value, usage string) {
		if v, ok := os.LookupEnv(env); ok {
			value = v
		}
		set.StringVar(p, name, value, usage+" (env "+env+")")
	}
	text(&mode, "mode", "MODE", string(gateway.Ingress), "gateway: serve Gateways' ports; mesh: serve redirected connections")
	text(&o.config.XDSAddress, "xds-address", "XDS_ADDRESS", "istiod.istio-system:15010", "istiod's plain gRPC address")
	text(&id.Name, "pod-name", "POD_NAME", "", "name of this pod")
	text(&id.Namespace, "pod-namespace", "POD_NAMESPACE", "istio-system", "namespace of this pod")
	text(&id.IP, "pod-ip", "POD_IP", "", "IP of this pod")
	text(&labels, "labels", "LABELS", "istio=ingressgateway,app=istio-ingressgateway", "labels of this pod, k=v,k=v")
	text(&id.IstioVersion, "istio-version", "ISTIO_VERSION", "1.29.0", "proxy version to tell istiod")
	text(&o.metrics, "metrics-address", "METRICS_ADDRESS", ":15090", "where metrics, readiness and /config are served")
	text(&o.config.CaptureAddress, "capture-address", "CAPTURE_ADDRESS", "0.0.0.0:15001", "mesh: where redirected connections arrive")
	set.DurationVar(&o.config.DrainTimeout, "drain-timeout", 30*time.Second, "how long requests in flight may take after a stop")
	verbose := set.Bool("verbose", false, "log every answer of istiod")
	_ = set.Parse(args) // exits by itself
	id.Mode, id.Labels = gateway.Mode(mode), pairs(labels)
	if id.Mode == gateway.Mesh && id.Name == "" {
		id.Name = "mesh"
	}
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	o.config.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	return o
}

// pairs reads k=v,k=v. The form that a downward API volume has, one k="v" a line, is read as well.
func pairs(s string) map[string]string {
	out := map[string]string{}
	for pair := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ',' || r == '\n' }) {
		if k, v, ok := strings.Cut(pair, "="); ok {
			out[k] = strings.Trim(v, `"`)
		}
	}
	return out
}
