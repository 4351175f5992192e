package handback

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// Prune deletes what the spec no longer calls for. What is found to be gone is taken out of the record.
func (h *Handback) Prune(ctx context.Context, f *desired.Facts) (done kube.Outcome, err error) {
	for _, o := range f.Prune {
		if err := h.resumeFormerScaler(ctx, f, o); err != nil {
			return done, err
		}
		deleted, err := h.pruneOrGiveBack(ctx, f, o)
		done.Changed = done.Changed || deleted
		gone := err == nil && !deleted
		if err := done.Refuse(err); err != nil {
			return done, err
		}
		if gone {
			f.Snapshot.Forget(o)
		}
	}
	// Last: what leads to it has gone by now.
	if was := f.Replaced; len(f.Prune) == 0 && was != nil && was.Delete {
		done.Changed, err = h.Applier.Delete(ctx, f.Canary, was.Primary)
		err = done.Refuse(err)
	}
	return done, err
}

// PruneDue says what Prune would come to, from what was refused a moment ago.
func (h *Handback) PruneDue(ctx context.Context, f *desired.Facts) (due kube.Outcome, err error) {
	for _, o := range f.Prune {
		err := h.Applier.PruneRefused(f.Canary, o)
		due.Changed = due.Changed || err == nil
		if err := due.Refuse(err); err != nil {
			return due, err
		}
	}
	if was := f.Replaced; len(f.Prune) == 0 && was != nil && was.Delete {
		due.Changed, err = h.Applier.DeletePending(ctx, f.Canary, was.Primary)
		err = due.Refuse(err)
	}
	return due, err
}

func (h *Handback) pruneOrGiveBack(ctx context.Context, f *desired.Facts, o v1beta1.MadeObject) (changed bool, err error) {
	if o.Adopted {
		return h.giveBack(ctx, f, o)
	}
	return h.Applier.Prune(ctx, f.Canary, o)
}

// giveBack leaves an object of the user's as it was before it was taken over.
func (h *Handback) giveBack(ctx context.Context, f *desired.Facts, o v1beta1.MadeObject) (changed bool, err error) {
	c := f.Canary
	if f.Replaced != nil { // by whose names it was taken over
		c = f.Replaced.Canary
	}
	return h.Applier.GiveBack(ctx, f.Canary, o, func(live *unstructured.Unstructured) (runtime.ApplyConfiguration, error) {
		return desired.Original(c, live)
	})
}

// giveBackAdopted does so with all that was taken over, when the Canary goes. What the server does not take keeps neither the
// Canary nor the others.
func (h *Handback) giveBackAdopted(ctx context.Context, f *desired.Facts) error {
	for _, o := range f.Canary.Status.Objects {
		if !o.Adopted {
			continue
		}
		if _, err := h.giveBack(ctx, f, o); err != nil && !kube.Rejected(err) {
			return fmt.Errorf("give %s %q back: %w", o.Kind, o.Name, err)
		}
	}
	return nil
}

// resumeFormerScaler ends the pause of a ScaledObject that the target was scaled by, when its copy goes: nothing names it
// any more, so that nobody else would.
func (h *Handback) resumeFormerScaler(ctx context.Context, f *desired.Facts, o v1beta1.MadeObject) error {
	kind := workload.ScaledObjectKind()
	// That of the target before is let go with it: see ReleaseFormer.
	if o.Kind != kind.Kind || o.Group != kind.Group || f.Replaced != nil {
		return nil
	}
	former := *f
	former.Canary = f.Canary.DeepCopy()
	former.Canary.Spec.AutoscalerRef = &v1beta1.AutoscalerRef{
		APIVersion: kind.GroupVersion().String(), Kind: kind.Kind, Name: strings.TrimSuffix(o.Name, v1beta1.PrimarySuffix),
	}
	return h.resumeScaler(ctx, &former)
}
