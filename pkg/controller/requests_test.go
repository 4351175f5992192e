package controller

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

// TestRequestsOfARollout counts what five steps cost. Events are not among them: each is a request more.
func TestRequestsOfARollout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.clock.pace = 4 // or pods would take long, and be looked at
	o := w.begin(func(c *v1beta1.Canary) {
		c.Spec.Analysis.StepWeight, c.Spec.Analysis.MaxWeight = 10, 50
		c.Spec.Analysis.Metrics = nil
	})
	o.Reset()
	w.setImage(imageTwo)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	w.awaitTargetStopped()
	w.await("it is recorded", func() bool { return o.Count("create", "canaryruns") > 0 })
	calls := o.Calls()
	maps.DeleteFunc(calls, func(c kubetest.Call, _ int) bool { return c.Verb == "watch" })
	for call, most := range map[kubetest.Call]int{
		{Verb: "patch", Resource: "canaries/status"}: 10, // the revision, five steps, the promotion, the way back, the end, its record
		{Verb: "patch", Resource: "virtualservices"}: 6,  // the steps, and the way back
		{Verb: "patch", Resource: "deployments"}:     4,  // the target is started, made as large as the primary, and stopped; the primary gets the revision
		{Verb: "create", Resource: "canaryruns"}:     1,
		{Verb: "get", Resource: "deployments"}:       9, // one for each decision but the last, and one before the target is stopped
		{Verb: "list", Resource: "pods"}:             1, // before the first request
	} {
		require.LessOrEqual(t, calls[call], most, "%v of %v", call, calls)
		delete(calls, call)
	}
	require.Empty(t, calls, "and nothing else")
}

// TestPodsAreListedSeldom has a canary never become ready: its pods are looked at, and not by each look.
func TestPodsAreListedSeldom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin(func(c *v1beta1.Canary) { c.Spec.ProgressDeadlineSeconds = new(int32(240)) })
	w.pods.Fault(t, imageBad, kubetest.NeverReady)
	o.Reset()
	w.setImage(imageBad)
	w.awaitSettled(v1beta1.PhaseFailed, imageOne)
	lists := o.Count("list", "pods")
	require.Positive(t, lists, "what keeps them is looked for")
	require.LessOrEqual(t, lists, 4+240/20)
}
