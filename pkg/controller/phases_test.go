package controller

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// stage is how a world gets into a phase and is kept there, and what ends that.
type stage struct {
	phase   v1beta1.CanaryPhase
	reach   func(w *world)
	release func(w *world)
}

func nothing(*world) {}

func stages() map[string]stage {
	patiently := func(c *v1beta1.Canary) { c.Spec.ProgressDeadlineSeconds = new(int32(3600)) }
	all := map[string]stage{
		"Initializing": {
			reach: func(w *world) {
				w.breakPods("podinfo-primary", imageOne)
				w.run(patiently)
				w.awaitPhase(v1beta1.PhaseInitializing)
			},
			release: func(w *world) { w.healPods("podinfo-primary", imageOne) },
		},
		"Initialized": {reach: func(w *world) { w.begin() }, release: nothing},
		"Progressing": {
			reach: func(w *world) {
				w.begin(slowly)
				w.setImage(imageTwo)
				w.awaitWeights("50/50")
			},
			release: func(w *world) { w.editCanary(every("10s")) },
		},
		"Promoting": {
			reach: func(w *world) {
				w.begin(patiently)
				w.breakPods("podinfo-primary", imageTwo)
				w.setImage(imageTwo)
				w.await("the primary was given it", func() bool { return image(w.live("podinfo-primary")) == imageTwo })
			},
			release: func(w *world) { w.healPods("podinfo-primary", imageTwo) },
		},
		"Finalising": {reach: finalise, release: nothing},
		"Succeeded": {
			reach: func(w *world) {
				w.begin()
				w.setImage(imageTwo)
				w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
				w.awaitTargetStopped()
			},
			release: nothing,
		},
		"Failed": {
			reach: func(w *world) {
				w.begin()
				w.judge.fail(2)
				w.setImage(imageTwo)
				w.awaitSettled(v1beta1.PhaseFailed, imageOne)
				w.awaitTargetStopped()
			},
			release: nothing,
		},
	}
	for name, s := range all {
		s.phase = v1beta1.CanaryPhase(name)
		all[name] = s
	}
	return all
}

// gatedStages are those in which a hook is waited for.
func gatedStages() map[string]stage {
	all := map[string]stage{}
	for phase, moment := range map[v1beta1.CanaryPhase]v1beta1.HookType{
		v1beta1.PhaseWaiting: v1beta1.ConfirmRolloutHook, v1beta1.PhaseWaitingPromotion: v1beta1.ConfirmPromotionHook,
	} {
		all[string(phase)] = stage{
			phase: phase,
			reach: func(w *world) {
				w.judge.shutGate(moment)
				w.begin(func(c *v1beta1.Canary) {
					c.Spec.Analysis.Webhooks = []v1beta1.CanaryWebhook{{Name: "gate", Type: moment, URL: "http://gate"}}
				})
				w.setImage(imageTwo)
				w.awaitPhase(phase)
			},
			release: func(w *world) { w.judge.shutGate("") },
		}
	}
	return all
}

// finalise gets there with proxies that take three seconds to have their routes.
func finalise(w *world) {
	require.NoError(w, w.Create(w.Context(), w.canary()))
	w.start(func(r *Reconciler) { r.Settle *= 60 })
	w.awaitPhase(v1beta1.PhaseInitialized)
	w.setImage(imageTwo)
	w.awaitPhase(v1beta1.PhaseFinalising)
}

// deed is what people do to a target, and how it ends whatever phase that was in.
type deed struct {
	reason string
	act    func(w *world)
	image  string // that everybody meets in the end; empty: what they would have met without the event
}

func deeds() map[string]deed {
	return map[string]deed{
		"Edited":  {reason: "the newest revision is the one that counts", act: func(w *world) { w.setImage(imageThree) }, image: imageThree},
		"PutBack": {reason: "the first revision is wanted again", act: func(w *world) { w.setImage(imageTwo); w.setImage(imageOne) }, image: imageOne},
		"Scaled": {
			reason: "a target without pods loses its rollout at most",
			act: func(w *world) {
				w.editTarget(scale(0))
				w.await("it has no pods, or was given some again", func() bool {
					d := w.live("podinfo")
					return d.Status.AvailableReplicas == 0 || workload.SizeOf(d) > 0
				})
				w.editTarget(scale(3))
			},
		},
		"MadeAnew": {
			reason: "a target that comes back is taken up where it is",
			act: func(w *world) {
				was := w.live("podinfo")
				require.NoError(w, w.Delete(w.Context(), was))
				w.gone(&appsv1.Deployment{}, "podinfo")
				anew := w.deployment()
				anew.Spec.Template = was.Spec.Template
				require.NoError(w, w.Create(w.Context(), anew))
			},
		},
	}
}

// TestTargetChangesInEveryPhase does to a target what people do, in every phase of its rollout. Wherever it happens,
// the Canary comes to rest, with the revision everywhere that was wanted last and passed.
func TestTargetChangesInEveryPhase(t *testing.T) {
	t.Parallel()
	for phase, s := range stages() {
		for name, e := range deeds() {
			t.Run(phase+name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				s.reach(w)
				require.Equal(t, s.phase, w.status().Phase)
				e.act(w)
				s.release(w)
				w.awaitRest(e.image, e.reason)
			})
		}
	}
}

// awaitRest waits until nothing is rolled out any more.
func (w *world) awaitRest(want, reason string) {
	w.Helper()
	is := func() bool {
		s := w.status()
		done := s.Phase.Settled()
		primary := &appsv1.Deployment{}
		if err := w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: "podinfo-primary"}, primary); err != nil {
			return false
		}
		return done && (want == "" || image(primary) == want) && primary.Status.AvailableReplicas > 0 &&
			w.weights() == "100/0" && w.selector("podinfo") == "podinfo-primary" && *w.live("podinfo").Spec.Replicas == 0
	}
	w.eventually(is, func() string { return reason }, func() any { return w.weights() + " " + w.selector("podinfo") })
}

// TestSpecChangesInEveryPhase changes what can be changed about a Canary in every phase: it goes on by the new spec.
func TestSpecChangesInEveryPhase(t *testing.T) {
	t.Parallel()
	for phase, s := range stages() {
		t.Run(phase, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s.reach(w)
			require.Equal(t, s.phase, w.status().Phase)
			w.editCanary(func(c *v1beta1.Canary) { c.Spec.Suspend = true })
			w.await("it halts", func() bool { return w.status().ObservedGeneration == w.named("podinfo").Generation })
			if weight := w.status().CanaryWeight; w.weights() != "none" {
				w.awaitWeights(fmt.Sprintf("%d/%d", 100-weight, weight)) // as had been decided before
			}
			w.editCanary(func(c *v1beta1.Canary) { c.Spec.Service.Port = 8080 })
			w.editCanary(func(c *v1beta1.Canary) { c.Spec.Analysis.Threshold = 7 })
			w.editCanary(func(c *v1beta1.Canary) { c.Spec.Analysis.StepWeight, c.Spec.Analysis.StepWeights = 0, []int{30, 60} })
			w.editCanary(every("11s"))
			w.editCanary(func(c *v1beta1.Canary) { c.Spec.Suspend = false })
			s.release(w)
			w.awaitRest("", "it comes to rest by the new spec")
			w.await("the Services have the new port", func() bool {
				for _, name := range []string{"podinfo", "podinfo-primary", "podinfo-canary"} {
					if w.service(name).Spec.Ports[0].Port != 8080 {
						return false
					}
				}
				return true
			})
			w.setImage(imageThree)
			w.awaitRest(imageThree, "and the next rollout takes its steps")
		})
	}
}
