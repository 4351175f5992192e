package controller

import (
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

// What people see of a rollout: conditions, events and the Canary's own spec.

const imageThree = "podinfo:3"

// named reads a Canary.
func (w *world) named(name string) *v1beta1.Canary {
	w.Helper()
	c := &v1beta1.Canary{}
	require.NoError(w, w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: name}, c))
	return c
}

// awaitCondition waits until a condition of the Canary has a status and a text.
func (w *world) awaitCondition(kind string, status metav1.ConditionStatus, text string) {
	w.Helper()
	w.awaitConditionOf("podinfo", kind, status, text)
}

func (w *world) awaitConditionOf(name, kind string, status metav1.ConditionStatus, text string) {
	w.Helper()
	var last *metav1.Condition
	is := func() bool {
		last = meta.FindStatusCondition(w.named(name).Status.Conditions, kind)
		return last != nil && last.Status == status && strings.Contains(last.Message, text)
	}
	w.eventually(is, func() string { return kind + " is not " + string(status) + " with " + text }, func() any { return last })
}

// awaitEvent waits for an event, `Warning Invalid ...`, that has a text in it.
func (w *world) awaitEvent(o *operator, text string) {
	w.Helper()
	is := func() bool { return count(o, text) > 0 }
	w.eventually(is, func() string { return "no event has " + text }, func() any { return o.events() })
}

// count is how many events have a text in them.
func count(o *operator, text string) int {
	n := 0
	for _, e := range o.events() {
		if strings.Contains(e, text) {
			n++
		}
	}
	return n
}

// eventually waits, and tells in the end what there was instead.
func (w *world) eventually(is func() bool, what func() string, instead func() any) {
	w.Helper()
	deadline := time.Now().Add(patience)
	for tick := time.NewTicker(lookout); !is(); <-tick.C {
		if time.Now().After(deadline) {
			require.FailNow(w, what(), "%+v\n%+v", instead(), w.status())
		}
	}
}

// awaitWeights waits for the VirtualService's weights.
func (w *world) awaitWeights(weights string) {
	w.Helper()
	w.eventually(func() bool { return w.weights() == weights }, func() string { return "weights are not " + weights }, func() any { return w.weights() })
}

// awaitSettled waits until a revision is what everybody meets, and the Canary rests in a phase.
func (w *world) awaitSettled(phase v1beta1.CanaryPhase, image string) {
	w.Helper()
	w.awaitPhase(phase)
	want := outcome{phase: phase, primary: image, weights: "100/0", selector: "podinfo-primary"}
	is := func() bool {
		have := w.outcome()
		have.failed = 0
		return have == want
	}
	w.eventually(is, func() string { return "it does not settle" }, func() any { return []outcome{w.outcome(), want} })
}

// respec changes the Canary's spec.
func (w *world) editCanary(change func(*v1beta1.Canary)) {
	w.Helper()
	c := w.named("podinfo")
	before := c.DeepCopy()
	change(c)
	require.NoError(w, w.Patch(w.Context(), c, client.MergeFrom(before)))
}

// rewrite reads an object, changes it and writes it back as a whole, once more where somebody else was faster.
func (w *world) rewrite(obj client.Object, by string, change func()) {
	w.Helper()
	require.NoError(w, retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		if err := w.Get(w.Context(), client.ObjectKeyFromObject(obj), obj); err != nil {
			return err
		}
		change()
		return w.Update(w.Context(), obj, client.FieldOwner(by))
	}))
}

func scale(n int32) func(*appsv1.Deployment) {
	return func(d *appsv1.Deployment) { d.Spec.Replicas = &n }
}

// breakPods has the pods of one Deployment and image never get ready; mended ends it.
func (w *world) breakPods(deployment, image string) {
	w.pods.FaultOf(w, deployment, image, kubetest.NeverReady)
}
func (w *world) healPods(deployment, image string) {
	w.pods.FaultOf(w, deployment, image, kubetest.None)
}

// hasty has a rollout give up soon: in ten seconds, at the pace of tests, which what starts at once has on a busy machine, too.
func hasty(c *v1beta1.Canary) { c.Spec.ProgressDeadlineSeconds = new(int32(400)) }

// every sets the interval of the analysis.
func every(interval string) func(*v1beta1.Canary) {
	return func(c *v1beta1.Canary) { c.Spec.Analysis.Interval = interval }
}

// slowly has a rollout stand at each step until its interval is another one: no test takes that long, however busy its machine is.
func slowly(c *v1beta1.Canary) { c.Spec.Analysis.Interval = "12h" }

// inNamespace puts the world's namespace where a text says NS.
func (w *world) inNamespace(text string) string { return strings.ReplaceAll(text, "NS", w.ns) }
