package kube

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// comparer compares objects with what is desired, in the form in which the API server keeps them.
type comparer struct{ scheme *runtime.Scheme }

func (a *Applier) comparer() comparer { return comparer{scheme: a.Client.Scheme()} }

// matches says whether every desired field is on an object, with its value
// and as ours. If not it says as well what the object looks like instead.
func (c comparer) matches(p *plan, live client.Object) (bool, *snapshot, error) {
	if p.merge {
		return matchesMerge(p, live)
	}
	want, err := c.normalize(p.ref, p.want)
	if err != nil {
		return false, nil, err
	}
	want = comparedFields(want)
	have, err := asMap(live)
	if err != nil {
		return false, nil, err
	}
	values := watched(p.ref, want)
	m, fields := matcher{typed: c.scheme.Recognizes(p.kind)}, ownedFields(live)
	if m.matchesMap(have, values) && p.ownsDesired(fields, want) {
		return true, nil, nil
	}
	l, err := snapshotOf(m.extract("", have, values), fields)
	return false, l, err
}

// sameContent says whether every desired field is on an object with its value, whoever owns it.
func (c comparer) sameContent(p *plan, live client.Object) (bool, error) {
	if p.merge {
		ok, _, err := matchesMerge(p, live)
		return ok, err
	}
	want, err := c.normalize(p.ref, p.want)
	if err != nil {
		return false, err
	}
	have, err := asMap(live)
	if err != nil {
		return false, err
	}
	want = watched(p.ref, comparedFields(want))
	if meta, ok := want["metadata"].(map[string]any); ok {
		want["metadata"] = without(meta, "ownerReferences")
	}
	return matcher{typed: c.scheme.Recognizes(p.kind)}.matchesMap(have, want), nil
}

// watched are those of the desired fields that the operator watches of a kind.
func watched(r ref, want map[string]any) map[string]any {
	if !metadataOnly(r.kind) {
		return want
	}
	return without(want, "data", "binaryData", "stringData", "immutable", "type")
}

// ownsDesired says whether the desired fields are ours as far as they must be. A cache may have dropped the record of
// owners, which is then taken for complete; only of a PartialOwned object a missing record means that somebody took it
// all.
func (p *plan) ownsDesired(fields *fieldpath.Set, want map[string]any) bool {
	if !p.owned && (p.partial || p.update || fields == nil) {
		return true
	}
	return covers(fields, want)
}

func snapshotOf(content any, fields *fieldpath.Set) (*snapshot, error) {
	s := &snapshot{}
	var err error
	if s.content, err = hash(content); err != nil || fields == nil {
		return s, err
	}
	owned, err := fields.ToJSON()
	if err != nil {
		return s, err
	}
	s.owned, err = hash(json.RawMessage(owned))
	return s, err
}

// normalize is content as the API server keeps it, if the kind is one of those
// that have a Go type: through that type 1000m becomes 1, and what is empty
// goes, as it does in the server. Only the fields of content are kept, since
// the type adds zero values that nobody asked for.
func (c comparer) normalize(r ref, content map[string]any) (map[string]any, error) {
	if !c.scheme.Recognizes(r.kind) {
		return content, nil
	}
	typed, err := c.scheme.New(r.kind)
	if err != nil {
		return nil, err
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, typed); err != nil {
		return nil, fmt.Errorf("%s is not well formed: %w", r, err)
	}
	full, err := asMap(typed)
	if err != nil {
		return nil, err
	}
	kept, _ := restrict(full, content).(map[string]any)
	return kept, nil
}

func asMap(obj runtime.Object) (map[string]any, error) {
	if u, ok := obj.(*unstructured.Unstructured); ok {
		return u.Object, nil
	}
	return runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
}

// comparedFields are the desired fields that can be otherwise: not what names it, nor the version that it was made
// from.
func comparedFields(want map[string]any) map[string]any {
	out := without(want, "apiVersion", "kind", "metadata")
	meta, _ := want["metadata"].(map[string]any)
	if meta = without(meta, "name", "namespace", "resourceVersion"); len(meta) > 0 {
		out["metadata"] = meta
	}
	return out
}

func without(m map[string]any, keys ...string) map[string]any {
	out := maps.Clone(m)
	maps.DeleteFunc(out, func(key string, _ any) bool { return slices.Contains(keys, key) })
	return out
}

// asWatched turns what a write came back with into the form that the cache has it in.
func (c comparer) asWatched(r ref, u *unstructured.Unstructured) (client.Object, error) {
	form, err := NewWatched(c.scheme, r.kind)
	if _, same := form.(*unstructured.Unstructured); err != nil || same {
		return u, err
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, form); err != nil {
		return nil, fmt.Errorf("read what came back of %s: %w", r, err)
	}
	return form, nil
}
