package controller

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// answered has a world fail where one of some Services leads to a workload without pods, from now on.
func (w *world) answered(services ...string) {
	w.Helper()
	c, err := client.NewWithWatch(kubetest.Config(w), client.Options{Scheme: w.Scheme()})
	require.NoError(w, err)
	one := &witness{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}, 2)
	for _, list := range []client.ObjectList{&appsv1.DeploymentList{}, &corev1.ServiceList{}} {
		events, err := c.Watch(ctx, list, client.InNamespace(w.ns))
		require.NoError(w, err)
		go func() { one.follow(events.ResultChan()); done <- struct{}{} }()
	}
	w.Cleanup(func() {
		cancel()
		<-done
		<-done
		require.Empty(w, one.unanswered(services), "requests were lost that could have been answered")
	})
}

func (o *witness) unanswered(services []string) (wrong []string) {
	slices.SortStableFunc(o.seen, func(a, b sighting) int { return cmp.Compare(a.version, b.version) })
	leads, able := map[string]string{}, map[string]int32{}
	for _, s := range o.seen {
		switch obj := s.object.(type) {
		case *corev1.Service:
			leads[obj.Name] = obj.Spec.Selector["app"]
		case *appsv1.Deployment:
			able[obj.Name] = obj.Status.AvailableReplicas
			if s.gone {
				able[obj.Name] = 0
			}
		}
		for _, name := range services {
			if pods, known := able[leads[name]]; known && pods == 0 {
				wrong = append(wrong, fmt.Sprintf("version %d: Service %s leads to %s, which has no pods", s.version, name, leads[name]))
			}
		}
	}
	return wrong
}

// createTwo makes another workload, of one pod, with labels of its own or others.
func (w *world) createTwo(app string) {
	w.Helper()
	d := w.deployment()
	d.Name, d.Spec.Replicas = "two", new(int32(1))
	d.Spec.Selector.MatchLabels["app"], d.Spec.Template.Labels["app"] = app, app
	require.NoError(w, w.Create(w.Context(), d))
	w.await("two runs", func() bool { return w.live("two").Status.AvailableReplicas == 1 })
}

func toTwo(c *v1beta1.Canary)     { c.Spec.TargetRef.Name = "two" }
func front(c *v1beta1.Canary)     { c.Spec.Service.Name = "podinfo" }
func backToOne(c *v1beta1.Canary) { c.Spec.TargetRef.Name = "podinfo" }
func nameOf(n *v1beta1.TargetName) string {
	if n == nil {
		return ""
	}
	return n.Name
}

// awaitReplaced waits until another target has the place of the one before, of which nothing is left but what is given back.
func (w *world) awaitReplaced() {
	w.Helper()
	w.eventually(func() bool {
		s := w.status()
		return s.Phase == v1beta1.PhaseInitialized && nameOf(s.Target) == "two" && w.gives("podinfo-primary") && workload.SizeOf(w.live("two")) == 0
	}, func() string { return "the target was not replaced" }, func() any { return w.status() })
	require.Equal(w, int32(2), w.live("two-primary").Status.AvailableReplicas, "as large as the one before")
}

// gives says that a Deployment is gone.
func (w *world) gives(name string) bool {
	w.Helper()
	return !w.there(appsv1.SchemeGroupVersion.WithKind("Deployment"), name)
}

// TestRetarget has a Canary at rest, or in the middle of a rollout, name another target. Users are with the primary before until that
// of the new one serves.
func TestRetarget(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		given  func(w *world)
	}{
		"AtRest": {reason: "nothing is under way", given: func(*world) {}},
		"UnderWay": {
			reason: "the rollout is called off",
			given: func(w *world) {
				w.judge.hold(50)
				w.setImage(imageTwo)
				w.await("a step", func() bool { return w.status().CanaryWeight == 50 && w.weights() == "50/50" })
			},
		},
		"Starting": {
			reason: "the rollout is called off before its first step",
			given: func(w *world) {
				w.pods.Fault(w, imageTwo, kubetest.NeverReady)
				w.setImage(imageTwo)
				w.await("it waits for its pods", func() bool {
					return w.status().Phase == v1beta1.PhaseProgressing && workload.SizeOf(w.live("podinfo")) > 0
				})
			},
		},
		"Deleted": {
			reason: "the workload was renamed",
			given: func(w *world) {
				require.NoError(w, w.Delete(w.Context(), w.live("podinfo")))
				w.gone(&appsv1.Deployment{}, "podinfo")
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			o := w.begin(front)
			w.answered("podinfo", "podinfo-primary")
			w.createTwo("two")
			w.breakPods("two-primary", imageOne)
			tc.given(w)
			w.editCanary(toTwo)
			w.eventually(func() bool {
				s := w.status()
				return s.Phase == v1beta1.PhaseInitializing && nameOf(s.Target) == "two" && nameOf(s.Replaces) == "podinfo"
			}, func() string { return tc.reason }, func() any { return w.status() })
			w.await("its primary is made", func() bool { return !w.gives("two-primary") && workload.SizeOf(w.live("two-primary")) == 2 })
			require.Equal(t, []string{"podinfo-primary", "podinfo-primary"}, []string{w.selector("podinfo"), w.selector("podinfo-primary")})
			require.Equal(t, "100/0", w.weights())
			if name != "Deleted" {
				require.Zero(t, workload.SizeOf(w.live("podinfo")), "it stays stopped")
			}
			w.healPods("two-primary", imageOne)
			w.pods.Fault(t, imageTwo, kubetest.None)
			w.awaitReplaced()
			require.Equal(t, []string{"two-primary", "two-primary", "two"}, []string{w.selector("podinfo"), w.selector("podinfo-primary"), w.selector("podinfo-canary")})
			w.await("nothing is left to be given back", func() bool { return w.status().Replaces == nil })
			if name != "Deleted" {
				w.await("it is its owner's again", func() bool { return w.targetReleased(2) })
			}
			w.awaitEvent(o, "Normal Retargeted two takes the place of podinfo."+w.ns)
			require.LessOrEqual(t, count(o, "New revision detected! Scaling up podinfo."), 1, "what was called off is not begun again")
			w.judge.goOn()
			d := w.live("two")
			before := d.DeepCopy()
			d.Spec.Template.Spec.Containers[0].Image = imageTwo
			require.NoError(t, w.Patch(t.Context(), d, client.MergeFrom(before)))
			w.awaitPhase(v1beta1.PhaseSucceeded)
			require.Equal(t, imageTwo, image(w.live("two-primary")))
		})
	}
}

// TestRetargetOfSamePods has both targets found by the same labels.
func TestRetargetOfSamePods(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.garbageCollect()
	w.begin(front)
	w.createTwo("podinfo")
	w.editCanary(toTwo)
	w.awaitReplaced()
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionTrue, "Deployment podinfo stays stopped, although it is no longer the target: Service podinfo-canary of this Canary selects its pods")
	require.Zero(t, workload.SizeOf(w.live("podinfo")))
	w.delete("podinfo")
	w.await("nobody else gets its requests any more", func() bool { return w.targetReleased(2) })
	w.await("the last target has its pods", func() bool { return workload.SizeOf(w.live("two")) == 2 })
}

// TestRetargetWithServices has the Services' names follow the target: who asks for the one before gets it.
func TestRetargetWithServices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	w.answered("podinfo")
	w.createTwo("two")
	w.editCanary(toTwo)
	w.awaitReplaced()
	w.await("it serves by itself", func() bool { return w.selector("podinfo") == "podinfo" && w.targetReleased(2) })
	w.await("nothing is left to be given back", func() bool { return w.status().Replaces == nil })
	require.Equal(t, []string{"two-primary", "two-primary", "two"}, []string{w.selector("two"), w.selector("two-primary"), w.selector("two-canary")})
	for _, gone := range []named{{virtualServiceKind, "podinfo"}, {serviceKind, "podinfo-primary"}, {serviceKind, "podinfo-canary"}} {
		require.False(t, w.there(gone.kind, gone.name), gone.name)
	}
	require.True(t, w.there(virtualServiceKind, "two"))
}

// TestRetargetIsTakenBack names the target before again, while the other one does not come up.
func TestRetargetIsTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(front)
	w.answered("podinfo", "podinfo-primary")
	w.createTwo("two")
	w.breakPods("two-primary", imageOne)
	w.editCanary(toTwo)
	w.await("its primary is made", func() bool { return !w.gives("two-primary") })
	w.editCanary(backToOne)
	w.eventually(func() bool {
		s := w.status()
		return s.Phase == v1beta1.PhaseInitialized && nameOf(s.Target) == "podinfo" && s.Replaces == nil && w.gives("two-primary")
	}, func() string { return "it does not go back" }, func() any { return w.status() })
	require.Equal(t, int32(1), workload.SizeOf(w.live("two")), "it was never taken")
	w.setImage(imageTwo)
	w.awaitPhase(v1beta1.PhaseSucceeded)
}

// TestRetargetedCanaryGoes deletes a Canary while its users are still with the primary of the target before.
func TestRetargetedCanaryGoes(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]struct {
		canary func(*v1beta1.Canary)
		delete func(w *world, o *operator)
	}{
		"Plain":  {canary: func(*v1beta1.Canary) {}, delete: func(w *world, _ *operator) { w.delete("podinfo") }},
		"Revert": {canary: revert, delete: func(w *world, _ *operator) { w.delete("podinfo") }},
		"Unseen": {canary: func(*v1beta1.Canary) {}, delete: func(w *world, o *operator) { w.deleteWhileDown(o); w.restart(0) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.garbageCollect()
			apex := w.createApexService()
			o := w.begin(front, end.canary)
			w.createTwo("two")
			w.breakPods("two-primary", imageOne)
			w.editCanary(toTwo)
			w.await("its primary is made", func() bool { return !w.gives("two-primary") })
			end.delete(w, o)
			w.await("the target before has its pods", func() bool { return w.targetReleased(2) })
			w.await("its Service leads to it", func() bool { return w.selector(apex.Name) == "podinfo" })
			require.Equal(t, int32(1), workload.SizeOf(w.live("two")), "it was never taken")
		})
	}
}

// TestRetargetOfOlderStatus has a status that does not say which target it is about.
func TestRetargetOfOlderStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin(front)
	o.stop()
	c := w.named("podinfo")
	before := c.DeepCopy()
	c.Status.Target = nil
	require.NoError(t, w.Status().Patch(t.Context(), c, client.MergeFrom(before)))
	w.createTwo("two")
	w.editCanary(toTwo)
	w.answered("podinfo", "podinfo-primary")
	w.restart(0)
	w.awaitReplaced()
	w.await("it is its owner's again", func() bool { return w.targetReleased(2) })
}
