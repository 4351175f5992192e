package suite

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/xds"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sluice-cd/sluice/e2e/internal/traffic"
	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// proxyless are rollouts that another client of istiod than ours judges.
func proxyless() map[string]scenario {
	return map[string]scenario{
		"ProxylessGRPC": {
			reason: "gRPC's own client, which istiod tells what to do as it tells a proxy, meets weights and matches as they are meant, and loses nothing.",
			play:   proxylessGRPC,
		},
	}
}

// grpcCanary is a Canary of podinfo's gRPC port, for callers in the mesh alone.
const grpcCanary = `
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: podinfo, namespace: %s}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  progressDeadlineSeconds: 60
  service: {port: 9999, targetPort: 9999, portName: grpc}
  analysis:
    interval: 15s
    threshold: 1
    stepWeights: [10, 60]
    previewMatch: [{headers: {x-insider: {exact: "true"}}}]
`

func proxylessGRPC(s *scene) {
	s.kubectl("patch", "deployment", "podinfo", "-n", s.namespace, "--type=json", "-p", `[
		{"op": "add", "path": "/spec/template/spec/containers/0/command/-", "value": "--grpc-port=9999"},
		{"op": "add", "path": "/spec/template/spec/containers/0/ports/-", "value": {"name": "grpc", "containerPort": 9999}}]`)
	s.kubectl("rollout", "status", "deployment/podinfo", "-n", s.namespace, "--timeout=120s")
	since := time.Now()
	s.apply(fmt.Sprintf(grpcCanary, s.namespace))
	s.reach("Initialized", since)
	users := s.ask(traffic.Config{Rate: 100, Call: s.caller()})
	insiders := s.ask(traffic.Config{Rate: 20, Call: s.caller("x-insider", "true")})
	others := s.ask(traffic.Config{Rate: 20, Call: s.caller("x-insider", "false")})

	since = s.release("3.1.1")
	first := s.reach("Progressing 10", since)
	second := s.reach("Progressing 60", since)
	promoting := s.reach("Promoting", since)
	lag := s.lag(users, first)
	for _, anybody := range []*traffic.Client{users, others} {
		s.divided(anybody, first.At.Add(lag), second.At, 10)
		s.divided(anybody, second.At.Add(lag), promoting.At, 60)
	}
	met := insiders.Window(first.At.Add(lag), promoting.At)
	require.NotZero(s.t, met.Total)
	require.Equal(s.t, met.Total, met.ByVersion["3.1.1"], "all insiders meet the canary: %s", met)
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 10", "Progressing 60", "Promoting 60", "Finalising 0", "Succeeded 0"))
	s.settled()
	s.only(users, "3.1.1", time.Now())

	s.refuse()
	since = s.release("3.1.2")
	s.reach("Failed", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 10", "Failed 0"))
	s.stopped()
	for _, everybody := range []*traffic.Client{users, others, insiders} {
		s.only(everybody, "3.1.1", time.Now())
		s.lossless(everybody)
	}
}

// caller asks podinfo for its version over a channel of its own, as a pod of the namespace without a proxy does,
// and sends pairs of metadata along.
func (s *scene) caller(pairs ...string) func(context.Context) (string, error) {
	s.t.Helper()
	resolver, err := xds.NewXDSResolverWithConfigForTesting(s.bootstrap())
	require.NoError(s.t, err)
	channel, err := grpc.NewClient("xds:///podinfo."+s.namespace+".svc.cluster.local:9999",
		grpc.WithResolvers(resolver), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = channel.Close() })
	return func(ctx context.Context) (version string, err error) {
		for tries := 0; tries < 100; tries++ {
			if version, err = askVersion(metadata.AppendToOutgoingContext(ctx, pairs...), channel); !unsent(err) {
				break
			}
			s.t.Log("not sent by gRPC:", err)
			time.Sleep(10 * time.Millisecond)
		}
		return version, err
	}
}

// askVersion calls podinfo's VersionService. As messages these two are what VersionRequest and, in its first field,
// VersionResponse are.
func askVersion(ctx context.Context, channel *grpc.ClientConn) (string, error) {
	version := &wrapperspb.StringValue{}
	err := channel.Invoke(ctx, "/version.VersionService/Version", &emptypb.Empty{}, version)
	return version.GetValue(), err
}

// unsent says whether a request met a gap in gRPC itself and never left the process: new routes are in use a moment
// before the balancer knows of a cluster that they name for the first time (ClientConn.updateResolverStateAndUnlock).
// Whoever calls gRPC through istiod makes up for it by asking again. A cluster that stays unknown is a fault.
func unsent(err error) bool {
	return status.Code(err) == codes.Unavailable && strings.Contains(status.Convert(err).Message(), "unknown cluster selected for RPC")
}

// bootstrap tells gRPC where istiod is, and istiod who asks.
func (s *scene) bootstrap() []byte {
	s.t.Helper()
	to, err := net.Dial("udp", s.istiod) // sends nothing; it finds the address that istiod would see
	require.NoError(s.t, err)
	defer to.Close()
	ip := to.LocalAddr().(*net.UDPAddr).IP
	raw, err := json.Marshal(map[string]any{
		"xds_servers": []any{map[string]any{
			"server_uri": s.istiod, "channel_creds": []any{map[string]string{"type": "insecure"}}, "server_features": []string{"xds_v3"},
		}},
		"node": map[string]any{
			"id":       fmt.Sprintf("sidecar~%s~caller.%s~%s.svc.cluster.local", ip, s.namespace, s.namespace),
			"metadata": map[string]string{"GENERATOR": "grpc", "NAMESPACE": s.namespace, "CLUSTER_ID": "Kubernetes"},
		},
	})
	require.NoError(s.t, err)
	return raw
}
