// Package gateway is the mesh's data plane where no Envoy can be had: an HTTP proxy that asks istiod
// what to do, by the same protocol and the same messages as Envoy, and does that and nothing else.
//
// It keeps four kinds of resources up to date over one stream: listeners (where to accept), routes (what
// a request matches and how it is split), clusters (what a name stands for) and endpoints (which pods).
// Everything that was accepted is compiled into one immutable Snapshot, and every request is served from
// the snapshot it began with, so that a change of weights never touches a request under way.
//
// As a gateway it opens the ports istiod names. As a mesh it plays the sidecar of pods that have none:
// their connections arrive redirected by the kernel and are routed by the original destination.
//
// It never sees a Kubernetes object. What it does with a VirtualService is what istiod made of it, so a
// rollout observed here is a rollout that Envoy would have been told as well.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// Mode says whose traffic is served.
type Mode string

const (
	// Ingress opens the listeners that istiod names for a gateway pod.
	Ingress Mode = "gateway"
	// Mesh serves connections that pods opened to Services and that the kernel redirected here.
	Mesh Mode = "mesh"
)

// Config is what a Gateway is told at start; everything else comes from istiod.
type Config struct {
	XDSAddress     string // istiod's plain gRPC port, host:port
	Identity       Identity
	CaptureAddress string        // mesh only: where redirected connections arrive, host:port
	DrainTimeout   time.Duration // how long requests in flight may take after a stop; zero: 30 s
	Log            *slog.Logger
	// Rand returns numbers in [0,1): it decides splits, mirrors and endpoints. Nil: the runtime's own.
	Rand func() float64
	// Target tells where a redirected connection was going. Nil: the kernel's connection tracking.
	Target func(net.Conn) (string, error)
}

// Gateway is one proxy process.
type Gateway struct {
	cfg     Config
	snap    atomic.Pointer[Snapshot]
	metrics *Metrics
	ports   *ports
	shadows sync.WaitGroup
	handler *handler
}

// New prepares a Gateway; nothing is opened before Run.
func New(cfg Config) *Gateway {
	if cfg.Rand == nil {
		cfg.Rand = rand.Float64
	}
	if cfg.DrainTimeout == 0 {
		cfg.DrainTimeout = 30 * time.Second
	}
	if cfg.Target == nil {
		cfg.Target = originalDestination
	}
	g := &Gateway{cfg: cfg, metrics: newMetrics()}
	g.snap.Store(emptySnapshot())
	g.handler = newHandler(g)
	g.ports = newPorts(g)
	return g
}

// Snapshot returns what requests are served by at this moment.
func (g *Gateway) Snapshot() *Snapshot { return g.snap.Load() }

// Run follows istiod and serves until ctx ends, then lets requests in flight finish. An error says that
// serving could not begin or that requests were cut off at the end; a lost istiod is not one, since the
// last snapshot goes on being served.
func (g *Gateway) Run(ctx context.Context) error {
	conn, err := grpc.NewClient(g.cfg.XDSAddress, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		return fmt.Errorf("reaching istiod at %q: %w", g.cfg.XDSAddress, err)
	}
	defer conn.Close()
	if g.cfg.Identity.Mode == Mesh {
		if err := g.ports.capture(g.cfg.CaptureAddress); err != nil {
			return err
		}
	}
	client := &client{conn: conn, node: g.cfg.Identity.Node(), store: newStore(g.cfg.Identity.Mode), publish: g.publish, log: g.cfg.Log}
	client.run(ctx)
	return g.drain(context.WithoutCancel(ctx))
}

// publish makes a snapshot the one that new requests see. Ports are opened after the swap: a connection
// that arrives at a new port must find its routes.
func (g *Gateway) publish(s *Snapshot) error {
	g.snap.Store(s)
	if g.cfg.Identity.Mode == Mesh {
		return nil
	}
	return g.ports.sync(s.bound())
}

func (g *Gateway) drain(ctx context.Context) error {
	g.cfg.Log.Info("draining", "timeout", g.cfg.DrainTimeout)
	ctx, cancel := context.WithTimeout(ctx, g.cfg.DrainTimeout)
	defer cancel()
	err := g.ports.shutdown(ctx)
	done := make(chan struct{})
	go func() { g.shadows.Wait(); close(done) }()
	select {
	case <-done:
		return err
	case <-ctx.Done():
		return errors.Join(err, errors.New("mirrored requests were still under way"))
	}
}
