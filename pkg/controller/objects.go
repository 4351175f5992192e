package controller

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// readRivals refuses the younger of two Canaries that would scale, or route to, the same objects.
//
// Two that scale one target, or turn one Service, would each undo what the other does, with users between them.
func (r *Reconciler) readRivals(ctx context.Context, v *view, _ client.Reader) error {
	for _, name := range slices.Compact([]string{v.canary.Spec.TargetRef.Name, v.canary.ApexName()}) {
		others, err := anyOf(ctx, r.Client, client.InNamespace(v.canary.Namespace), name)
		if err != nil {
			return err
		}
		for i := range others {
			if err := rivals(&others[i], v.canary); err != nil {
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

// readObjects renders what the intent calls for, in the order in which it has to be made.
func (r *Reconciler) readObjects(ctx context.Context, v *view, _ client.Reader) error {
	// Such a target scales and routes itself: there is nothing to make beside it.
	if s, ok := v.selfVersioned(); ok {
		return v.addPromotion(s)
	}
	// First, also without a target: as long as there is a primary, users have to find it.
	if err := r.addServices(ctx, v); err != nil {
		return err
	}
	if v.target == nil {
		return r.restore(v)
	}
	var err error
	if v.scaler, err = r.readScaler(ctx, v); err != nil {
		return err
	}
	// The scaler before the size, which it would undo: what is in a list is applied in its order.
	v.rouse()
	v.still()
	v.run()
	v.proportion()
	if err := r.addPrimary(ctx, v); err != nil {
		return err
	}
	if err := r.addBudgets(ctx, v); err != nil {
		return err
	}
	// After the workload that it scales: its controller complains of a target that is not there.
	return r.addScaler(v)
}

func (r *Reconciler) addServices(ctx context.Context, v *view) error {
	like := v.template()
	// Neither side is there: nothing tells which label or ports the Services should have.
	if like == nil {
		return nil
	}
	adopted, err := r.apex(ctx, v.canary)
	if err != nil {
		return err
	}
	if !workload.Foreign(adopted, v.canary) {
		adopted = nil
	}
	services, err := r.Kinds.Services(v.canary, like, v.intent.Apex, adopted)
	if err != nil {
		return err
	}
	v.add = append(v.add, services...)
	// Of the three only the apex moves users. It comes after the two that routes lead to.
	v.routes = append(v.routes, services[len(services)-1])
	return nil
}

// apex reads the apex Service; nil when there is none.
func (r *Reconciler) apex(ctx context.Context, c *v1beta1.Canary) (*corev1.Service, error) {
	s := &corev1.Service{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: c.ApexName()}, s)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read service %q: %w", c.ApexName(), err)
	}
	if err != nil {
		return nil, nil
	}
	return s, nil
}

// template is a workload with the target's labels and ports: the target itself, or, when somebody deleted
// that in the middle of a rollout, what its primary still tells of it. Traffic must be moved all the same.
func (v *view) template() client.Object {
	if v.target != nil || v.primary == nil {
		return v.target
	}
	like, ok := v.primary.DeepCopyObject().(client.Object)
	if !ok {
		return nil
	}
	like.SetName(v.canary.Spec.TargetRef.Name)
	// The map is that of the copy. With the target's value the rules tell the two sides apart as ever.
	labels := workload.SketchOf(like).Selector.MatchLabels
	for k, val := range labels {
		labels[k] = strings.TrimSuffix(val, v1beta1.PrimarySuffix)
	}
	return like
}

// run scales the target. It only ever grows while its canary runs: an autoscaler may want more than we do.
func (v *view) run() {
	have, want := replicas(v.target), v.intent.Floor
	switch {
	case !v.intent.Canary:
		v.stop(have)
	case have >= want:
		// Larger than needed: left to the autoscaler, or the person, who wants that.
	case have == 0 && v.primary == nil:
		// A target that was at zero before there was a primary is meant to be.
	case have == 0 && !v.intent.Exact:
		// Where weights divide requests it starts as large as the primary; where sizes do, its size is its share.
		v.add = append(v.add, v.sized(max(want, replicas(v.primary))))
	default:
		v.add = append(v.add, v.sized(want))
	}
}

// sized is the target at a size, and nothing else of it.
func (v *view) sized(size int32) runtime.ApplyConfiguration {
	return touched(v.kind.Scale(v.target, size, nil))
}

// touched is a change of some fields of an object of the user's.
func touched(fields runtime.ApplyConfiguration) runtime.ApplyConfiguration {
	if _, ok := fields.(workload.Patch); ok {
		return kube.PartialMerge(fields)
	}
	return kube.Partial(fields)
}

// addPrimary renders the primary from the target as it was just read, and only if that is the revision
// the primary is to run. Its configs come first: pods do not start without them. At rest only a copy that somebody
// deleted is made again, from a config that is still what was promoted.
func (r *Reconciler) addPrimary(ctx context.Context, v *view) error {
	if v.former != nil {
		return r.restore(v)
	}
	if !v.promotes() && (v.primary == nil || v.snapshot.Revision != v.canary.Status.LastPromotedSpec) {
		return nil
	}
	// Not complete: a config has changed since it was hashed. Its event brings a revision of its own, and this one is
	// not promoted with a content that nobody has judged.
	copies, complete, err := r.copies(ctx, v)
	if err != nil || !complete {
		return err
	}
	v.add = append(v.add, copies...)
	if !v.promotes() {
		return nil
	}
	// What this process saw last may be newer than what the target was stopped with: an autoscaler acts in between.
	size := v.primarySize(cmp.Or(r.memory.size(v.canary), restoreInfo(v.target).Size))
	model := workload.Model{Revision: v.intent.Primary, Replicas: &size, Configs: v.configs}
	// Before rendering: without the marks of another controller the same template would replace all pods.
	if model.PodAnnotations, err = v.adoptedPodAnnotations(); err != nil {
		return err
	}
	primary, err := v.kind.Primary(v.target, v.canary, model)
	if err != nil {
		return err
	}
	v.add = append(v.add, primary)
	return nil
}

// primarySize is the number of pods the primary is given. An autoscaler's choice is kept, and nothing
// makes it smaller than it was when the rollout began. One that was deleted comes back at the size that it had before,
// and stays there until it is up.
func (v *view) primarySize(before int32) int32 {
	s := v.canary.Status
	again := s.Phase == v1beta1.PhaseInitializing && s.LastPromotedSpec != ""
	switch {
	case v.primary == nil:
		// The largest that anybody remembers: too many pods for a while are better than too few for all users.
		return max(replicas(v.target), s.PrimaryReplicas, before, 1)
	case v.canary.Spec.AutoscalerRef != nil || again:
		// Its autoscaler has chosen; and one that is made again is not resized while it starts.
		return max(replicas(v.primary), 1)
	}
	return max(replicas(v.target), s.PrimaryReplicas, 1)
}

// replicas is how many pods a workload is asked to have. A DaemonSet, whose pods are up to the nodes, has one or none.
func replicas(o client.Object) int32 { return workload.SketchOf(o).Size }

// held says that a Canary cannot go before we let it.
func held(c *v1beta1.Canary) bool {
	for _, f := range c.Finalizers {
		if f == v1beta1.Finalizer {
			return true
		}
	}
	return false
}

// owned says that an object goes with the Canary.
func owned(obj metav1.Object, c *v1beta1.Canary) bool { return metav1.IsControlledBy(obj, c) }
