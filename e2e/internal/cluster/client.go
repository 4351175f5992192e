package cluster

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

//go:embed manifests
var manifestFiles embed.FS

// apiReady asks the API server itself: it is ready once its own controllers are.
func (l Layout) apiReady(ctx context.Context) error {
	config, err := clientcmd.BuildConfigFromFlags("", l.Kubeconfig())
	if err != nil {
		return err
	}
	config.Timeout = 5 * time.Second
	asker, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	return asker.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

func (l Layout) client() (client.Client, error) {
	config, err := clientcmd.BuildConfigFromFlags("", l.Kubeconfig())
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 100, 200
	config.WarningHandler = rest.NoWarnings{}
	return client.New(config, client.Options{})
}

// apply creates or updates the objects of one of the manifests.
func (l Layout) apply(ctx context.Context, name string) error {
	raw, err := render(manifestFiles, "manifests/"+name, values{Layout: l})
	if err != nil {
		return err
	}
	return l.applyAll(ctx, raw)
}

func (l Layout) applyFile(ctx context.Context, file string) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return l.applyAll(ctx, raw)
}

func (l Layout) applyAll(ctx context.Context, documents []byte) error {
	objects, err := split(documents)
	if err != nil {
		return err
	}
	c, err := l.client()
	if err != nil {
		return err
	}
	for _, object := range objects {
		if err := applyOne(ctx, c, object); err != nil {
			return fmt.Errorf("%s %q: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}

// applyOne tries for a while: a namespace, or the kind itself, may have been
// created a moment ago and not be known everywhere yet.
func applyOne(ctx context.Context, c client.Client, object *unstructured.Unstructured) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, 10*time.Second, true, func(ctx context.Context) (bool, error) {
		last = c.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("sluice-e2e"), client.ForceOwnership)
		return last == nil, nil
	})
	return errors.Join(err, last)
}

// split reads the objects of a YAML stream; empty documents are left out.
func split(documents []byte) ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(documents), 4096)
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("object %d: %w", len(objects)+1, err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}
