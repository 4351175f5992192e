package observe

import (
	"cmp"
	"context"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// mostObjects bounds the record of what was made: a Canary calls for ten objects at most, and what it no longer calls for is
// deleted.
const mostObjects = 32

// Objects finds out what was made for the Canary, for its status, and what of the record is to be deleted, since the spec no
// longer calls for it. Rendered is all that it calls for.
//
// Nothing is deleted while a rollout is under way or about to begin, or where a part of what is called for could not be
// rendered; and no routes of another provider than the present one, if nobody has named that: an API that was not served when
// the operator started would take the routes of all Canaries away.
func (r *Reader) Objects(ctx context.Context, f *desired.Facts, cache *kube.Snapshot, rendered []runtime.ApplyConfiguration) error {
	s := &f.Snapshot
	if _, single := f.SelfVersioned(); single {
		return nil
	}
	made, users, err := cache.Made(ctx, f.Canary, rendered...)
	if err != nil {
		return err
	}
	for name, live := range users {
		if f.Adopted == nil {
			f.Adopted = map[v1beta1.MadeObject]workload.Object{}
		}
		f.Adopted[name] = live
	}
	noteAdopted(f)
	recorded := s.Status.Objects
	if len(recorded) == 0 && s.Status.Phase.Settled() && !slices.Contains(s.SchemaMissing, "objects") {
		// Of a version that kept no record. It is looked for once: what is found is stored.
		if recorded, err = r.Applier.MadeBefore(ctx, f.Canary, watchedKinds(r)...); err != nil {
			return err
		}
	}
	left, err := uncalled(recorded, made, rendered)
	if err != nil {
		return err
	}
	for _, o := range left {
		made = append(made, o)
		if prunable(r, f, o) && slices.Contains(s.Status.Objects, o) {
			f.Prune = append(f.Prune, o)
		}
	}
	// Routes before the Services that they lead to.
	if slices.ContainsFunc(f.Prune, routeKind) {
		f.Prune = slices.DeleteFunc(f.Prune, func(o v1beta1.MadeObject) bool { return !routeKind(o) })
	}
	if was := f.Replaced; was != nil {
		was.Delete = was.Primary != nil && !was.Leads() && len(left) == 0 && s.Status.Phase != v1beta1.PhaseInitializing && !s.Deleting
	}
	slices.SortFunc(made, func(a, b v1beta1.MadeObject) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	s.Objects = made[:min(len(made), mostObjects)]
	return nil
}

// uncalled are the objects of a record that nothing rendered is.
func uncalled(recorded, made []v1beta1.MadeObject, rendered []runtime.ApplyConfiguration) ([]v1beta1.MadeObject, error) {
	left := slices.DeleteFunc(slices.Clone(recorded), func(o v1beta1.MadeObject) bool { return slices.Contains(made, o) })
	if len(left) == 0 { // as nearly always, in every look
		return nil, nil
	}
	wanted, err := kube.Refs(rendered...)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(left, func(o v1beta1.MadeObject) bool { return slices.ContainsFunc(wanted, o.Same) }), nil
}

func prunable(r *Reader, f *desired.Facts, o v1beta1.MadeObject) bool {
	s := f.Snapshot
	if s.Retargeted != nil || f.Replaced != nil && f.Replaced.Leads() {
		return false
	}
	if s.Deleting || !s.Status.Phase.Settled() || s.Status.CanaryWeight > 0 || s.Revision != s.Status.LastAppliedSpec {
		return false
	}
	// Without one of these, not all is rendered.
	if f.Target == nil || f.Primary == nil || f.Intent.Traffic == nil {
		return false
	}
	return !routeKind(o) || r.Routers.Named(f.Canary) || slices.ContainsFunc(f.Router.Writes(), func(k schema.GroupVersionKind) bool {
		return k.Group == o.Group && k.Kind == o.Kind
	})
}

// routeKind says that an object is a provider's.
func routeKind(o v1beta1.MadeObject) bool {
	return o.Group != corev1.GroupName && o.Group != autoscalingv2.GroupName && o.Group != workload.ScaledObjectKind().Group
}

// watchedKinds are the kinds of what may have been made for a Canary, as far as they are watched.
func watchedKinds(r *Reader) []schema.GroupVersionKind {
	return append(r.Routers.WatchedKinds(), corev1.SchemeGroupVersion.WithKind("Service"), autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler"))
}

// noteAdopted tells which objects of the user's are taken over.
func noteAdopted(f *desired.Facts) {
	var names []string
	for o := range f.Adopted {
		names = append(names, o.Kind+" "+o.Name)
	}
	if len(names) == 0 {
		return
	}
	slices.Sort(names)
	text := "What was there before is taken over, and given back when the Canary goes: " + strings.Join(names, ", ")
	f.Snapshot.Plan.Remarks = append(slices.Clip(f.Snapshot.Plan.Remarks), rollout.Remark{Reason: rollout.ReasonTakenOver, Text: text})
}
