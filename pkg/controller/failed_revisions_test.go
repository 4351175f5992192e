package controller

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// TestUndoDoesNotBringBackWhatFailed is about `kubectl rollout undo` in mid-rollout, after another one has failed: it brings the
// failed template back.
func TestUndoDoesNotBringBackWhatFailed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin()
	w.judge.fail(-1)
	w.setImage(imageTwo)
	w.awaitSettled(v1beta1.PhaseFailed, imageOne)
	failed := w.status().FailedRevisions
	require.Len(t, failed, 1)
	require.Equal(t, imageTwo, failed[0].Image)

	w.judge.fail(0)
	w.judge.hold(50)
	w.setImage(imageThree)
	w.awaitWeights("50/50")
	w.setImage(imageTwo)
	w.awaitSettled(v1beta1.PhaseFailed, imageOne)
	w.awaitTargetStopped()
	w.awaitEvent(o, "Warning CalledOff podinfo."+w.ns+" is back at a revision that failed before, and is not tried again")
	require.Equal(t, failed, w.status().FailedRevisions, "what was called off has not failed")

	w.judge.goOn()
	w.setImage(imageThree)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageThree)
	require.Equal(t, imageThree, w.status().Image)
}
