package controller

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
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
	for _, read := range []func(context.Context, *view, client.Reader) error{
		r.readRivals, r.readTarget, r.readPrimary, r.readPlan, r.readAlerts, r.readObjects, r.readRoutes,
	} {
		if err := read(ctx, v, targets); err != nil {
			if !userError(err) {
				return nil, fmt.Errorf("observe canary %s/%s: %w", c.Namespace, c.Name, err)
			}
			v.refused = err
			return v, nil
		}
	}
	return v, nil
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

func (r *Reconciler) readTarget(ctx context.Context, v *view, targets client.Reader) error {
	d, err := deployment(ctx, targets, v.canary.Namespace, v.canary.Spec.TargetRef.Name)
	if err != nil || d == nil {
		return err
	}
	if _, _, err := r.Kind.SelectorLabel(d); err != nil {
		return err
	}
	v.target = d
	v.snapshot.Target, err = r.workload(ctx, v, d, threshold(v.canary, canarySide))
	v.snapshot.Revision = v.snapshot.Target.Revision
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
	v.snapshot.Target = r.Kind.Confirm(v.snapshot.Target, pods, threshold(v.canary, canarySide))
	return nil
}

func (r *Reconciler) readPrimary(ctx context.Context, v *view, _ client.Reader) error {
	d, err := deployment(ctx, r.Client, v.canary.Namespace, v.canary.PrimaryWorkload())
	if err != nil || d == nil {
		return err
	}
	if o := metav1.GetControllerOf(d); o != nil && o.UID != v.canary.UID {
		return &rollout.InvalidError{
			Field:   "spec.targetRef.name",
			Problem: fmt.Sprintf("deployment %q, which the primary would be, belongs to %s %q", d.Name, o.Kind, o.Name),
		}
	}
	v.primary = d
	v.snapshot.Primary, err = r.workload(ctx, v, d, threshold(v.canary, primarySide))
	return err
}

// deployment reads one Deployment; nil when there is none, or when it is being deleted.
func deployment(ctx context.Context, from client.Reader, namespace, name string) (*appsv1.Deployment, error) {
	d := &appsv1.Deployment{}
	err := from.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, d)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read deployment %q: %w", name, err)
	}
	if err != nil || !d.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	return d, nil
}

// workload observes one side. The pods of one that takes long, or got stuck, are looked at for what keeps them;
// until then it is simply starting.
func (r *Reconciler) workload(ctx context.Context, v *view, d *appsv1.Deployment, ready int) (rollout.Workload, error) {
	w := r.Kind.Observe(d, nil, ready, v.snapshot.Now)
	if w.Health != rollout.Starting && w.Health != rollout.Stuck || v.settled() {
		return w, nil
	}
	if w.Health == rollout.Starting && !v.slow() {
		w.Reason = ""
		return w, nil
	}
	pods, err := r.pods(ctx, d)
	if err != nil {
		return w, err
	}
	return r.Kind.Observe(d, pods, ready, v.snapshot.Now), nil
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

func (r *Reconciler) pods(ctx context.Context, d *appsv1.Deployment) ([]corev1.Pod, error) {
	selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
	if err != nil {
		return nil, fmt.Errorf("select pods of deployment %q: %w", d.Name, err)
	}
	pods := &corev1.PodList{}
	if err := r.Live.List(ctx, pods, client.InNamespace(d.Namespace), client.MatchingLabelsSelector{Selector: selector}); err != nil {
		return nil, fmt.Errorf("list pods of deployment %q: %w", d.Name, err)
	}
	return pods.Items, nil
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
