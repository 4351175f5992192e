package kube

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// prunable says that objects of a kind are deleted once nothing calls for them. Workloads have pods that may serve, and copies
// of configs and budgets follow their originals.
func prunable(kind schema.GroupVersionKind) bool {
	switch kind.Group {
	case "apps", "policy":
		return false
	case "":
		return kind.Kind == "Service"
	}
	return true
}

// MadeBefore are all objects of some kinds that were made by us for the owner, for an owner that has no record of them. The
// kinds have to be watched.
func (a *Applier) MadeBefore(ctx context.Context, owner *v1beta1.Canary, kinds ...schema.GroupVersionKind) (made []v1beta1.MadeObject, err error) {
	for _, kind := range kinds {
		list, err := newWatchedList(a.Client.Scheme(), kind)
		if err != nil {
			return nil, err
		}
		if err := a.Reader.List(ctx, list, client.InNamespace(owner.Namespace), client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("list %s: %w", kind.Kind, err)
		}
		err = meta.EachListItem(list, func(o runtime.Object) error {
			if live, ok := o.(client.Object); ok && madeFor(owner, kind, live) {
				made = append(made, madeObject(kind, live))
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", kind.Kind, err)
		}
	}
	return made, nil
}

// madeFor says that an object was made by us for the owner.
func madeFor(owner *v1beta1.Canary, kind schema.GroupVersionKind, live client.Object) bool {
	return recordable(owner, kind, live) && appliedHash(live) != "" && controls(owner, live)
}

// adoptable says that an object was there before the owner. What carries our hash and no note was made by us, whoever has
// taken its owner away since.
func adoptable(owner *v1beta1.Canary, kind schema.GroupVersionKind, live client.Object) bool {
	if !recordable(owner, kind, live) || live.GetNamespace() == "" || metav1.GetControllerOf(live) != nil {
		return false
	}
	_, noted := live.GetAnnotations()[OriginalAnnotation]
	return noted || appliedHash(live) == ""
}

// recordable says that an object is of a kind that is pruned, and is not the apex Service, by which clients may know the
// workload for good, and which has notes of its own.
func recordable(owner *v1beta1.Canary, kind schema.GroupVersionKind, live client.Object) bool {
	apex := kind.Group == "" && live.GetName() != owner.PrimaryName() && live.GetName() != owner.CanaryName()
	return prunable(kind) && !apex && live.GetDeletionTimestamp() == nil
}

// controls says that an object is the owner's. What is outside of namespaces has no owner, and is known by our annotation.
func controls(owner *v1beta1.Canary, live client.Object) bool {
	return metav1.IsControlledBy(live, owner) || live.GetNamespace() == "" && metav1.GetControllerOf(live) == nil
}

// Refs name what is to be there, whether it is or not.
func Refs(objs ...runtime.ApplyConfiguration) (refs []v1beta1.MadeObject, err error) {
	for _, obj := range objs {
		r, err := refOf(obj)
		if err != nil {
			return nil, err
		}
		refs = append(refs, nameOf(r))
	}
	return refs, nil
}

func nameOf(r ref) v1beta1.MadeObject {
	return v1beta1.MadeObject{Group: r.kind.Group, Kind: r.kind.Kind, Name: r.key.Name}
}

func madeObject(kind schema.GroupVersionKind, live client.Object) v1beta1.MadeObject {
	_, adopted := live.GetAnnotations()[OriginalAnnotation]
	return v1beta1.MadeObject{Group: kind.Group, Kind: kind.Kind, Name: live.GetName(), UID: live.GetUID(), Adopted: adopted && metav1.GetControllerOf(live) == nil}
}

// Prune deletes an object that was made for the owner. It says deleted if it asked for that, and not if the object is
// gone, or is not the one that was made, or not the owner's any more. Its kind need not be watched. A request that the server
// refuses is a RefusedError.
func (a *Applier) Prune(ctx context.Context, owner *v1beta1.Canary, o v1beta1.MadeObject) (deleted bool, err error) {
	r, err := a.madeRef(owner, o)
	if meta.IsNoMatchError(err) {
		return false, nil // gone with its API
	}
	if err != nil {
		return false, err
	}
	if e := a.records.notYet(r, deletion, o.UID, a.Now()); e != nil {
		return false, e
	}
	live := &metav1.PartialObjectMetadata{TypeMeta: typeMeta(r.kind)}
	verb := "get"
	if err = a.Live.Get(ctx, r.key, live); err == nil {
		if live.UID != o.UID || live.DeletionTimestamp != nil || appliedHash(live) == "" || !controls(owner, live) {
			return false, nil
		}
		verb = "delete"
		err = a.Client.Delete(ctx, live, client.Preconditions{UID: &live.UID}, client.PropagationPolicy("Background"))
		err = conflict(ctx, a.Live, r, live.UID, "", err)
	}
	if client.IgnoreNotFound(err) == nil || errors.Is(err, ErrStale) {
		a.records.update(r, func(m *record) { *m = record{} })
		return err == nil, nil
	}
	e := &RefusedError{Object: r.name(owner), Verb: verb, Exists: true, cause: fmt.Errorf("%s %s: %w", verb, r, err)}
	return false, a.records.refuse(ctx, owner.UID, r, e, remembered{sum: deletion, uid: o.UID}, a.Now())
}

// PruneRefused is the RefusedError of a deletion that is not to be tried again yet; nil: it is to be tried.
func (a *Applier) PruneRefused(owner *v1beta1.Canary, o v1beta1.MadeObject) error {
	r, err := a.madeRef(owner, o)
	if err != nil {
		return nil // Prune says so
	}
	if e := a.records.notYet(r, deletion, o.UID, a.Now()); e != nil {
		return e
	}
	return nil
}

// madeRef is where an object is, in the version that the cluster prefers.
func (a *Applier) madeRef(owner *v1beta1.Canary, o v1beta1.MadeObject) (ref, error) {
	m, err := a.Client.RESTMapper().RESTMapping(schema.GroupKind{Group: o.Group, Kind: o.Kind})
	if err != nil {
		return ref{}, fmt.Errorf("find out about %s: %w", o.Kind, err)
	}
	r := ref{kind: m.GroupVersionKind, key: client.ObjectKey{Name: o.Name}}
	if m.Scope.Name() == meta.RESTScopeNameNamespace {
		r.key.Namespace = owner.Namespace
	}
	return r, nil
}

// GiveBack applies what an object that was taken over should look like without us, which original renders of what it is like
// now, and gives all of it up. One that is gone, or is another, or carries no note, is left alone. Its kind need not be watched.
func (a *Applier) GiveBack(ctx context.Context, owner *v1beta1.Canary, o v1beta1.MadeObject, original func(*unstructured.Unstructured) (runtime.ApplyConfiguration, error)) (changed bool, err error) {
	r, err := a.madeRef(owner, o)
	if err != nil {
		if meta.IsNoMatchError(err) {
			err = nil // gone with its API
		}
		return false, err
	}
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(r.kind)
	if err := a.Live.Get(ctx, r.key, live); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	if _, noted := live.GetAnnotations()[OriginalAnnotation]; !noted || live.GetUID() != o.UID || live.GetDeletionTimestamp() != nil {
		return false, nil
	}
	obj, err := original(live)
	if err != nil {
		return false, err
	}
	if err := a.restore(ctx, owner, r, live, obj); err != nil {
		return false, err
	}
	return true, a.ReleaseFields(ctx, obj)
}
