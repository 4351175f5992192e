package observe

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
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
func (r *Reader) workload(ctx context.Context, f *desired.Facts, o client.Object, ready int) (rollout.Workload, error) {
	w := f.Kind.Observe(o, nil, ready, f.Snapshot.Now)
	if w.Health != rollout.Starting && w.Health != rollout.Stuck || settled(f) {
		return w, nil
	}
	if w.Health == rollout.Starting && !slow(f) {
		// In these seconds it goes from one wait to the next, and each would be a status to store.
		w.Reason = ""
		return w, nil
	}
	// A workload's own status says that it is late; which image or quota is behind that only its pods tell.
	pods, err := r.pods(ctx, o)
	if err != nil {
		return w, err
	}
	return f.Kind.Observe(o, pods, ready, f.Snapshot.Now), nil
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

// pods are those that a workload owns.
func (r *Reader) pods(ctx context.Context, o client.Object) ([]corev1.Pod, error) {
	// Live, because pods are not watched: all of a cluster's would be the larger part of what is kept in memory.
	pods := &corev1.PodList{}
	if err := r.labelled(ctx, o, pods); err != nil {
		return nil, fmt.Errorf("list pods of %q: %w", o.GetName(), err)
	}
	return workload.OwnedPods(o, pods.Items), nil
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

// slowAfter is how long a workload may take to start before its pods are looked at: most are up by then,
// and reading pods costs a request.
const slowAfter = 5 * time.Second

const everyPod = 100 // percent

// readRatio refuses pods that no Service could find.
func (r *Reader) readRatio(_ context.Context, f *desired.Facts, _ pass) error {
	if !f.Snapshot.Plan.Ratio || f.Target == nil {
		return nil
	}
	return workload.CheckApexLabel(f.Target, f.Canary)
}
