package router_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/router/routertest"
)

// build makes a provider's router for a cluster that serves its API, and checks what it says it can do.
func build(t *testing.T, name string, can rollout.Capabilities, served ...string) router.Router {
	t.Helper()
	r, is, err := router.New(name, router.Options{APIVersions: served})
	require.NoError(t, err)
	require.Equal(t, can, is, "only what is rendered may be promised")
	if len(served) > 0 {
		_, _, err = router.New(name, router.Options{})
		require.ErrorAs(t, err, new(*router.NotServedError), "without its resources no route could be written")
	}
	return r
}

// parse reads an object of the user's.
func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(text))
	require.NoError(t, err)
	u := &unstructured.Unstructured{}
	require.NoError(t, u.UnmarshalJSON(raw))
	return u
}

// input renders for a Canary and objects that are there to read.
func input(c *v1beta1.Canary, read ...*unstructured.Unstructured) router.Input {
	in := router.Input{Canary: c, Read: map[router.Ref]*unstructured.Unstructured{}}
	for _, u := range read {
		in.Read[router.Ref{GroupVersionKind: u.GroupVersionKind(), Namespace: u.GetNamespace(), Name: u.GetName()}] = u
	}
	return in
}

// refuses expects a router to find something wrong, always the same, and to say where.
func refuses(t *testing.T, r router.Router, in router.Input, want rollout.InvalidError, reason string) {
	t.Helper()
	_, err := r.Render(in)
	var invalid *rollout.InvalidError
	require.ErrorAs(t, err, &invalid, reason)
	require.Equal(t, want.Field, invalid.Field, reason)
	require.Contains(t, invalid.Problem, want.Problem, reason)
	_, again := r.Render(in)
	require.EqualError(t, again, err.Error(), "what ends in a condition does not change by itself")
}

// listed reads weights off lists of backends: path leads to the list, name and weight are fields of its entries.
func listed(name, weight []string, path ...string) routertest.Weights {
	return func(t *testing.T, objects []*unstructured.Unstructured) map[string]int64 {
		t.Helper()
		weights := map[string]int64{}
		for _, o := range objects {
			entries, _, err := unstructured.NestedSlice(o.Object, path...)
			require.NoError(t, err)
			for _, e := range entries {
				backend, _, err := unstructured.NestedString(e.(map[string]any), name...)
				require.NoError(t, err)
				percent, found, err := unstructured.NestedInt64(e.(map[string]any), weight...)
				require.NoError(t, err)
				require.True(t, found, "a weight of zero is written out")
				weights[backend] = percent
			}
		}
		return weights
	}
}

// first is the first entry of a list, for paths that lead through one.
func first(t *testing.T, o *unstructured.Unstructured, path ...string) *unstructured.Unstructured {
	t.Helper()
	entries, found, err := unstructured.NestedSlice(o.Object, path...)
	require.NoError(t, err)
	require.True(t, found)
	return &unstructured.Unstructured{Object: entries[0].(map[string]any)}
}

// one renders for a weight and returns the only object.
func one(t *testing.T, r router.Router, in router.Input) *unstructured.Unstructured {
	t.Helper()
	applied, err := r.Render(in)
	require.NoError(t, err)
	objects := routertest.Objects(t, applied)
	require.Len(t, objects, 1)
	return objects[0]
}

func objects(all ...*unstructured.Unstructured) []*unstructured.Unstructured { return all }
