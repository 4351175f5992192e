package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

func TestSpansReachTheCollector(t *testing.T) {
	for name, tc := range map[string]struct{ reason, path, want string }{
		"Host":  {reason: "collectors listen at the usual path", want: "/v1/traces"},
		"Slash": {reason: "a slash is no path", path: "/", want: "/v1/traces"},
		"Path":  {reason: "a gateway may have another one", path: "/otlp/traces", want: "/otlp/traces"},
	} {
		t.Run(name, func(t *testing.T) {
			var path string
			var got collector.ExportTraceServiceRequest
			s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				path = r.URL.Path
				body, _ := io.ReadAll(r.Body)
				_ = proto.Unmarshal(body, &got)
			}))
			t.Cleanup(s.Close)
			p, err := newSpans(s.URL+tc.path, logr.Discard())
			require.NoError(t, err)
			_, span := p.Tracer("sluice").Start(context.Background(), "rollout podinfo.test")
			span.End()
			require.NoError(t, p.Shutdown(t.Context()))
			require.Equal(t, tc.want, path, tc.reason)
			of := got.GetResourceSpans()[0]
			require.Equal(t, "service.name", of.GetResource().GetAttributes()[0].GetKey())
			require.Equal(t, "sluice", of.GetResource().GetAttributes()[0].GetValue().GetStringValue())
			require.Equal(t, "rollout podinfo.test", of.GetScopeSpans()[0].GetSpans()[0].GetName())
		})
	}
}

func TestTraceEndpointIsRefused(t *testing.T) {
	for name, tc := range map[string]struct{ reason, endpoint string }{
		"NoScheme": {reason: "it would be taken for a path", endpoint: "s3cret:4318"},
		"GRPC":     {reason: "another protocol is another exporter", endpoint: "grpc://s3cret:4317"},
		"Password": {reason: "it would end in logs; headers have a variable", endpoint: "http://me:s3cret@collector:4318"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newSpans(tc.endpoint, logr.Discard())
			require.EqualError(t, err, "not an http or https URL with a host, and without a password", tc.reason)
		})
	}
	tracer, err := newTracer(nil, &options{})
	require.NoError(t, err)
	require.Nil(t, tracer, "Nothing is traced unless asked for.")
}
