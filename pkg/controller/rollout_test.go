package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func TestInitialise(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin()
	require.Equal(t, imageOne, image(w.live("podinfo-primary")))
	require.Equal(t, int32(2), *w.live("podinfo-primary").Spec.Replicas)
	require.Equal(t, "podinfo-primary", w.selector("podinfo"))
	require.Equal(t, "podinfo-primary", w.selector("podinfo-primary"))
	require.Equal(t, "podinfo", w.selector("podinfo-canary"))
	require.Equal(t, "100/0", w.weights())
	w.awaitEvent(o, "Normal Initialized Initialization done! podinfo."+w.ns)
}

func TestGoodRevisionIsPromoted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin()
	seen := w.history()
	w.setImage(imageTwo)
	w.awaitPhase(v1beta1.PhaseSucceeded)
	w.awaitTargetStopped()
	require.Equal(t, imageTwo, image(w.live("podinfo-primary")))
	require.Equal(t, "100/0", w.weights())
	require.Equal(t, []string{
		"Initialized 0", "Progressing 0", "Progressing 50", "Progressing 100", "Promoting 100", "Finalising 0", "Succeeded 0",
	}, seen())
	s := w.status()
	require.Equal(t, s.LastAppliedSpec, s.LastPromotedSpec)
	w.awaitEvent(o, "Normal Promoted")
	require.Equal(t, []string{
		"Normal MetricsReachable all the metrics providers are available!",
		"Normal Initialized Initialization done! podinfo." + w.ns,
		"Normal NewRevision New revision detected! Scaling up podinfo." + w.ns + ": podinfo:2 is to replace podinfo:1",
		"Normal AnalysisStarted Starting canary analysis for podinfo." + w.ns,
		"Normal Advanced Advance podinfo." + w.ns + " canary weight 50",
		"Normal Advanced Advance podinfo." + w.ns + " canary weight 100",
		"Normal PromotionStarted Copying podinfo." + w.ns + " template spec to podinfo-primary." + w.ns,
		"Normal RoutedToPrimary Routing all traffic to primary",
		"Normal Promoted Promotion completed! Scaling down podinfo." + w.ns + ": podinfo:2 serves all requests",
	}, o.events())
}

func TestBadRevisionIsRolledBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin()
	w.judge.fail(-1)
	w.setImage(imageTwo)
	w.awaitPhase(v1beta1.PhaseFailed)
	w.awaitTargetStopped()
	require.Equal(t, imageOne, image(w.live("podinfo-primary")))
	require.Equal(t, "100/0", w.weights())
	require.Equal(t, 2, w.status().FailedChecks)
	w.awaitEvent(o, "Warning RolledBack Rolling back podinfo."+w.ns+" failed checks threshold reached 2")
}

func TestSettledCanaryCostsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin()
	o.stop()
	again := start(t, w.ns, w.clock, w.judge, 0)
	w.await("the Canary was looked at", func() bool { return again.passes() > 0 })
	require.Zero(t, again.Writes(), "a restart writes nothing: %v", again.Calls())
	require.Zero(t, again.Count("get", "canaries"), "and reads nothing live")
}

func TestWhatTheServerRefusesIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run(func(c *v1beta1.Canary) { c.Spec.Service.PortName = "Not_A_Port_Name" })
	w.awaitCondition(v1beta1.ConditionReconciled, metav1.ConditionFalse, "Not_A_Port_Name")
	w.awaitCondition(v1beta1.ConditionWaiting, metav1.ConditionTrue, "Not_A_Port_Name")
	require.Equal(t, int32(2), *w.live("podinfo").Spec.Replicas, "users are served as before")
}
