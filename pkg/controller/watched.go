package controller

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Watched is which Canaries an operator follows. The zero value: all.
//
// Only those of its namespaces are cached, with all that belongs to them. By labels nothing is left out of the cache: of two
// Canaries with one target the younger gives way, whoever follows the older.
type Watched struct {
	Namespaces []string        // empty: all
	Labels     labels.Selector // nil: whatever labels they have
}

// Follows says whether a Canary of the cache is followed.
func (w Watched) Follows(c client.Object) bool {
	return w.Labels == nil || w.Labels.Matches(labels.Set(c.GetLabels()))
}

// Reader lists the Canaries that are followed, and reads whatever is asked for by its name.
func (w Watched) Reader(cache client.Reader) client.Reader {
	if w.Labels == nil {
		return cache
	}
	return followed{Reader: cache, labels: w.Labels}
}

type followed struct {
	client.Reader
	labels labels.Selector
}

// List implements client.Reader.
func (f followed) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	return f.Reader.List(ctx, list, slices.Concat(opts, []client.ListOption{client.MatchingLabelsSelector{Selector: f.labels}})...)
}

// eachNamespace calls for all namespaces that are watched, once with an empty one where those are all.
func (w Watched) eachNamespace(do func(client.InNamespace) error) error {
	if len(w.Namespaces) == 0 {
		return do("")
	}
	for _, namespace := range w.Namespaces {
		if err := do(client.InNamespace(namespace)); err != nil {
			return err
		}
	}
	return nil
}
