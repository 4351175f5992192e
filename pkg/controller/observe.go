package controller

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// slow is how long a workload may take to start before its pods are looked at: most are up by then,
// and reading pods costs a request.
const slow = 5 * time.Second

// observe reads the facts of one pass. The target is read by targets, everything else from the cache.
// What the user got wrong is a fact too: it is kept in the view, and is no error.
func (r *Reconciler) observe(ctx context.Context, c *v1beta1.Canary, targets client.Reader) (*view, error) {
	v := &view{canary: c}
	v.snapshot = rollout.Snapshot{
		Now:        r.Now(),
		Names:      names(c),
		Generation: c.Generation,
		Status:     c.Status,
		Paused:     c.Spec.Suspend,
		Deleting:   !c.DeletionTimestamp.IsZero(),
	}
	// Each builds on those before it:
	//
	//	rivals     first: the younger of two is to hear of the elder, not of the primary that stands in its way
	//	target     its revision, configs included, and how far it is; refused where the provider cannot take it
	//	primary    from the cache: it is ours to write, and the cache must know our writes
	//	plan       needs the sizes of both sides for its remarks; from here on there is an intent
	//	history    only where the plan has a rollback hook
	//	ratio      refuses pods that no Service could find, where the plan divides requests by numbers of pods
	//	copied     compares both sides, and so is after them
	//	alerts     adds to the plan's remarks
	//	objects    renders the intent; the history may be what the primary is rendered from
	//	routes     last, since they count as taken only with the apex Service among the objects
	for _, read := range []func(context.Context, *view, client.Reader) error{
		r.readRivals, r.readTarget, r.readPrimary, r.readPlan, r.readHistory, r.readRatio, r.readPrimaryMatchesTarget, r.readAlerts, r.readObjects, r.readRoutes,
	} {
		if err := read(ctx, v, targets); err != nil {
			if !userError(err) {
				return nil, fmt.Errorf("observe canary %s/%s: %w", c.Namespace, c.Name, err)
			}
			// What comes after would build on what is missing. What was rendered so far is not applied: see converge.
			v.refused = err
			break
		}
	}
	// Asked of a refused Canary as well: it may have left routes behind when it was still followed.
	return v, r.readClusterScopedRoutes(ctx, v)
}

func names(c *v1beta1.Canary) rollout.Names {
	return rollout.Names{
		UID:       c.UID,
		Namespace: c.Namespace,
		Canary:    c.Name,
		Kind:      c.Spec.TargetRef.Kind,
		Target:    c.Spec.TargetRef.Name,
		Primary:   c.PrimaryWorkload(),
	}
}

func (r *Reconciler) readTarget(ctx context.Context, v *view, targets client.Reader) (err error) {
	if v.kind, err = r.Kinds.Of(v.canary.Spec.TargetRef); err != nil {
		return err
	}
	// Before the target is read: of a kind that the cluster does not serve, a read would wait for ever.
	if err := r.fit(ctx, v); err != nil {
		return err
	}
	o, err := v.fetch(ctx, targets, v.canary.Spec.TargetRef.Name)
	if err != nil || o == nil {
		return err
	}
	if err := v.foreign(o); err != nil {
		return err
	}
	// Before it counts as the target: one that cannot be rolled out is not scaled either.
	if err := v.kind.Check(o); err != nil {
		return err
	}
	v.target = o
	if s, ok := v.selfVersioned(); ok {
		v.readSides(s)
		return nil
	}
	if err := r.readConfigs(ctx, v, targets); err != nil {
		return err
	}
	v.snapshot.Target, err = r.workload(ctx, v, o, threshold(v.canary, canarySide))
	r.identify(v)
	// Only of a pass in earnest, which the cached one leads to: pods are not cached, and asking costs a request.
	if _, live := targets.(*once); err == nil && live && v.opening() {
		err = r.confirm(ctx, v)
	}
	return err
}

// opening says that the canary would receive its first request now.
func (v *view) opening() bool {
	s := v.canary.Status
	return s.Phase == v1beta1.PhaseProgressing && s.Step == 0 && v.snapshot.Target.Health == rollout.Available
}

// confirm has the canary's own pods say that they serve, once in a rollout: it was scaled up a moment ago, and the
// status of a Deployment can still be about the pods before.
func (r *Reconciler) confirm(ctx context.Context, v *view) error {
	pods, err := r.pods(ctx, v.target)
	if err != nil {
		return err
	}
	wanted := workload.SketchOf(v.target).Pods
	v.snapshot.Target = workload.Confirm(v.snapshot.Target, pods, wanted, threshold(v.canary, canarySide))
	return nil
}

func (r *Reconciler) readPrimary(ctx context.Context, v *view, _ client.Reader) error {
	if _, ok := v.selfVersioned(); ok {
		return nil // it is in the target
	}
	return r.readPrimaryFrom(ctx, v, r.Client)
}

func (r *Reconciler) readPrimaryFrom(ctx context.Context, v *view, from client.Reader) error {
	o, err := v.fetch(ctx, from, v.canary.PrimaryWorkload())
	v.primary, v.snapshot.Primary = nil, rollout.Workload{} // what an earlier look found does not count
	if err != nil || o == nil {
		return err
	}
	// Left alone, whatever it is: another Canary's primary, or one that belongs to an app which has that name.
	if by := metav1.GetControllerOf(o); by != nil && by.UID != v.canary.UID {
		return &rollout.InvalidError{
			Field:   "spec.targetRef.name",
			Problem: fmt.Sprintf("%s %q, which the primary would be, belongs to %s %q", v.lowerKind(), o.GetName(), by.Kind, by.Name),
		}
	}
	v.primary = o
	v.snapshot.Primary, err = r.workload(ctx, v, o, threshold(v.canary, primarySide))
	// Even where its pods could not be read: its size is what a primary that is deleted comes back with.
	r.memory.picture(v)
	return err
}

// foreign refuses a target that another Canary has made: both would write to it, and one would stop what the other's
// users are with.
func (v *view) foreign(target client.Object) error {
	by := metav1.GetControllerOf(target)
	if by == nil || by.APIVersion != v1beta1.GroupVersion.String() || by.Kind != "Canary" {
		return nil
	}
	return &rollout.InvalidError{
		Field:   "spec.targetRef.name",
		Problem: fmt.Sprintf("%s %q is the primary of the Canary %q; name a workload of your own", v.lowerKind(), target.GetName(), by.Name),
	}
}

func (v *view) lowerKind() string { return strings.ToLower(v.canary.Spec.TargetRef.Kind) }

// fetch reads one workload of the target's kind; nil when there is none, or when it is being deleted.
func (v *view) fetch(ctx context.Context, from client.Reader, name string) (client.Object, error) {
	o := v.kind.New()
	err := from.Get(ctx, client.ObjectKey{Namespace: v.canary.Namespace, Name: name}, o)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read %s %q: %w", v.lowerKind(), name, err)
	}
	// What is being deleted can be neither kept nor changed: it counts as gone.
	if err != nil || o.GetDeletionTimestamp() != nil {
		return nil, nil
	}
	return o, nil
}

// workload observes one side. The pods of one that takes long, or got stuck, are looked at for what keeps them;
// until then it is simply starting.
func (r *Reconciler) workload(ctx context.Context, v *view, o client.Object, ready int) (rollout.Workload, error) {
	w := v.kind.Observe(o, nil, ready, v.snapshot.Now)
	if w.Health != rollout.Starting && w.Health != rollout.Stuck || v.settled() {
		return w, nil
	}
	if w.Health == rollout.Starting && !v.slow() {
		// In these seconds it goes from one wait to the next, and each would be a status to store.
		w.Reason = ""
		return w, nil
	}
	// A workload's own status says that it is late; which image or quota is behind that only its pods tell.
	pods, err := r.pods(ctx, o)
	if err != nil {
		return w, err
	}
	return v.kind.Observe(o, pods, ready, v.snapshot.Now), nil
}

// settled says that no rollout waits for a workload: what its pods do is its owner's concern, and not worth a request.
func (v *view) settled() bool {
	switch v.canary.Status.Phase {
	case v1beta1.PhaseInitialized, v1beta1.PhaseSucceeded, v1beta1.PhaseFailed, v1beta1.PhaseFinalising:
		return true
	default:
		return false
	}
}

// slow says that what the rollout waits for has taken long enough to be looked into.
func (v *view) slow() bool {
	since := v.canary.Status.Since
	return since != nil && v.snapshot.Now.Sub(since.Time) >= slow
}

func (r *Reconciler) pods(ctx context.Context, o client.Object) ([]corev1.Pod, error) {
	// Live, because pods are not watched: all of a cluster's would be the larger part of what is kept in memory.
	pods := &corev1.PodList{}
	if err := r.labelled(ctx, o, pods); err != nil {
		return nil, fmt.Errorf("list pods of %q: %w", o.GetName(), err)
	}
	return pods.Items, nil
}

// labelled lists, live, what bears the labels of a workload's pods.
func (r *Reconciler) labelled(ctx context.Context, o client.Object, list client.ObjectList) error {
	selector, err := metav1.LabelSelectorAsSelector(workload.SketchOf(o).Selector)
	if err != nil {
		return err
	}
	return r.Live.List(ctx, list, client.InNamespace(o.GetNamespace()), client.MatchingLabelsSelector{Selector: selector})
}

// side tells the two thresholds apart.
type side bool

const (
	canarySide  side = false
	primarySide side = true
)

// threshold is the percentage of pods that a side needs; what is left out means all of them.
func threshold(c *v1beta1.Canary, s side) int {
	a := c.Spec.Analysis
	switch {
	case a == nil:
		return everyPod
	case s == primarySide && a.PrimaryReadyThreshold != nil:
		return *a.PrimaryReadyThreshold
	case s == canarySide && a.CanaryReadyThreshold != nil:
		return *a.CanaryReadyThreshold
	}
	return everyPod
}

const everyPod = 100 // percent

// readAlerts remarks on alerts that could never be sent.
func (r *Reconciler) readAlerts(ctx context.Context, v *view, _ client.Reader) error {
	v.snapshot.Plan.Remarks = append(v.snapshot.Plan.Remarks, r.Announcer.AlertRemarks(ctx, v.canary)...)
	return nil
}
