package observe

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

func (r *Reader) readPrimary(ctx context.Context, f *desired.Facts, _ pass) error {
	if _, ok := f.SelfVersioned(); ok {
		return nil // it is in the target
	}
	err := r.readPrimaryFrom(ctx, f, r.Client)
	if !abandoned(f) {
		return err
	}
	if f.Primary != nil && metav1.IsControlledBy(f.Primary, f.Canary) {
		f.Obsolete = append(f.Obsolete, f.Primary)
		return err
	}
	f.Primary, f.Snapshot.Primary = nil, rollout.Workload{} // it is somebody else's
	return IgnoreUserError(err)
}

// checkSides refuses a target whose pods nothing tells from those of its primary.
func (r *Reader) checkSides(_ context.Context, f *desired.Facts, _ pass) error {
	// Such a target is both sides at once; and without one there is nothing to refuse.
	if _, ok := f.SelfVersioned(); ok || f.Target == nil {
		return nil
	}
	_, err := r.Kinds.Sides(f.Workloads())
	return err
}

// taken refuses a primary that somebody else has. One that we have made, and users are with, is still what they go back to.
func taken(f *desired.Facts, o client.Object, by *metav1.OwnerReference) error {
	made, s := o.GetAnnotations()[workload.RevisionAnnotation], f.Canary.Status
	if made == "" || made != s.LastPromotedSpec && made != s.Promoting {
		return &rollout.InvalidError{
			Field:   "spec.targetRef.name",
			Problem: fmt.Sprintf("%s %q, which the primary would be, belongs to %s %q", f.LowerKind(), o.GetName(), by.Kind, by.Name),
		}
	}
	f.Snapshot.Refuse(rollout.Refusal{
		Object: f.Snapshot.Names.Kind + " " + o.GetName(), Verb: "patch", Text: fmt.Sprintf("it is controlled by %s %q", by.Kind, by.Name),
	})
	return nil
}

func (r *Reader) readPrimaryFrom(ctx context.Context, f *desired.Facts, from client.Reader) error {
	o, err := fetch(ctx, f, from, f.Canary.PrimaryWorkload())
	f.Primary, f.Snapshot.Primary = nil, rollout.Workload{} // what an earlier look found does not count
	if err != nil || o == nil {
		return err
	}
	// Left alone, whatever it is: another Canary's primary, or one that belongs to an app which has that name.
	if by := metav1.GetControllerOf(o); by != nil && by.UID != f.Canary.UID {
		if err := taken(f, o, by); err != nil {
			return err
		}
	}
	f.Primary = o
	f.Snapshot.Primary, err = r.workload(ctx, f, o, primarySide)
	f.Snapshot.Primary.Images = workload.Images(o)
	if err == nil && rollout.MustConfirmPrimary(f.Canary.Status) {
		err = r.confirmPods(ctx, f, o, &f.Snapshot.Primary, primarySide)
	}
	// Even where its pods could not be read: its size is what a primary that is deleted comes back with.
	r.memory.picture(f)
	return err
}
