package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/genproto/googleapis/rpc/code"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
)

// The four kinds of resources, by the names under which the protocol asks for them.
const (
	clusterType  = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
	endpointType = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
	listenerType = "type.googleapis.com/envoy.config.listener.v3.Listener"
	routeType    = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
)

// askOrder is the order in which a new stream asks: names before what refers to them.
var askOrder = []string{clusterType, endpointType, listenerType, routeType}

const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// client speaks the aggregated, state-of-the-world form of xDS with istiod.
type client struct {
	conn    grpc.ClientConnInterface
	node    *core.Node
	store   *store
	publish func(*Snapshot) error
	log     *slog.Logger
}

// run keeps one stream open until ctx ends. A broken stream is opened again, later each time until one
// brought something; meanwhile the last snapshot stays.
func (c *client) run(ctx context.Context) {
	wait := firstRetry
	for {
		answered, err := c.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if answered {
			wait = firstRetry
		}
		c.log.Warn("stream to istiod ended", "error", err, "again", wait)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, lastRetry)
	}
}

// subscription is what the stream knows of one kind of resource.
type subscription struct {
	version, nonce string
	names          []string
}

// stream is one connection's state: versions and nonces mean nothing on the next one.
type stream struct {
	grpc grpc.BidiStreamingClient[discovery.DiscoveryRequest, discovery.DiscoveryResponse]
	subs map[string]*subscription
	node *core.Node
}

func (c *client) follow(ctx context.Context) (answered bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ads, err := discovery.NewAggregatedDiscoveryServiceClient(c.conn).StreamAggregatedResources(ctx)
	if err != nil {
		return false, fmt.Errorf("opening the stream: %w", err)
	}
	s := &stream{grpc: ads, subs: map[string]*subscription{}, node: c.node}
	if err := c.ask(s); err != nil {
		return false, err
	}
	for {
		answer, err := ads.Recv()
		if err != nil {
			return answered, fmt.Errorf("receiving: %w", err)
		}
		answered = true
		if err := c.take(s, answer); err != nil {
			return answered, err
		}
	}
}

// ask opens the subscriptions: everything for clusters and listeners, and what those named on an earlier
// stream for the other two, so that a reconnect doesn't wait for a second round.
func (c *client) ask(s *stream) error {
	wanted := c.store.wanted()
	for _, kind := range askOrder {
		s.subs[kind] = &subscription{names: wanted[kind]}
		named := kind == endpointType || kind == routeType
		if named && len(wanted[kind]) == 0 {
			continue
		}
		if err := s.send(kind, nil); err != nil {
			return err
		}
	}
	return nil
}

// take uses an answer, tells istiod whether it could be used, and asks for what it newly names.
func (c *client) take(s *stream, answer *discovery.DiscoveryResponse) error {
	sub, ok := s.subs[answer.TypeUrl]
	if !ok {
		return nil // never asked for
	}
	sub.nonce = answer.Nonce
	problem := c.store.apply(answer.TypeUrl, answer.Resources)
	problem = errors.Join(problem, c.publish(c.store.snapshot()))
	if problem == nil {
		sub.version = answer.VersionInfo
		c.log.Debug("took", "kind", short(answer.TypeUrl), "resources", len(answer.Resources), "version", answer.VersionInfo)
	} else {
		c.log.Warn("refused", "kind", short(answer.TypeUrl), "version", answer.VersionInfo, "problem", problem)
	}
	if err := s.send(answer.TypeUrl, problem); err != nil {
		return err
	}
	return c.follows(s)
}

// follows asks for endpoints and routes once clusters and listeners name others than before.
func (c *client) follows(s *stream) error {
	wanted := c.store.wanted()
	for _, kind := range []string{endpointType, routeType} {
		if slices.Equal(s.subs[kind].names, wanted[kind]) {
			continue
		}
		s.subs[kind].names = wanted[kind]
		if err := s.send(kind, nil); err != nil {
			return err
		}
	}
	return nil
}

// send tells what is wanted and how far we are; with a problem it refuses the version just received.
func (s *stream) send(kind string, problem error) error {
	sub := s.subs[kind]
	request := &discovery.DiscoveryRequest{Node: s.node, TypeUrl: kind, VersionInfo: sub.version, ResponseNonce: sub.nonce, ResourceNames: sub.names}
	if problem != nil {
		request.ErrorDetail = &rpcstatus.Status{Code: int32(code.Code_INVALID_ARGUMENT), Message: problem.Error()}
	}
	if err := s.grpc.Send(request); err != nil {
		return fmt.Errorf("asking for %s: %w", short(kind), err)
	}
	return nil
}

func short(kind string) string { return kind[strings.LastIndexByte(kind, '.')+1:] }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
