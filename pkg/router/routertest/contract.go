// Package routertest holds what every traffic provider's router has to keep to. A router's tests run
// Contract over it and validate what it renders with the schema of its provider.
package routertest

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
)

// Weights reads off a provider's objects which percentage of requests every backend gets.
type Weights func(t *testing.T, objects []*unstructured.Unstructured) map[string]int64

// Contract renders a Canary at every weight and holds the result against the rules all providers share.
// A provider that divides no requests has no weights to read. Objects of the user's that routes are made from are
// to be read.
func Contract(t *testing.T, r router.Router, c *v1beta1.Canary, weights Weights, read ...*unstructured.Unstructured) {
	t.Helper()
	for weight := range 101 {
		in := router.Input{Canary: c, Traffic: rollout.Traffic{Weight: weight}, Read: map[router.Ref]*unstructured.Unstructured{}}
		found := map[router.Ref]*unstructured.Unstructured{}
		for _, o := range read {
			in.Read[refOf(o)], found[refOf(o)] = o, o.DeepCopy()
		}
		before := c.DeepCopy()
		objects := Objects(t, render(t, r, in))
		require.Equal(t, before, c, "rendering must not change its input")
		require.Equal(t, found, in.Read, "nor what it was given to read")
		require.Equal(t, objects, Objects(t, render(t, r, in)), "the same input must give the same objects")
		for _, o := range objects {
			declared(t, o, r, c)
			if (router.Object{Unstructured: o}).UserOwned() {
				borrowed(t, o, r.Reads(c))
				continue
			}
			bare(t, o, "resourceVersion")
			owned(t, o, c)
			named(t, o, c, r.Reads(c))
		}
		if weights == nil {
			continue
		}
		require.Equal(t, map[string]int64{
			c.PrimaryName(): int64(100 - weight),
			c.CanaryName():  int64(weight),
		}, weights(t, objects), "both sides are named at every weight, and together they answer all requests")
	}
}

func render(t *testing.T, r router.Router, in router.Input) []runtime.ApplyConfiguration {
	t.Helper()
	applied, err := r.Render(in)
	require.NoError(t, err)
	return applied
}

// owned: what is generated goes with its Canary. An object outside of namespaces can't: the API server takes an
// owner that it does not find for one that is gone.
func owned(t *testing.T, o *unstructured.Unstructured, c *v1beta1.Canary) {
	t.Helper()
	if o.GetNamespace() == "" {
		require.Empty(t, o.GetOwnerReferences())
	} else {
		require.True(t, metav1.IsControlledBy(o, c), "%s %s is not controlled by the Canary", o.GetKind(), o.GetName())
		require.Equal(t, c.Namespace, o.GetNamespace())
	}
	require.Equal(t, "disabled", o.GetAnnotations()["kustomize.toolkit.fluxcd.io/reconcile"])
	require.Equal(t, "disabled", o.GetAnnotations()["helm.toolkit.fluxcd.io/driftDetection"])
}

// named: nothing outside of the Canary's names is touched. Other than under the names of its Services, an object
// can be named after what it was copied from; where Canaries of all namespaces meet, the namespace is in the name.
func named(t *testing.T, o *unstructured.Unstructured, c *v1beta1.Canary, reads []router.Ref) {
	t.Helper()
	own := slices.Contains([]string{c.ApexName(), c.PrimaryName(), c.CanaryName()}, o.GetName())
	if o.GetNamespace() == "" {
		own = false
	}
	for _, ref := range reads {
		own = own || strings.HasPrefix(o.GetName(), ref.Name+"-") && strings.HasSuffix(o.GetName(), "-canary")
	}
	unique := strings.Contains(o.GetName(), c.ApexName()) && strings.Contains(o.GetName(), c.Namespace)
	require.True(t, own || unique, "%s %s could be somebody else's", o.GetKind(), o.GetName())
}

// borrowed: of an object of the user's only what moves traffic is set. Its version may be named, so that the API
// server refuses what was made from an older one.
func borrowed(t *testing.T, o *unstructured.Unstructured, reads []router.Ref) {
	t.Helper()
	require.Contains(t, reads, refOf(o), "what is nobody's would never be deleted")
	require.Empty(t, o.GetLabels())
	require.Empty(t, o.GetAnnotations())
	bare(t, o)
}

func refOf(o *unstructured.Unstructured) router.Ref {
	return router.Ref{GroupVersionKind: o.GroupVersionKind(), Namespace: o.GetNamespace(), Name: o.GetName()}
}

// bare: an applied object holds no field that the API server or another controller sets.
func bare(t *testing.T, o *unstructured.Unstructured, more ...string) {
	t.Helper()
	require.NotContains(t, o.Object, "status")
	metadata, _ := o.Object["metadata"].(map[string]any)
	for _, field := range append(more, "uid", "generation", "creationTimestamp", "managedFields", "finalizers") {
		require.NotContains(t, metadata, field)
	}
}

// declared: a kind that is rendered and not watched would not be put back.
func declared(t *testing.T, o *unstructured.Unstructured, r router.Router, c *v1beta1.Canary) {
	t.Helper()
	watched := r.Writes()
	for _, ref := range r.Reads(c) {
		watched = append(watched, ref.GroupVersionKind)
	}
	require.Contains(t, watched, o.GroupVersionKind())
}

// Objects gives apply configurations the form in which they reach the API server.
func Objects(t *testing.T, applied []runtime.ApplyConfiguration) []*unstructured.Unstructured {
	t.Helper()
	objects := make([]*unstructured.Unstructured, len(applied))
	for i, a := range applied {
		raw, err := json.Marshal(a)
		require.NoError(t, err)
		objects[i] = &unstructured.Unstructured{}
		require.NoError(t, objects[i].UnmarshalJSON(raw))
	}
	return objects
}
