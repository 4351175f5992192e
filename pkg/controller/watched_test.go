package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
)

const labelTeam = "team"

func ofTeam(team string) func(*v1beta1.Canary) {
	return func(c *v1beta1.Canary) { c.Labels = map[string]string{labelTeam: team} }
}

// following is an operator that follows the Canaries of one team.
func following(team string) func(*Reconciler) {
	return func(r *Reconciler) {
		r.Watched.Labels = labels.SelectorFromSet(labels.Set{labelTeam: team})
		r.Operator = "of-" + team
	}
}

// TestOperatorsShareByLabel has two operators follow one Canary each, one after the other: what the one does not follow any more
// it leaves as it is.
func TestOperatorsShareByLabel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.Create(t.Context(), w.canary(ofTeam("a"))))
	b := start(t, w.ns, w.clock, w.judge, 0, following("b"))
	a := start(t, w.ns, w.clock, w.judge, 0, following("a"))
	w.awaitPhase(v1beta1.PhaseInitialized)
	w.awaitTargetStopped()
	require.Equal(t, "of-a", desired.RestoreInfo(w.live("podinfo")).Operator)
	require.Zero(t, b.Writes(), "it is no concern of the other")

	w.editCanary(ofTeam("b"))
	w.await("the other one goes on with it", func() bool { return desired.RestoreInfo(w.live("podinfo")).Operator == "of-b" })
	a.Reset()
	w.setImage(imageTwo)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	w.awaitTargetStopped()
	require.Zero(t, a.Writes(), "it follows it no more")

	w.delete("podinfo")
	w.await("the target is given back", func() bool { return w.targetReleased(2) })
	require.Zero(t, a.Writes(), "by who has followed it")
}

// TestUnseenDeletionOfOthers has a Canary deleted while its operator does not run: another one leaves its target to that.
func TestUnseenDeletionOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.garbageCollect()
	require.NoError(t, w.Create(t.Context(), w.canary(ofTeam("a"))))
	a := start(t, w.ns, w.clock, w.judge, 0, following("a"))
	w.awaitPhase(v1beta1.PhaseInitialized)
	w.awaitTargetStopped()
	w.deleteWhileDown(a)
	b := start(t, w.ns, w.clock, w.judge, 0, following("b"))
	require.True(t, b.manager.GetCache().WaitForCacheSync(t.Context()))
	lists := b.Count("list", "canaries")
	require.Zero(t, w.releaseOrphans(b, "podinfo"))
	require.Equal(t, lists, b.Count("list", "canaries"), "nor does it ask the server whose it is")
	start(t, w.ns, w.clock, w.judge, 0, following("a"))
	w.await("the target is given back", func() bool { return w.targetReleased(2) })
}

// TestRivalOfAnotherOperator has two Canaries with one target, each followed by another operator: the younger gives way.
func TestRivalOfAnotherOperator(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.Create(t.Context(), w.canary(ofTeam("a"))))
	start(t, w.ns, w.clock, w.judge, 0, following("a"))
	w.awaitPhase(v1beta1.PhaseInitialized)
	require.NoError(t, w.Create(t.Context(), w.canary(ofTeam("b"), func(c *v1beta1.Canary) { c.Name = "rival" })))
	start(t, w.ns, w.clock, w.judge, 0, following("b"))
	w.awaitConditionOf("rival", v1beta1.ConditionValid, metav1.ConditionFalse, "already has the Canary")
}
