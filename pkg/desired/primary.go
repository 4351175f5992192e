package desired

import (
	"cmp"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// addPrimary renders the primary from the target as it was just read, and only if that is the revision
// the primary is to run. Its configs come first: pods do not start without them. At rest only a copy that somebody
// deleted is made again, from a config that is still what was promoted.
func (r *Renderer) addPrimary(f *Facts, o *Objects) error {
	if f.Previous != nil {
		return addPreviousPrimary(f, o)
	}
	if !f.Promotes() && (f.Primary == nil || f.Snapshot.Revision != f.Canary.Status.LastPromotedSpec) {
		return nil
	}
	// Not ready: a config has changed since it was hashed. Its event brings a revision of its own, and this one is
	// not promoted with a content that nobody has judged.
	if !f.CopiesReady {
		return nil
	}
	copies := make([]runtime.ApplyConfiguration, 0, len(f.Copies)+1)
	for _, made := range f.Copies {
		one, err := r.Kinds.CopyConfig(made.Source, made.Name, made.Sum, f.Canary)
		if err != nil {
			return err
		}
		copies = append(copies, one)
	}
	if !f.Promotes() {
		o.apply(copies...)
		return nil
	}
	// What this process saw last may be newer than what the target was stopped with: an autoscaler acts in between.
	size := primarySize(f, cmp.Or(f.RememberedSize, RestoreInfo(f.Target).Size))
	model := workload.PrimaryOptions{Revision: f.Intent.Primary, Replicas: &size, Configs: f.Configs, Live: f.Primary}
	// Before rendering: without the annotations of another controller the same template would replace all pods.
	live, err := adoptedAnnotations(f)
	if err != nil {
		return err
	}
	model.PodAnnotations = live
	primary, err := f.Kind.Primary(f.Target, f.Canary, model)
	if err != nil {
		return err
	}
	o.apply(append(copies, primary)...)
	return nil
}

// primarySize is the number of pods the primary is given. An autoscaler's choice is kept, and nothing
// makes it smaller than it was when the rollout began. One that was deleted comes back at the size that it had before,
// and stays there until it is up.
func primarySize(f *Facts, before int32) int32 {
	s := f.Canary.Status
	again := s.Phase == v1beta1.PhaseInitializing && s.LastPromotedSpec != ""
	switch {
	case f.Primary == nil:
		// The largest that anybody remembers: too many pods for a while are better than too few for all users.
		return max(workload.SizeOf(f.Target), s.PrimaryReplicas, before, 1)
	case f.Canary.Spec.AutoscalerRef != nil || again:
		// Its autoscaler has chosen; and one that is made again is not resized while it starts.
		return max(workload.SizeOf(f.Primary), 1)
	}
	wanted := rollout.WantedSize(s)
	if s.Promoting == s.LastPromotedSpec {
		wanted = 0 // it returns to what it was
	}
	return max(workload.SizeOf(f.Target), s.PrimaryReplicas, wanted, 1)
}

// adoptedAnnotations are what is on the pods of a primary that another controller made, if it runs already what it is to run.
func adoptedAnnotations(f *Facts) (map[string]string, error) {
	// A primary of our own has no such annotations, which is seen without rendering it.
	if f.Primary == nil || !workload.PromotedByOther(f.Kind, f.Primary) {
		return nil, nil
	}
	copied, err := workload.PrimaryMatchesTarget(f.Kind, f.Target, f.Primary, f.Canary, f.Configs)
	// It is to get another template: its pods are replaced anyway, and there is nothing to spare them.
	if err != nil || !copied {
		return nil, err
	}
	return f.Kind.Summarize(f.Primary).Template.Annotations, nil
}

// addPreviousPrimary renders the primary from its history. The target, if there still is one, tells all but the pods.
func addPreviousPrimary(f *Facts, o *Objects) error {
	if f.Previous == nil {
		return nil
	}
	// It is there, with a size of its own, which is kept: nothing that is remembered counts.
	size := primarySize(f, 0)
	model := workload.PrimaryOptions{Revision: f.Intent.Primary, Replicas: &size, PreviousTemplate: f.Previous, Live: f.Primary}
	primary, err := f.Kind.Primary(targetOrLike(f), f.Canary, model)
	if err != nil {
		return err
	}
	o.apply(primary)
	return nil
}
