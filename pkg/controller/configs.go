package controller

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// readConfigs finds out what the ConfigMaps and Secrets hold that the target's pods refer to. They are watched as
// metadata only, and read when that has changed, so that no Secret is kept in memory.
func (r *Reconciler) readConfigs(ctx context.Context, v *view, from client.Reader) error {
	if !r.Tracking {
		return nil
	}
	// Not by the client, which reads what its cache is turned off for live, and that goes for the metadata as well.
	if _, live := from.(*once); !live {
		from = r.Applier.Reader
	}
	refs := workload.ConfigsOf(workload.SketchOf(v.target).Template)
	r.memory.refer(v.canary, refs) // first, so that no change from now on is missed
	v.configs = workload.Configs{Sums: map[string]string{}, Copies: map[string]string{}}
	for _, ref := range refs {
		if err := r.readConfig(ctx, v, ref, from); err != nil {
			return err
		}
	}
	return nil
}

// readConfig adds one. Of one that does not exist there is no checksum, but a name for its copy: should it be made
// later, users shall not meet it before the revision that it makes has passed.
func (r *Reconciler) readConfig(ctx context.Context, v *view, ref workload.Config, from client.Reader) error {
	head, err := metadata(ctx, from, ref.Kind, v.canary.Namespace, ref.Name)
	if err != nil {
		return err
	}
	// Known from the metadata, so that the content of what is not tracked is never read.
	if head != nil && workload.Shared(head) {
		return nil
	}
	if head != nil {
		sum, tracked, err := r.checksum(ctx, v.canary, ref, head)
		if err != nil || !tracked {
			return err
		}
		v.configs.Sums[ref.Key()] = sum
	}
	v.configs.Copies[ref.Key()], err = r.copyName(ctx, v.canary, ref)
	return err
}

// metadata reads the metadata of an object; nil when there is none.
func metadata(ctx context.Context, from client.Reader, kind, namespace, name string) (*metav1.PartialObjectMetadata, error) {
	head := &metav1.PartialObjectMetadata{}
	head.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
	err := from.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, head)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read metadata of %s %q: %w", kind, name, err)
	}
	if err != nil {
		return nil, nil
	}
	return head, nil
}

// checksum is that of a config's content at a version. The content is read if no such version was met before. Should
// it have gone meanwhile, the next event tells.
func (r *Reconciler) checksum(ctx context.Context, c *v1beta1.Canary, ref workload.Config, head metav1.Object) (sum string, tracked bool, err error) {
	if known, ok := r.memory.content(c, ref, head); ok {
		return known.sum, known.tracked, nil
	}
	o, err := r.content(ctx, c.Namespace, ref)
	if err != nil || o == nil {
		return "", false, err
	}
	// Of the object that was read, which may be newer than the metadata: a sum has to be noted with its own version.
	found := content{uid: o.GetUID(), version: o.GetResourceVersion(), tracked: workload.Tracked(o)}
	if found.sum, err = workload.Checksum(o); err != nil {
		return "", false, err
	}
	r.memory.keep(c, ref, found)
	return found.sum, found.tracked, nil
}

// content reads a config as it is now; nil when there is none.
func (r *Reconciler) content(ctx context.Context, namespace string, ref workload.Config) (client.Object, error) {
	var o client.Object = &corev1.ConfigMap{}
	if ref.Kind == "Secret" {
		o = &corev1.Secret{}
	}
	// Live, since content is kept nowhere.
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: ref.Name}, o)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read %s %q: %w", ref.Kind, ref.Name, err)
	}
	if err != nil {
		return nil, nil
	}
	return o, nil
}

// copyName is the name of the primary's copy. Where somebody else has that name already, as another Canary whose
// target refers to the same config, the copy gets one of its own: one copy for both would bring users of the one
// what only the other has passed.
func (r *Reconciler) copyName(ctx context.Context, c *v1beta1.Canary, ref workload.Config) (string, error) {
	name := ref.Name + v1beta1.PrimarySuffix
	head, err := metadata(ctx, r.Applier.Reader, ref.Kind, c.Namespace, name)
	if err != nil || head == nil || owned(head, c) {
		return name, err
	}
	return ref.Name + "-" + c.PrimaryWorkload(), nil
}

// identify computes the revision of the target, from the configs that it is about.
func (r *Reconciler) identify(v *view) {
	template, was := workload.SketchOf(v.target).Template, v.canary.Status
	plain := func() string { return r.memory.revision(v, *template, nil) }
	switch {
	case was.TrackedConfigs != nil && !r.Tracking:
		// Tracking was turned off: what was tracked last is left as it was, and starts no rollout.
		v.snapshot.Revision = r.memory.revision(v, *template, *was.TrackedConfigs)
	case !r.Tracking:
		v.snapshot.Revision = plain()
	case was.TrackedConfigs == nil && was.LastAppliedSpec != "" && (plain() == was.LastAppliedSpec || plain() == was.LastPromotedSpec):
		// The revision is from before tracking was turned on, which starts no rollout either.
		// Its primary goes on with the configs themselves: copies would be a change of its pods.
		v.configs = workload.Configs{}
		v.snapshot.Revision = plain()
	default:
		v.snapshot.Configs = v.configs.Sums
		v.snapshot.Revision = r.memory.revision(v, *template, v.configs.Sums)
	}
	// The kind's own knows no configs.
	v.snapshot.Target.Revision = v.snapshot.Revision
}

// copies renders those of the primary's configs that are not as they were hashed. It says complete if all of them
// could be: where a config has changed since, this revision is not the one to promote any more.
func (r *Reconciler) copies(ctx context.Context, v *view) (made []runtime.ApplyConfiguration, complete bool, err error) {
	for _, ref := range workload.ConfigsOf(workload.SketchOf(v.target).Template) {
		// Also of one that does not exist: its pods wait for it, or do without.
		sum, tracked := v.configs.Sums[ref.Key()]
		if !tracked {
			continue
		}
		name := v.configs.Copies[ref.Key()]
		head, err := metadata(ctx, r.Applier.Reader, ref.Kind, v.canary.Namespace, name)
		if err != nil {
			return nil, false, err
		}
		// At rest only a copy that is missing is made; one that was edited is put right with the next promotion.
		if head != nil && (head.Annotations[workload.ChecksumAnnotation] == sum || !v.promotes()) {
			continue
		}
		if head != nil {
			frozen, err := r.frozen(ctx, v, workload.Config{Kind: ref.Kind, Name: name}, sum)
			if err != nil || frozen {
				return nil, false, err
			}
		}
		one, err := r.copied(ctx, v, ref, name, sum)
		if err != nil || one == nil {
			return nil, false, err
		}
		made = append(made, one)
	}
	return made, true, nil
}

// frozen says that a copy has to go before it can be made anew, since it cannot be changed.
func (r *Reconciler) frozen(ctx context.Context, v *view, ref workload.Config, sum string) (bool, error) {
	o, err := r.content(ctx, v.canary.Namespace, ref)
	if err != nil || o == nil {
		return false, err
	}
	var immutable *bool
	switch o := o.(type) {
	case *corev1.ConfigMap:
		immutable = o.Immutable
	case *corev1.Secret:
		immutable = o.Immutable
	}
	if immutable == nil || !*immutable {
		return false, nil
	}
	// Only the annotation is old then, and that can be changed.
	if has, err := workload.Checksum(o); err != nil || has == sum {
		return false, err
	}
	head := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: o.GetNamespace(), Name: o.GetName()}}
	head.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(ref.Kind))
	// Hold deletes it, and a later pass, which finds none, makes it anew.
	v.strays = append(v.strays, head)
	return true, nil
}

// copied renders one copy, nil if the config is not what was hashed any more.
func (r *Reconciler) copied(ctx context.Context, v *view, ref workload.Config, name, sum string) (runtime.ApplyConfiguration, error) {
	o, err := r.content(ctx, v.canary.Namespace, ref)
	if err != nil || o == nil {
		return nil, err
	}
	// The copy has to be of what was judged, not of what is there by now.
	if now, err := workload.Checksum(o); err != nil || now != sum {
		return nil, err
	}
	return r.Kinds.Copy(o, name, sum, v.canary)
}

// promotes says that the primary is to be given what the target is now.
func (v *view) promotes() bool {
	return v.intent.Primary != "" && v.intent.Primary == v.snapshot.Revision
}
