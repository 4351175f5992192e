package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// TestNodeLostInPromoting takes away the node of one side's pods while the primary is given the revision: users are with the
// side that can answer, and the promotion goes on when the node is back.
func TestNodeLostInPromoting(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		most   int    // weight of the canary
		side   string // that is lost
		users  string // where they are meanwhile
		moved  bool
		told   string
	}{
		"Primary": {
			reason: "all users are with the canary anyway",
			most:   100, side: "podinfo-primary", users: "0/100", told: "podinfo-primary.NS not ready: Unschedulable: 0/1 nodes are available",
		},
		"PrimaryWithUsers": {
			reason: "the canary has passed, and the pods for those of the primary",
			most:   50, side: "podinfo-primary", users: "0/100", moved: true, told: "podinfo-primary.NS not ready: Unschedulable: 0/1 nodes are available",
		},
		"Canary": {
			reason: "the primary has its pods of the revision before",
			most:   100, side: "podinfo", users: "100/0", moved: true, told: "podinfo-primary.NS not ready: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			o := w.begin(func(c *v1beta1.Canary) {
				c.Spec.ProgressDeadlineSeconds = new(int32(3600))
				c.Spec.Analysis.MaxWeight = tc.most
			})
			w.breakPods("podinfo-primary", imageTwo)
			w.setImage(imageTwo)
			w.await("the primary was given it", func() bool { return image(w.live("podinfo-primary")) == imageTwo })
			w.await("the canary could take all users", func() bool { return w.live("podinfo").Status.AvailableReplicas == 2 })
			back := w.pods.LoseNode(t, w.ns, tc.side)
			w.await("it has no available pod", func() bool { return w.live(tc.side).Status.AvailableReplicas == 0 })
			w.awaitWeights(tc.users)
			w.awaitCondition(v1beta1.ConditionWaiting, metav1.ConditionTrue, w.inNamespace(tc.told))
			require.Equal(t, v1beta1.PhasePromoting, w.status().Phase)
			require.Equal(t, tc.users, w.weights(), tc.reason)
			if tc.moved {
				w.awaitEvent(o, tc.side+"."+w.ns+" has no available pods, routing all traffic to ")
			}

			w.healPods("podinfo-primary", imageTwo)
			back()
			w.goesOn(func() bool { return w.status().Phase != v1beta1.PhasePromoting })
			w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
		})
	}
}
