package kube

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// matches says whether every field of a wish is on an object, with its value
// and as ours. If not it says as well what the object looks like instead.
func (a *Applier) matches(t *task, live client.Object) (bool, *likeness, error) {
	if t.merge {
		return merged(t, live)
	}
	want, err := a.normal(t.ref, t.want)
	if err != nil {
		return false, nil, err
	}
	want = claims(want)
	have, err := asMap(live)
	if err != nil {
		return false, nil, err
	}
	values := want
	if metadataOnly(t.kind) {
		values = without(want, "data", "binaryData", "stringData", "immutable", "type")
	}
	m, fields := matcher{typed: a.Client.Scheme().Recognizes(t.kind)}, owned(live)
	if m.holdsMap(have, values) && t.kept(fields, want) {
		return true, nil, nil
	}
	l, err := liken(m.extract("", have, values), fields)
	return false, l, err
}

// kept says whether the fields of a wish are ours as far as they must be. A cache may have dropped the record of
// owners, which is then taken for kept; only of what is lent a missing record means that somebody took it all.
func (t *task) kept(fields, want map[string]any) bool {
	if !t.lent && (t.bare || fields == nil) {
		return true
	}
	return covers(fields, want)
}

func liken(content any, fields map[string]any) (*likeness, error) {
	l := &likeness{}
	var err error
	if l.content, err = hash(content); err != nil || fields == nil {
		return l, err
	}
	l.owned, err = hash(fields)
	return l, err
}

// normal is content as the API server keeps it, if the kind is one of those
// that have a Go type: through that type 1000m becomes 1, and what is empty
// goes, as it does in the server. Only the fields of content are kept, since
// the type adds zero values that nobody asked for.
func (a *Applier) normal(r ref, content map[string]any) (map[string]any, error) {
	if !a.Client.Scheme().Recognizes(r.kind) {
		return content, nil
	}
	typed, err := a.Client.Scheme().New(r.kind)
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

// claims are the fields of a wish that can be otherwise: not what names it, nor the version that it was made from.
func claims(want map[string]any) map[string]any {
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

// remember keeps what a write came back with. If the object still is not as
// wished, the server changes what it is sent (a webhook, a field that it does
// not know): what it made of the wish is kept, and not fought over again.
func (a *Applier) remember(owner *v1beta1.Canary, t *task, sent *unstructured.Unstructured) error {
	back, err := a.formed(t.ref, sent)
	if err != nil {
		return err
	}
	_, refused, err := a.matches(t, back)
	if err != nil {
		return err
	}
	if t.drift && refused == nil && a.Drifted != nil {
		a.Drifted(owner, t.kind.Kind+" "+t.key.Name)
	}
	version, now := back.GetResourceVersion(), a.Now()
	a.memory.set(t.ref, func(m *mark) {
		*m = mark{owner: owner.UID, version: version, wrote: now, settled: version, sum: t.sum, wish: t.fulfilled(), refused: refused}
	})
	return nil
}

// formed turns what a write came back with into the form that the cache has it in.
func (a *Applier) formed(r ref, u *unstructured.Unstructured) (client.Object, error) {
	form, err := Form(a.Client.Scheme(), r.kind)
	if _, same := form.(*unstructured.Unstructured); err != nil || same {
		return u, err
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, form); err != nil {
		return nil, fmt.Errorf("read what came back of %s: %w", r, err)
	}
	return form, nil
}
