package controller

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// Cluster makes single requests to the Kubernetes API, for metrics that are measured through it.
type Cluster struct{ api rest.Interface }

// NewCluster makes a Cluster. Its requests have their own limit on their rate, so that those of rollouts never wait
// for a metric.
func NewCluster(cfg *rest.Config) (*Cluster, error) {
	own := rest.CopyConfig(cfg)
	own.GroupVersion = &schema.GroupVersion{} // paths are given in full
	own.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	api, err := rest.RESTClientFor(own)
	if err != nil {
		return nil, fmt.Errorf("make a client of the Kubernetes API: %w", err)
	}
	return &Cluster{api: api}, nil
}

// Do makes one request, with a body in JSON or none, and returns what is answered. An error is a status of the API.
func (c *Cluster) Do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req := c.api.Verb(method).RequestURI(path)
	if body != nil {
		req = req.SetHeader("Content-Type", "application/json").Body(body)
	}
	return req.DoRaw(ctx)
}
