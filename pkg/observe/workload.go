package observe

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// fetch reads one workload of the target's kind; nil when there is none, or when it is being deleted.
func fetch(ctx context.Context, f *desired.Facts, from client.Reader, name string) (client.Object, error) {
	o := f.Kind.New()
	err := from.Get(ctx, client.ObjectKey{Namespace: f.Canary.Namespace, Name: name}, o)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read %s %q: %w", f.LowerKind(), name, err)
	}
	// What is being deleted can be neither kept nor changed: it counts as gone.
	if err != nil || o.GetDeletionTimestamp() != nil {
		return nil, nil
	}
	return o, nil
}

// workload observes one side. The pods of one that takes long, or got stuck, are looked at for what keeps them;
// until then it is simply starting.
func (r *Reader) workload(ctx context.Context, f *desired.Facts, o client.Object, s side) (rollout.Workload, error) {
	ready, now := threshold(f.Canary, s), f.Snapshot.Now
	w := f.Kind.Observe(o, nil, ready, now)
	lost := r.memory.outageOf(f.Canary, s, w.Health, now)
	w = lost.corrected(w, now)
	unready := (w.Health == rollout.Starting || w.Health == rollout.Stuck) && !settled(f)
	late := unready && (w.Health == rollout.Stuck || slow(f))
	if unready && !late {
		// In these seconds it goes from one wait to the next, and each would be a status to store.
		w.Reason = ""
	}
	began := bakes(f, s)
	if !late {
		r.memory.keepLate(f.Canary, s, nil)
	}
	if !late && began.IsZero() {
		return w, nil
	}
	if known := r.memory.lateOf(f.Canary, s); began.IsZero() && known.holds(o, w.Health, now, f.Live) {
		w.Health, w.Reason, w.Since = known.found.Health, known.found.Reason, known.found.Since
		return lost.corrected(w, now), nil
	}
	pods, listed, err := r.pods(ctx, f, o)
	if err != nil {
		return w, err
	}
	if late {
		status := w.Health
		// A workload's own status says that it is late; which image or quota is behind that only its pods tell.
		w = f.Kind.Observe(o, pods, ready, lost.observedAt(now))
		if listed {
			r.memory.keepLate(f.Canary, s, &lateWorkload{of: o.GetUID(), generation: o.GetGeneration(), status: status, found: w, listed: now})
		}
		w = lost.corrected(w, now)
	}
	if !began.IsZero() {
		w.Crashed = workload.CrashedSince(pods, began, r.memory.restarts(f.Canary, began, pods))
	}
	return w, nil
}

// bakes is since when the canary bakes; zero: it does not, or has no pods that could be looked at.
func bakes(f *desired.Facts, s side) time.Time {
	started := f.Canary.Status.StepStarted
	if _, single := f.SelfVersioned(); single || s != canarySide || started == nil || !started.Bake || !f.Canary.Status.Phase.Analysing() {
		return time.Time{}
	}
	return started.Time.Time
}

// settled says that no rollout waits for a workload: what its pods do is its owner's concern, and not worth a request.
func settled(f *desired.Facts) bool {
	phase := f.Canary.Status.Phase
	return phase.Settled() || phase == v1beta1.PhaseFinalising
}

// slow says that what the rollout waits for has taken long enough to be looked into.
func slow(f *desired.Facts) bool {
	since := f.Canary.Status.Since
	return since != nil && f.Snapshot.Now.Sub(since.Time) >= slowAfter
}

// pods are those that a workload owns. Where they may not be listed they are not known: its own status says enough to leave
// a canary, and too little to go on with it.
func (r *Reader) pods(ctx context.Context, f *desired.Facts, o client.Object) (owned []corev1.Pod, known bool, err error) {
	// Live, because pods are not watched: all of a cluster's would be the larger part of what is kept in memory.
	pods := &corev1.PodList{}
	err = r.labelled(ctx, o, pods)
	if apierrors.IsForbidden(err) {
		f.Snapshot.Refuse(rollout.Refusal{Object: "pods of " + o.GetName(), Verb: "list", Text: kube.Words(err)})
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("list pods of %q: %w", o.GetName(), err)
	}
	return workload.OwnedPods(o, pods.Items), true, nil
}

// confirmPods has a side's own pods say that they serve, where users are about to be led to them: it was started, or given a
// template that it had before, a moment ago, and its status can still be about the pods before.
func (r *Reader) confirmPods(ctx context.Context, f *desired.Facts, o client.Object, w *rollout.Workload, s side) error {
	// Only of a pass in earnest, which the cached one leads to: pods are not cached, and asking costs a request. Of a canary that
	// is not ready, by its status alone, nothing more has to be known.
	if !f.Live || w.Available == 0 || s == canarySide && w.Health != rollout.Available {
		return nil
	}
	pods, known, err := r.pods(ctx, f, o)
	if err != nil || !known {
		return err
	}
	*w = workload.ConfirmByPods(*w, pods, workload.SummaryOf(o).Pods, threshold(f.Canary, s))
	return nil
}

// labelled lists, live, what bears the labels of a workload's pods.
func (r *Reader) labelled(ctx context.Context, o client.Object, list client.ObjectList) error {
	selector, err := metav1.LabelSelectorAsSelector(workload.SummaryOf(o).Selector)
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

// readRatio refuses pods that no Service could find.
func (r *Reader) readRatio(_ context.Context, f *desired.Facts, _ pass) error {
	if !f.Snapshot.Plan.Ratio || f.Target == nil || f.Canary.WithoutServices() {
		return nil
	}
	return workload.CheckApexLabel(f.Target, f.Canary)
}
