package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// inherited is a Canary in the state that another controller of this API left it in.
type inherited struct {
	reason  string
	phase   v1beta1.CanaryPhase
	target  string // image
	primary string // image
	size    int32  // of the target
	weight  int    // as its status has it
	want    v1beta1.CanaryPhase
	serves  string // the primary's image in the end
}

// inherit leaves the objects and the status behind, with nobody there to follow them.
func (w *world) inherit(i inherited) {
	w.Helper()
	require.NoError(w, w.Create(w.Context(), w.canary()))
	c := &v1beta1.Canary{}
	require.NoError(w, w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: "podinfo"}, c))
	primary := w.deployment()
	primary.Name = "podinfo-primary"
	primary.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(c, v1beta1.GroupVersion.WithKind("Canary"))}
	side := map[string]string{"app": "podinfo-primary"}
	primary.Spec.Selector.MatchLabels, primary.Spec.Template.Labels = side, side
	primary.Spec.Template.Annotations = map[string]string{"flagger-id": "2d0d3a4e"}
	primary.Spec.Template.Spec.Containers[0].Image = i.primary
	require.NoError(w, w.Create(w.Context(), primary, client.FieldOwner("flagger")))
	w.setImage(i.target)
	w.editTarget(func(d *appsv1.Deployment) { d.Spec.Replicas = &i.size })
	w.await("both sides are as they were left", func() bool {
		d, p := w.live("podinfo"), w.live("podinfo-primary")
		return d.Status.AvailableReplicas == i.size && d.Status.ObservedGeneration == d.Generation && p.Status.AvailableReplicas == 2
	})
	c.Status = v1beta1.CanaryStatus{
		Phase: i.phase, CanaryWeight: i.weight, LastAppliedSpec: "7c96dd5f8", LastPromotedSpec: "5d89f7c6b4",
		LastTransitionTime: metav1.Now(),
		Conditions:         []metav1.Condition{{Type: v1beta1.ConditionPromoted, Status: metav1.ConditionUnknown, Reason: string(i.phase), LastTransitionTime: metav1.Now(), Message: "as it was"}},
	}
	require.NoError(w, w.Status().Update(w.Context(), c))
}

func TestTakeover(t *testing.T) {
	t.Parallel()
	cases := map[string]inherited{
		"Succeeded": {
			reason: "Nothing happens to a Canary at rest.",
			phase:  v1beta1.PhaseSucceeded, target: imageOne, primary: imageOne,
			want: v1beta1.PhaseSucceeded, serves: imageOne,
		},
		"Initialized": {
			reason: "Nor to one that has rolled out nothing yet.",
			phase:  v1beta1.PhaseInitialized, target: imageOne, primary: imageOne,
			want: v1beta1.PhaseInitialized, serves: imageOne,
		},
		"ChangedMeanwhile": {
			reason: "A target that was changed while nobody looked has a new revision, which nobody has judged.",
			phase:  v1beta1.PhaseSucceeded, target: imageTwo, primary: imageOne,
			want: v1beta1.PhaseSucceeded, serves: imageTwo,
		},
		"Failed": {
			reason: "A revision that failed is not tried again.",
			phase:  v1beta1.PhaseFailed, target: imageTwo, primary: imageOne,
			want: v1beta1.PhaseFailed, serves: imageOne,
		},
		"Progressing": {
			reason: "A rollout goes on from its weight.",
			phase:  v1beta1.PhaseProgressing, target: imageTwo, primary: imageOne, size: 2, weight: 50,
			want: v1beta1.PhaseSucceeded, serves: imageTwo,
		},
		"Promoting": {
			reason: "The primary has the revision already, and is not replaced once more.",
			phase:  v1beta1.PhasePromoting, target: imageTwo, primary: imageTwo, size: 2, weight: 100,
			want: v1beta1.PhaseSucceeded, serves: imageTwo,
		},
		"Finalising": {
			reason: "The traffic is back, and the target is stopped.",
			phase:  v1beta1.PhaseFinalising, target: imageTwo, primary: imageTwo, size: 2,
			want: v1beta1.PhaseSucceeded, serves: imageTwo,
		},
	}
	for name, i := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.inherit(i)
			was := w.live("podinfo-primary")
			o := start(w.T, w.ns, w.clock, w.judge, 0)
			w.awaitEvent(o, "Normal Adopted")
			w.awaitPhase(i.want)
			w.awaitTargetStopped()
			w.await("the primary serves "+i.serves, func() bool { return image(w.live("podinfo-primary")) == i.serves })
			require.Contains(t, w.status().LastAppliedSpec, rollout.RevisionPrefix, i.reason)
			if i.primary == i.serves {
				require.Equal(t, was.Spec.Template, w.live("podinfo-primary").Spec.Template, "the primary's pods were replaced: %s", i.reason)
			}
		})
	}
}
