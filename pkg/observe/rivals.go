package observe

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// readRivals refuses the younger of two Canaries that would scale, or route to, the same objects.
//
// Two that scale one target, or turn one Service, would each undo what the other does, with users between them.
func (r *Reader) readRivals(ctx context.Context, f *desired.Facts, _ pass) error {
	for _, name := range slices.Compact([]string{f.Canary.Spec.TargetRef.Name, f.Canary.ApexName()}) {
		others, err := CanariesNaming(ctx, r.Client, client.InNamespace(f.Canary.Namespace), name)
		if err != nil {
			return err
		}
		for i := range others {
			if err := rivals(&others[i], f.Canary); err != nil {
				return err
			}
		}
	}
	return nil
}

// rivals says what of a Canary's another one has already, if it is older.
func rivals(other, c *v1beta1.Canary) error {
	// Only the younger gives way. Whichever is told first, both come to the same answer, and one of the two goes on.
	if other.UID == c.UID || !other.OlderThan(c) {
		return nil
	}
	if other.Spec.TargetRef.Kind == c.Spec.TargetRef.Kind && other.Spec.TargetRef.Name == c.Spec.TargetRef.Name {
		return &rollout.InvalidError{
			Field:   "spec.targetRef.name",
			Problem: fmt.Sprintf("%s %q already has the Canary %q, which is older", other.Spec.TargetRef.Kind, other.Spec.TargetRef.Name, other.Name),
		}
	}
	if other.ApexName() == c.ApexName() {
		return &rollout.InvalidError{
			Field:   "spec.service.name",
			Problem: fmt.Sprintf("Service %q already belongs to the Canary %q, which is older", other.ApexName(), other.Name),
		}
	}
	return nil
}
