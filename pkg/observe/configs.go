package observe

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// configReader reads ConfigMaps and Secrets for a Reader.
type configReader struct{ *Reader }

// read finds out what the ConfigMaps and Secrets hold that the target's pods refer to. They are watched as
// metadata only, and read when that has changed, so that no Secret is kept in memory.
func (r configReader) read(ctx context.Context, f *desired.Facts, from client.Reader) error {
	if !r.Tracking {
		return nil
	}
	refs := workload.ConfigsOf(workload.SummaryOf(f.Target).Template)
	r.memory.refer(f.Canary, refs) // first, so that no change from now on is missed
	f.Configs = workload.Configs{Sums: map[string]string{}, Copies: map[string]string{}}
	for _, ref := range refs {
		if err := r.readOne(ctx, f, ref, from); err != nil {
			return err
		}
	}
	return nil
}

// readOne adds one. Of one that does not exist there is no checksum, but a name for its copy: should it be made
// later, users shall not meet it before the revision that it makes has passed.
func (r configReader) readOne(ctx context.Context, f *desired.Facts, ref workload.Config, from client.Reader) error {
	if r.hidden(ref) {
		return r.readHidden(ctx, f, ref)
	}
	head, err := metadata(ctx, from, ref.Kind, f.Canary.Namespace, ref.Name)
	if err != nil {
		return r.assumeUnchanged(ctx, f, ref, err)
	}
	// Known from the metadata, so that the content of what is not tracked is never read.
	if head != nil && workload.Shared(head) {
		return nil
	}
	if head != nil {
		sum, tracked, err := r.checksum(ctx, f.Canary, ref, head)
		if err != nil {
			return r.assumeUnchanged(ctx, f, ref, err)
		}
		if !tracked {
			return nil
		}
		f.Configs.Sums[ref.Key()] = sum
	}
	f.Configs.Copies[ref.Key()], err = r.copyName(ctx, f.Canary, ref)
	return err
}

// hidden says that the content of a config is not for the operator to see. It is left to both sides.
func (r configReader) hidden(ref workload.Config) bool {
	return r.SecretsHidden && ref.Kind == "Secret"
}

// readHidden notes, by an empty checksum, that a Secret was not read. One that was tracked before the right to read it was
// lost goes on with the last checksum and its copy, so that losing the right is no change of the target.
func (r configReader) readHidden(ctx context.Context, f *desired.Facts, ref workload.Config) error {
	sum := ""
	if tracked := f.Canary.Status.TrackedConfigs; tracked != nil {
		var known bool
		if sum, known = (*tracked)[ref.Key()]; !known {
			return nil // as it was recorded; see identifyHidden
		}
	}
	f.Configs.Sums[ref.Key()] = sum
	if sum == "" {
		return nil
	}
	// Whose a copy is can't be looked up either: the primary has the name in its pods.
	primary, err := fetch(ctx, f, r.Client, f.Canary.PrimaryWorkload())
	if err != nil {
		return err
	}
	name := ref.Name + v1beta1.PrimarySuffix
	if primary != nil {
		own := workload.Config{Kind: ref.Kind, Name: ref.Name + "-" + f.Canary.PrimaryWorkload()}
		for _, c := range workload.ConfigsOf(f.Kind.Summarize(primary).Template) {
			if c.Key() == own.Key() {
				name = own.Name
			}
		}
	}
	f.Configs.Copies[ref.Key()] = name
	return nil
}

// assumeUnchanged takes a config that may not be read for what it was when the rollout began. Nothing goes on until it may
// be read again; but whoever fails with it is still rolled back.
func (r configReader) assumeUnchanged(ctx context.Context, f *desired.Facts, ref workload.Config, err error) error {
	tracked := f.Canary.Status.TrackedConfigs
	if tracked == nil {
		return err
	}
	sum, known := (*tracked)[ref.Key()]
	if !known || !unreadable(f, ref, err) {
		return err
	}
	f.Configs.Sums[ref.Key()] = sum
	f.Configs.Copies[ref.Key()], err = r.copyName(ctx, f.Canary, ref)
	return err
}

// unreadable notes that a config may not be read, if that is what an error says.
func unreadable(f *desired.Facts, ref workload.Config, err error) bool {
	if !apierrors.IsForbidden(err) {
		return false
	}
	f.Snapshot.Refuse(rollout.Refusal{Object: ref.Kind + " " + ref.Name, Verb: "get", Text: kube.Words(err)})
	return true
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
func (r configReader) checksum(ctx context.Context, c *v1beta1.Canary, ref workload.Config, head metav1.Object) (sum string, tracked bool, err error) {
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
func (r configReader) content(ctx context.Context, namespace string, ref workload.Config) (client.Object, error) {
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
func (r configReader) copyName(ctx context.Context, c *v1beta1.Canary, ref workload.Config) (string, error) {
	name := ref.Name + v1beta1.PrimarySuffix
	head, err := metadata(ctx, r.Applier.Reader, ref.Kind, c.Namespace, name)
	if err != nil || head == nil || metav1.IsControlledBy(head, c) {
		return name, err
	}
	return ref.Name + "-" + c.PrimaryWorkload(), nil
}

// promoted are the configs as the primary has them, where tracking was turned off since.
func (r configReader) promoted(ctx context.Context, f *desired.Facts, sums map[string]string) (workload.Configs, error) {
	c := workload.Configs{Sums: sums, Copies: map[string]string{}}
	for _, ref := range workload.ConfigsOf(workload.SummaryOf(f.Target).Template) {
		if sums[ref.Key()] == "" {
			continue
		}
		name, err := r.copyName(ctx, f.Canary, ref)
		if err != nil {
			return c, err
		}
		c.Copies[ref.Key()] = name
	}
	return c, nil
}

// identify computes the revision of the target, from the configs that it is about.
func (r configReader) identify(f *desired.Facts) {
	template, was := workload.SummaryOf(f.Target).Template, f.Canary.Status
	plain := func() string { return r.memory.revision(f, *template, nil) }
	f.Snapshot.Template = plain()
	switch {
	case was.TrackedConfigs != nil && !r.Tracking:
		// Tracking was turned off: what was tracked last is left as it was, and starts no rollout.
		f.Snapshot.Revision = r.memory.revision(f, *template, *was.TrackedConfigs)
	case !r.Tracking:
		f.Snapshot.Revision = plain()
	case was.TrackedConfigs == nil && was.LastAppliedSpec != "" && (plain() == was.LastAppliedSpec || plain() == was.LastPromotedSpec):
		// The revision is from before tracking was turned on, which starts no rollout either.
		// Its primary goes on with the configs themselves: copies would be a change of its pods.
		f.Configs = workload.Configs{}
		f.Snapshot.Revision = plain()
	default:
		f.Snapshot.Revision = r.identifyHidden(f, r.memory.revision(f, *template, f.Configs.Sums))
		f.Snapshot.Configs = f.Configs.Sums
	}
	// The kind's own knows no configs.
	f.Snapshot.Target.Revision = f.Snapshot.Revision
}

// identifyHidden is the revision where Secrets were not to be read, now or when the revision was recorded. A recorded revision
// stays what it is whether the right was lost or given: what changes with the next one is whether the Secret is tracked.
func (r configReader) identifyHidden(f *desired.Facts, revision string) string {
	was := f.Canary.Status
	recorded := func(revision string) bool { return revision == was.LastAppliedSpec || revision == was.LastPromotedSpec }
	if recorded(revision) || was.TrackedConfigs == nil || rollout.Foreign(was) {
		return revision
	}
	left := workload.Configs{Sums: maps.Clone(f.Configs.Sums), Copies: maps.Clone(f.Configs.Copies)}
	for _, ref := range workload.ConfigsOf(workload.SummaryOf(f.Target).Template) {
		if sum, known := (*was.TrackedConfigs)[ref.Key()]; r.hidden(ref) || known && sum == "" {
			left.Sums[ref.Key()] = ""
			delete(left.Copies, ref.Key())
		}
	}
	if maps.Equal(left.Sums, f.Configs.Sums) {
		return revision
	}
	other := r.memory.revision(f, *workload.SummaryOf(f.Target).Template, left.Sums)
	if !r.SecretsHidden && !recorded(other) {
		return revision
	}
	f.Configs = left
	return other
}

// readCopies reads what the primary's copies of configs are to be made from, those that are not as they were hashed.
func (r configReader) readCopies(ctx context.Context, f *desired.Facts) error {
	// Nothing is promoted, and no copy that somebody deleted could be made again as it was.
	if f.Previous != nil || !f.Promotes() && (f.Primary == nil || f.Snapshot.Revision != f.Canary.Status.LastPromotedSpec) {
		return nil
	}
	for _, ref := range workload.ConfigsOf(workload.SummaryOf(f.Target).Template) {
		// Also of one that does not exist: its pods wait for it, or do without.
		sum := f.Configs.Sums[ref.Key()]
		if sum == "" {
			continue
		}
		if r.hidden(ref) {
			// The copy that is there is of the last content that was read; no other can be made.
			if !f.Promotes() {
				continue
			}
			f.Snapshot.Refuse(rollout.Refusal{Object: ref.Kind + " " + ref.Name, Verb: "get", Text: "the operator has no right to Secrets any more"})
			f.Copies = nil
			return nil
		}
		ready, err := r.readCopy(ctx, f, ref, desired.ConfigCopy{Name: f.Configs.Copies[ref.Key()], Sum: sum})
		if err != nil || !ready {
			f.Copies = nil
			return err
		}
	}
	f.CopiesReady = true
	return nil
}

// readCopy reads what one copy is made from. It is not ready where a config has changed since it was hashed, so that this
// revision is not the one to promote any more, or where an old copy is in the way.
func (r configReader) readCopy(ctx context.Context, f *desired.Facts, ref workload.Config, made desired.ConfigCopy) (ready bool, err error) {
	head, err := metadata(ctx, r.Applier.Reader, ref.Kind, f.Canary.Namespace, made.Name)
	if err != nil {
		return false, err
	}
	// At rest only a copy that is missing is made; one that was edited is put right with the next promotion.
	if head != nil && (head.Annotations[workload.ChecksumAnnotation] == made.Sum || !f.Promotes()) {
		return true, nil
	}
	if head != nil {
		frozen, err := r.immutable(ctx, f, workload.Config{Kind: ref.Kind, Name: made.Name}, made.Sum)
		if err != nil || frozen {
			return false, err
		}
	}
	made.Source, err = r.content(ctx, f.Canary.Namespace, ref)
	if unreadable(f, ref, err) {
		return false, nil
	}
	if err != nil || made.Source == nil {
		return false, err
	}
	// The copy has to be of what was judged, not of what is there by now.
	if now, err := workload.Checksum(made.Source); err != nil || now != made.Sum {
		return false, err
	}
	f.Copies = append(f.Copies, made)
	return true, nil
}

// immutable says that a copy has to go before it can be made anew, since it cannot be changed.
func (r configReader) immutable(ctx context.Context, f *desired.Facts, ref workload.Config, sum string) (bool, error) {
	o, err := r.content(ctx, f.Canary.Namespace, ref)
	if unreadable(f, ref, err) {
		return true, nil
	}
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
	// It is deleted, and a later pass, which finds none, makes it anew.
	f.Obsolete = append(f.Obsolete, head)
	return true, nil
}
