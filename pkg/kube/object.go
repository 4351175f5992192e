package kube

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// AppliedAnnotation is the annotation on everything we make: a hash of what was applied,
// a space, and when that was last changed.
const AppliedAnnotation = "sluice.dev/applied"

// OriginalAnnotation is the annotation on what was there before its Canary and was taken over: what it was like, as JSON.
const OriginalAnnotation = "sluice.dev/original"

// firstAppliedAnnotation is when this content was first applied, where it has been applied again since: somebody had
// changed it.
const firstAppliedAnnotation = "sluice.dev/first-applied"

// FirstAppliedAt is when what we want of the object was first applied. It is zero for an object that is not ours.
func FirstAppliedAt(obj client.Object) time.Time {
	at, err := time.Parse(time.RFC3339Nano, obj.GetAnnotations()[firstAppliedAnnotation])
	if err != nil {
		return AppliedAt(obj)
	}
	return at
}

// AppliedAt is when we last changed the object: created it, changed what we
// want of it, or put back what somebody else had changed. It is zero for an
// object that is not ours.
func AppliedAt(obj client.Object) time.Time {
	_, stamp, _ := strings.Cut(obj.GetAnnotations()[AppliedAnnotation], " ")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return time.Time{}
	}
	return at
}

// Partial marks an object that belongs to the user and of which we set some fields
// only, as the replicas of a target. It gets no annotation, and it is not made
// when it is missing: that is ErrMissing.
func Partial(obj runtime.ApplyConfiguration) runtime.ApplyConfiguration {
	return partial{ApplyConfiguration: obj}
}

// PartialOwned is Partial for fields that are to stay ours as long as the Canary lives, as the weights in a route of
// the user's: they are applied again when anybody else has taken them over, even at the same value. When that was done
// last is read off the server's record of owners, since no annotation says it. An object that has a resource version is
// applied to that version only, and otherwise looked at again.
func PartialOwned(obj runtime.ApplyConfiguration) runtime.ApplyConfiguration {
	return partial{ApplyConfiguration: obj, owned: true}
}

// PartialMerge is Partial for what an apply can't say: it is sent as a merge patch, in
// which a null takes a field away, whoever had set it, and a map keeps what the
// patch does not name. A DaemonSet's node selector is one value to an apply, so
// that adding to it would mean to own what the user has put there.
func PartialMerge(obj runtime.ApplyConfiguration) runtime.ApplyConfiguration {
	return partial{ApplyConfiguration: obj, merge: true}
}

type partial struct {
	runtime.ApplyConfiguration
	merge bool
	owned bool
}

// NewWatched is an empty object in the form in which the operator watches a kind.
// Whoever reads or watches through a cache must ask for this form, because a
// cache keeps every form of a kind apart and fills each by a watch of its own:
// metadata alone where the content is large or secret, Go's type where the
// scheme has one, a map for all others.
func NewWatched(s *runtime.Scheme, gvk schema.GroupVersionKind) (client.Object, error) {
	if metadataOnly(gvk) {
		return &metav1.PartialObjectMetadata{TypeMeta: typeMeta(gvk)}, nil
	}
	if !s.Recognizes(gvk) {
		// Every look reads its objects in this form, and the setters cost more than all else of it.
		return &unstructured.Unstructured{Object: map[string]any{"apiVersion": gvk.GroupVersion().String(), "kind": gvk.Kind}}, nil
	}
	return newTyped[client.Object](s, gvk)
}

// newWatchedList is a list of what NewWatched makes, so that it is answered by the same watch.
func newWatchedList(s *runtime.Scheme, gvk schema.GroupVersionKind) (client.ObjectList, error) {
	gvk.Kind += "List"
	if !s.Recognizes(gvk) {
		u := &unstructured.UnstructuredList{}
		u.SetGroupVersionKind(gvk)
		return u, nil
	}
	return newTyped[client.ObjectList](s, gvk)
}

// newTyped is an empty value of a kind that the scheme has a type for.
func newTyped[T runtime.Object](s *runtime.Scheme, gvk schema.GroupVersionKind) (T, error) {
	var none T
	obj, err := s.New(gvk)
	if err != nil {
		return none, err
	}
	if typed, ok := obj.(T); ok {
		return typed, nil
	}
	return none, fmt.Errorf("the type of %s is not that of an object or a list", gvk)
}

func metadataOnly(gvk schema.GroupVersionKind) bool {
	return gvk.Group == "" && (gvk.Kind == "ConfigMap" || gvk.Kind == "Secret")
}

func typeMeta(gvk schema.GroupVersionKind) metav1.TypeMeta {
	version, kind := gvk.ToAPIVersionAndKind()
	return metav1.TypeMeta{APIVersion: version, Kind: kind}
}

// ref names an object.
type ref struct {
	kind schema.GroupVersionKind
	key  client.ObjectKey
}

func (r ref) String() string { return fmt.Sprintf("%s %q", r.kind.Kind, r.key.String()) }

// refOf reads the name from the object as it is, without encoding it first:
// clients' own apply configurations have pointers, unstructured ones values.
func refOf(obj runtime.ApplyConfiguration) (ref, error) {
	var version, kind, name, namespace string
	switch o := obj.(type) {
	case partial:
		return refOf(o.ApplyConfiguration)
	case interface {
		GetAPIVersion() *string
		GetKind() *string
		GetName() *string
		GetNamespace() *string
	}:
		version, kind = ptr.Deref(o.GetAPIVersion(), ""), ptr.Deref(o.GetKind(), "")
		name, namespace = ptr.Deref(o.GetName(), ""), ptr.Deref(o.GetNamespace(), "")
	case interface {
		GetAPIVersion() string
		GetKind() string
		GetName() string
		GetNamespace() string
	}:
		version, kind, name, namespace = o.GetAPIVersion(), o.GetKind(), o.GetName(), o.GetNamespace()
	}
	if kind == "" || name == "" {
		return ref{}, fmt.Errorf("%T has no kind or no name", obj)
	}
	return ref{
		kind: schema.FromAPIVersionAndKind(version, kind),
		key:  client.ObjectKey{Namespace: namespace, Name: name},
	}, nil
}

// desired is an object as it should be.
type desired struct {
	ref
	partial bool
	merge   bool // of a partial one: nulls take fields away
	owned   bool // of a partial one: its fields must be ours
	obj     runtime.ApplyConfiguration
	json    []byte            // of obj; nil while nobody needed it
	sum     [sha256.Size]byte // of json: enough to know it again in this process
}

// desiredFor recognises what is desired by what the object was found to match last.
func (a *Applier) desiredFor(obj runtime.ApplyConfiguration) (*desired, error) {
	r, err := refOf(obj)
	if err != nil {
		return nil, err
	}
	if w := a.contents.of(r, obj); w != nil {
		return w, nil
	}
	w, err := desiredFor(obj)
	if err == nil && a.records.get(r).matchedSum == w.sum {
		a.contents.keep(w)
	}
	return w, err
}

func desiredFor(obj runtime.ApplyConfiguration) (*desired, error) {
	r, err := refOf(obj)
	if err != nil {
		return nil, err
	}
	inner, isBare := obj.(partial)
	w := &desired{ref: r, partial: isBare, merge: inner.merge, owned: inner.owned, obj: obj}
	if err := w.encode(); err != nil {
		return nil, err
	}
	w.sum = sha256.Sum256(w.json)
	return w, nil
}

func (w *desired) encode() (err error) {
	obj := w.obj
	if inner, ok := obj.(partial); ok {
		obj = inner.ApplyConfiguration
	}
	if w.json, err = json.Marshal(obj); err != nil {
		return fmt.Errorf("encode %s: %w", w.ref, err)
	}
	return nil
}

// withoutJSON is what is kept in memory: the text is needed again only when the object is no longer so.
func (w *desired) withoutJSON() *desired {
	kept := *w
	kept.json = nil
	return &kept
}

// content is what is desired as a map, without what means nothing to the API server.
func (w *desired) content() (map[string]any, error) {
	if w.json == nil {
		if err := w.encode(); err != nil {
			return nil, err
		}
	}
	var content map[string]any
	if err := utiljson.Unmarshal(w.json, &content); err != nil {
		return nil, fmt.Errorf("decode %s: %w", w.ref, err)
	}
	if w.merge {
		return content, nil
	}
	dropNulls(content)
	if meta, ok := content["metadata"].(map[string]any); ok {
		maps.DeleteFunc(meta, func(_ string, v any) bool { return isEmpty(v) })
	}
	return content, nil
}

// dropNulls removes nulls: an absent field and a null one mean the same.
func dropNulls(value any) {
	switch v := value.(type) {
	case map[string]any:
		maps.DeleteFunc(v, func(_ string, child any) bool { return child == nil })
		for _, child := range v {
			dropNulls(child)
		}
	case []any:
		for _, child := range v {
			dropNulls(child)
		}
	}
}

func isEmpty(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return value == nil
}

// hash is the same for the same content, whichever order the fields
// come in: encoding a map sorts its keys.
func hash(content any) (string, error) {
	text, err := json.Marshal(content)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8]), nil
}

// appliedHash is the hash that was left on an object.
func appliedHash(obj client.Object) string {
	sum, _, _ := strings.Cut(obj.GetAnnotations()[AppliedAnnotation], " ")
	return sum
}

// setApplied writes the annotations into content, which is applied over what is live.
func setApplied(content map[string]any, sum string, live client.Object, now time.Time) error {
	value := sum + " " + now.UTC().Format(time.RFC3339Nano)
	if err := unstructured.SetNestedField(content, value, "metadata", "annotations", AppliedAnnotation); err != nil {
		return err
	}
	if live == nil || appliedHash(live) != sum {
		return nil
	}
	first := FirstAppliedAt(live).UTC().Format(time.RFC3339Nano)
	return unstructured.SetNestedField(content, first, "metadata", "annotations", firstAppliedAnnotation)
}
