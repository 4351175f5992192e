package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/sluice-cd/sluice/pkg/announce"
)

// File trace.go sends rollouts to an OpenTelemetry collector; what is in them is pkg/announce's.

// newTracer has rollouts written to a collector while the manager runs. Without an endpoint there is none.
//
// Headers and certificates are those of the usual variables, OTEL_EXPORTER_OTLP_HEADERS and others.
func newTracer(mgr manager.Manager, o *options) (*announce.Tracer, error) {
	// A nil Tracer writes nothing.
	if o.traceURL == "" {
		return nil, nil
	}
	provider, err := newSpans(o.traceURL, mgr.GetLogger().WithName("trace"))
	if err != nil {
		return nil, fmt.Errorf("-trace-endpoint: %w", err)
	}
	end := manager.RunnableFunc(func(ctx context.Context) error {
		<-ctx.Done()
		// ctx is over already; what is in the batch is to get out all the same.
		within, stop := context.WithTimeout(context.WithoutCancel(ctx), flush)
		defer stop()
		_ = provider.Shutdown(within) // what could not be sent was logged
		return nil
	})
	return &announce.Tracer{Spans: provider.Tracer("sluice")}, mgr.Add(end)
}

// flush is how long the end of the process waits for the collector.
const flush = 5 * time.Second

// newSpans sends spans in batches, behind the back of who writes them: when the collector is slow they are dropped.
func newSpans(endpoint string, log logr.Logger) (*trace.TracerProvider, error) {
	u, err := url.Parse(endpoint)
	// Over HTTP only: another protocol is another exporter. A password would end in logs; headers have a variable.
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return nil, errors.New("not an http or https URL with a host, and without a password")
	}
	if u.Path == "" || u.Path == "/" {
		// Where collectors listen, by the specification of OTLP/HTTP.
		u.Path = "/v1/traces"
	}
	exporter, err := otlptracehttp.New(context.Background(), otlptracehttp.WithEndpointURL(u.String()))
	if err != nil {
		return nil, err
	}
	// The library has one for all of a process. It reports what was lost behind everybody's back.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Info("spans lost", "reason", err.Error()) }))
	return trace.NewTracerProvider(
		trace.WithBatcher(exporter),
		// Ids follow from the Canary and the revision, so that several processes write one trace.
		trace.WithIDGenerator(announce.SpanIDs{}),
		trace.WithResource(resource.NewSchemaless(attribute.String("service.name", "sluice"), attribute.String("service.version", version))),
	), nil
}
