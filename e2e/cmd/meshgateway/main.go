// Command meshgateway is the data plane of a mesh whose control plane is istiod: as a gateway in a pod it
// serves the ports of Gateways, as a mesh on a node it routes what pods send to Services.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/sluice-cd/sluice/e2e/gateway"
)

func main() {
	options := parse(os.Args[1:])
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: options.level}))
	options.config.Log = log
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, options); err != nil {
		log.Error("stopped", "error", err)
		os.Exit(1)
	}
}

// run serves traffic and what is to be seen of it until ctx ends.
func run(ctx context.Context, o options) error {
	g := gateway.New(o.config)
	admin := &http.Server{Addr: o.metrics, Handler: g.Admin(), ReadHeaderTimeout: 5 * time.Second}
	defer admin.Close()
	failed := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		if err := admin.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serving metrics at %q: %w", o.metrics, err)
			cancel()
		}
	}()
	err := g.Run(ctx)
	select {
	case broken := <-failed:
		return errors.Join(broken, err)
	default:
		return err
	}
}

type options struct {
	config  gateway.Config
	metrics string
	level   slog.Level
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
	if *verbose {
		o.level = slog.LevelDebug
	}
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
