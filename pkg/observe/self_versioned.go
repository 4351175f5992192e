package observe

import (
	"fmt"

	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// A target that keeps its revisions itself is both sides of its rollout. Nothing is made beside it: what is promoted is
// noted on it, and its routes are its own. See workload.SelfVersioned.

// checkProvider refuses a provider that has no words for the target, before anything of either is looked at.
func (r *Reader) checkProvider(f *desired.Facts, p pass) error {
	_, single := f.SelfVersioned()
	switch s, selective := p.router.(router.Selective); {
	case p.providerErr != nil && single:
		// Its kind is the provider's own: without that, there is nothing to read it by.
		return p.providerErr
	case p.providerErr != nil:
		return nil // it is told with the rest of the plan
	case selective:
		// A provider that only knows its own kind cannot divide requests between two Deployments.
		return s.Takes(f.Canary.Spec.TargetRef)
	case single:
		ref := f.Canary.Spec.TargetRef
		return &rollout.InvalidError{
			Field:   "spec.provider",
			Problem: fmt.Sprintf("%s cannot divide requests between the revisions of a %s of %s, this can: knative", r.Routers.Name(f.Canary), ref.Kind, ref.APIVersion),
		}
	}
	return nil
}

// readSides reads both sides off the target.
func readSides(f *desired.Facts, s workload.SelfVersioned) {
	f.Snapshot.Revision = s.Revision(f.Target)
	// Without pods: the target speaks for them.
	f.Snapshot.Target = s.Observe(f.Target, nil, everyPod, f.Snapshot.Now)
	f.Snapshot.Primary = s.Promoted(f.Target)
	// Both are in one object, so that equal names are equal revisions, whoever promoted them.
	f.Snapshot.PrimaryMatchesTarget = f.Snapshot.Primary.Revision == f.Snapshot.Revision
}
