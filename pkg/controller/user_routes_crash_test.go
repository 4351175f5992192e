package controller

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// TestLentRouteSurvivesCrashes kills the operator after its k-th write, for every k of a whole life: the Canary takes
// over a route, rolls a revision out by it, and is deleted.
func TestLentRouteSurvivesCrashes(t *testing.T) {
	t.Parallel()
	l := lendings()["VirtualService"]
	for name, tc := range map[string]struct {
		reason string
		fails  int
		ends   v1beta1.CanaryPhase
		image  string // of the primary, before the Canary goes
	}{
		"Good": {reason: "a good revision is promoted", ends: v1beta1.PhaseSucceeded, image: imageTwo},
		"Bad":  {reason: "a bad one is rolled back", fails: -1, ends: v1beta1.PhaseFailed, image: imageOne},
	} {
		t.Run(name, func(t *testing.T) {
			crashAfterAny(t, 16, func(t *testing.T, k int) int { return l.lives(t, tc.fails, k, tc.ends, tc.image, tc.reason) })
		})
	}
}

// lives runs a whole life, with a crash after the k-th write where k is above zero. It returns how many writes the
// last operator made.
func (l lending) lives(t *testing.T, fails, k int, ends v1beta1.CanaryPhase, want, reason string) int {
	t.Helper()
	s := l.enter(t)
	s.garbageCollect()
	before := l.lend(s)
	s.judge.fail(fails)
	require.NoError(t, s.Create(t.Context(), s.canary(l.refer, revert)))
	o := start(t, s.ns, s.clock, s.judge, k)
	stages := []stop{
		{is: func() bool { return s.status().Phase == v1beta1.PhaseInitialized && s.split() == "100/0" }, then: func() { s.setImage(imageTwo) }},
		{is: func() bool {
			return s.status().Phase == ends && s.split() == "100/0" && image(s.live("podinfo-primary")) == want && workload.SizeOf(s.live("podinfo")) == 0
		}, then: func() { require.NoError(t, s.Delete(t.Context(), s.named("podinfo"))) }},
		{is: func() bool {
			return apierrors.IsNotFound(s.Get(t.Context(), client.ObjectKey{Namespace: s.ns, Name: "podinfo"}, &v1beta1.Canary{}))
		}, then: func() { require.True(t, s.home(), "%s: it is done before the Canary goes: %v", reason, s.way()) }},
	}
	tick := time.NewTicker(lookout)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * patience); time.Now().Before(deadline) && len(stages) > 0; <-tick.C {
		if k > 0 && died(o) {
			o.stop()
			o, k = start(t, s.ns, s.clock, s.judge, 0), 0
		}
		if stages[0].is() {
			stages[0].then()
			stages = stages[1:]
		}
	}
	require.Empty(t, stages, "%s: it does not get on from %s", reason, s.split())
	require.Equal(t, l.weightless(s, before), l.weightless(s, s.way()), "weights are all that changed")
	return o.Writes()
}

// stop is a place where a life rests, and what makes it go on.
type stop struct {
	is   func() bool
	then func()
}
