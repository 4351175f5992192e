package observe

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

func (r *Reader) readPrimary(ctx context.Context, f *desired.Facts, _ pass) error {
	if _, ok := f.SelfVersioned(); ok {
		return nil // it is in the target
	}
	return r.readPrimaryFrom(ctx, f, r.Client)
}

func (r *Reader) readPrimaryFrom(ctx context.Context, f *desired.Facts, from client.Reader) error {
	o, err := fetch(ctx, f, from, f.Canary.PrimaryWorkload())
	f.Primary, f.Snapshot.Primary = nil, rollout.Workload{} // what an earlier look found does not count
	if err != nil || o == nil {
		return err
	}
	// Left alone, whatever it is: another Canary's primary, or one that belongs to an app which has that name.
	if by := metav1.GetControllerOf(o); by != nil && by.UID != f.Canary.UID {
		return &rollout.InvalidError{
			Field:   "spec.targetRef.name",
			Problem: fmt.Sprintf("%s %q, which the primary would be, belongs to %s %q", f.LowerKind(), o.GetName(), by.Kind, by.Name),
		}
	}
	f.Primary = o
	f.Snapshot.Primary, err = r.workload(ctx, f, o, threshold(f.Canary, primarySide))
	// Even where its pods could not be read: its size is what a primary that is deleted comes back with.
	r.memory.picture(f)
	return err
}
