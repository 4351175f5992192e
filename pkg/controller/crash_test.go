package controller

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// outcome is the state of the cluster that a rollout must leave, however often its operator died.
type outcome struct {
	phase    v1beta1.CanaryPhase
	primary  string // image
	weights  string
	selector string
	replicas int32 // of the target
	failed   int
}

func (w *world) outcome() outcome {
	return outcome{
		phase:    w.status().Phase,
		primary:  image(w.live("podinfo-primary")),
		weights:  w.weights(),
		selector: w.selector("podinfo"),
		replicas: *w.live("podinfo").Spec.Replicas,
		failed:   w.status().FailedChecks,
	}
}

// TestCrashAfterAnyWrite kills the operator after its k-th write, for every k of a whole rollout, and has
// another one go on. How many writes there are is found out by a rollout without a crash.
func TestCrashAfterAnyWrite(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		fails  int
		want   outcome
	}{
		"Good": {
			reason: "a good revision ends promoted, whatever write was the last of a process",
			want:   outcome{phase: v1beta1.PhaseSucceeded, primary: imageTwo, weights: "100/0", selector: "podinfo-primary"},
		},
		"Bad": {
			reason: "a bad one ends rolled back, and no failed check is counted twice",
			fails:  -1,
			want:   outcome{phase: v1beta1.PhaseFailed, primary: imageOne, weights: "100/0", selector: "podinfo-primary", failed: 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			crashAfterAny(t, 9, func(t *testing.T, k int) int { return crashed(t, tc.fails, k, tc.want, tc.reason) })
		})
	}
}

// crashAfterAny runs something with a crash after its k-th write, for every k: run returns how many there were, and
// does not crash where k is zero. They are to be at least so many.
func crashAfterAny(t *testing.T, least int, run func(t *testing.T, k int) int) {
	t.Helper()
	writes := run(t, 0)
	t.Logf("%d writes in a whole run", writes)
	require.GreaterOrEqual(t, writes, least, "it was watched")
	for k := 1; k <= writes; k++ {
		t.Run(fmt.Sprintf("After%02d", k), func(t *testing.T) {
			t.Parallel()
			run(t, k)
		})
	}
}

// crashed runs a whole life of a Canary, with a crash after the k-th write where k is above zero. It returns how many
// writes the last operator made.
func crashed(t *testing.T, fails, k int, want outcome, reason string) int {
	t.Helper()
	w := newWorld(t)
	require.NoError(t, w.Create(t.Context(), w.canary()))
	w.judge.fail(fails)
	o := start(t, w.ns, w.clock, w.judge, k)
	released := false
	tick := time.NewTicker(lookout)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		if !released && w.status().Phase == v1beta1.PhaseInitialized {
			w.setImage(imageTwo)
			released = true
		}
		if k > 0 && died(o) {
			o.stop()
			w.requireServed()
			o, k = start(t, w.ns, w.clock, w.judge, 0), 0
		}
		if released && w.outcome() == want {
			return o.Writes()
		}
	}
	require.Equal(t, want, w.outcome(), "%s: %+v", reason, w.status())
	return 0
}

// requireServed checks, while no operator runs, that nobody is sent to a side that cannot answer.
func (w *world) requireServed() {
	w.Helper()
	apex, primary, target := w.selector("podinfo"), w.weights(), w.live("podinfo")
	if apex == "podinfo" || primary != "none" && primary != "100/0" {
		require.Positive(w, target.Status.AvailableReplicas, "requests reach the target at %s", primary)
	}
	if apex == "podinfo-primary" {
		require.Positive(w, w.live("podinfo-primary").Status.AvailableReplicas, "requests reach the primary")
	}
}

func died(o *operator) bool {
	select {
	case <-o.Crashed():
		return true
	default:
		return false
	}
}
