package controller

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

// Tools that wait for a Canary are told when nobody serves its users any more, at rest as well.
func TestReadyFollowsThePrimary(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(func(c *v1beta1.Canary) {
		metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1beta1.KstatusAnnotation, v1beta1.KstatusRollouts)
	})
	w.awaitCondition(v1beta1.ConditionReady, metav1.ConditionTrue, "serves users")
	w.judge.hold(50)
	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	w.awaitCondition(v1beta1.ConditionReady, metav1.ConditionTrue, "serves users")
	w.awaitCondition(v1beta1.ConditionReconciling, metav1.ConditionTrue, "A rollout is under way.")
	w.judge.goOn()
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	w.pods.FaultOf(w, "podinfo-primary", imageTwo, kubetest.CrashLoop)
	w.awaitCondition(v1beta1.ConditionReady, metav1.ConditionFalse, "podinfo-primary."+w.ns+" is not available.")
	w.healPods("podinfo-primary", imageTwo)
	w.awaitCondition(v1beta1.ConditionReady, metav1.ConditionTrue, "serves users")
}
