package controller

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/analysis"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// regret is a judge whose rollback hook agrees once a promotion is under way.
type regret struct {
	*judge
	mu    sync.Mutex
	off   bool      // it does not agree
	late  bool      // only when the primary has got traffic back
	asked int       // in Promoting
	first time.Time // in Promoting
	last  time.Time
}

func (r *regret) Round(c *v1beta1.Canary) analysis.Answer {
	answer := r.judge.Round(c)
	return func(ctx context.Context, q rollout.Question) rollout.Finding {
		if q.Hook == nil || q.Hook.Moment() != v1beta1.RollbackHook {
			return answer(ctx, q)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		promoting := c.Status.Phase == v1beta1.PhasePromoting
		if promoting {
			r.asked++
			r.last = time.Now()
			if r.asked == 1 {
				r.first = r.last
			}
		}
		if early := r.late && c.Status.CanaryWeight > 50; r.off || early || !promoting {
			return rollout.Finding{Verdict: v1beta1.Failed}
		}
		return rollout.Finding{Verdict: v1beta1.Passed}
	}
}

// turn has the hook agree from now on, or not, and says how often it was asked in Promoting.
func (r *regret) turn(off bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.off = off
	return r.asked
}

// recallable makes a Canary whose promotion takes more than an interval, and that has a hook to take it back by.
func recallable(c *v1beta1.Canary) {
	c.Spec.Analysis.StepWeightPromotion = 50
	c.Spec.Analysis.Webhooks = []v1beta1.CanaryWebhook{{Name: "stop", Type: v1beta1.RollbackHook, URL: "http://gate"}}
	c.Spec.ProgressDeadlineSeconds = new(int32(3600))
}

// beginWithRollbackHook is begin with a judge that regrets.
func (w *world) beginWithRollbackHook(r *regret, tune ...func(*Reconciler)) *operator {
	w.Helper()
	require.NoError(w, w.Create(w.Context(), w.canary(recallable)))
	r.judge = w.judge
	o := start(w.T, w.ns, w.clock, r, 0, tune...)
	w.awaitPhase(v1beta1.PhaseInitialized)
	w.awaitTargetStopped()
	return o
}

// primaryOf is what of a primary a promotion that was taken back has to leave as it was.
type primaryOf struct {
	Template corev1.PodTemplateSpec
	Revision string
	Owners   []metav1.OwnerReference
	Labels   map[string]string
	Selector *metav1.LabelSelector
}

func likeness(o workload.Object) primaryOf {
	s := workload.SummaryOf(o)
	return primaryOf{
		Template: *s.Template, Revision: o.GetAnnotations()[workload.RevisionAnnotation],
		Owners: o.GetOwnerReferences(), Labels: o.GetLabels(), Selector: s.Selector,
	}
}

func TestPromotionIsTakenBack(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		world  func(*testing.T) *world
		given  func(*world)
	}{
		"Retreat":  {reason: "a primary that is up with the new revision returns to the old one", world: newWorld, given: func(*world) {}},
		"Starting": {reason: "so does one whose new pods do not come up", world: newWorld, given: func(w *world) { w.breakPods("podinfo-primary", imageTwo) }},
		"Configs": {
			reason: "configs that are the same in both revisions are no hindrance",
			world:  func(t *testing.T) *world { return configured(t) }, given: func(*world) {},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := tc.world(t)
			w.beginWithRollbackHook(&regret{})
			before, status := likeness(w.live("podinfo-primary")), w.status()
			tc.given(w)
			seen := w.history()
			w.setImage(imageTwo)
			w.awaitSettled(v1beta1.PhaseFailed, imageOne)
			require.Equal(t, before, likeness(w.live("podinfo-primary")), tc.reason)
			require.Equal(t, status.LastPromotedSpec, w.status().LastPromotedSpec)
			require.NotEqual(t, status.LastAppliedSpec, w.status().LastAppliedSpec, "what was recalled is not tried again")
			w.awaitCondition(v1beta1.ConditionPromoted, metav1.ConditionFalse, "Cause: the rollback hook stop asked for it.")
			require.Contains(t, seen(), "Promoting 0", "users are with the primary while it returns")

			w.judge.hold(50)
			w.setImage("podinfo:3")
			w.awaitWeights("50/50")
		})
	}
}

// TestPromotionIsTakenBackWithoutTarget has a target that somebody deleted: the primary is all that users have.
func TestPromotionIsTakenBackWithoutTarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := &regret{off: true}
	w.beginWithRollbackHook(r)
	before := likeness(w.live("podinfo-primary"))
	w.breakPods("podinfo-primary", imageTwo)
	w.setImage(imageTwo)
	w.await("the primary was given it", func() bool { return image(w.live("podinfo-primary")) == imageTwo })
	require.NoError(t, w.Delete(t.Context(), w.live("podinfo")))
	r.turn(false)
	w.awaitPhase(v1beta1.PhaseFailed)
	require.Equal(t, before, likeness(w.live("podinfo-primary")))
	require.Equal(t, int32(2), *w.live("podinfo-primary").Spec.Replicas)
}

// forbidden is an API server that does not let its history be read.
type forbidden struct{ client.Reader }

func (f forbidden) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if _, ok := list.(*appsv1.ReplicaSetList); ok {
		return apierrors.NewForbidden(appsv1.Resource("replicasets"), "", nil)
	}
	return f.Reader.List(ctx, list, opts...)
}

// TestPromotionCannotBeTakenBack goes on with a promotion, and says why, once.
func TestPromotionCannotBeTakenBack(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		world  func(*testing.T) *world
		given  func(*world)
		change func(*world)
		tune   func(*Reconciler)
		says   string
	}{
		"NoHistory": {
			reason: "a Deployment may be told to keep nothing",
			given: func(w *world) {
				w.editTarget(func(d *appsv1.Deployment) { d.Spec.RevisionHistoryLimit = new(int32(0)) })
			},
			says: "its history does not hold that revision",
		},
		"Configs": {
			reason: "a template without the configs that it ran with is not what passed",
			world:  func(t *testing.T) *world { return configured(t) },
			change: func(w *world) { w.setColor("green") }, says: "have another content by now",
		},
		"Forbidden": {
			reason: "a right that is missing holds nothing up", tune: func(r *Reconciler) { r.Live = forbidden{r.Live} },
			says: "its history must not be read",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.world == nil {
				tc.world = newWorld
			}
			w := tc.world(t)
			if tc.given != nil {
				tc.given(w)
			}
			tune := func(r *Reconciler) {
				if tc.tune != nil {
					tc.tune(r)
				}
			}
			o := w.beginWithRollbackHook(&regret{late: true}, tune)
			if tc.change != nil {
				tc.change(w)
			}
			w.setImage(imageTwo)
			w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
			said := strings.Join(o.events(), "\n")
			require.Equal(t, 1, strings.Count(said, "Rollback not possible"), "%s: %s", tc.reason, said)
			require.Contains(t, said, tc.says, tc.reason)
			require.Contains(t, said, "put podinfo."+w.ns+" back to it")
		})
	}
}

// TestHistoryIsReadForNobodyElse holds that a promotion costs no more where no hook could ask for anything.
func TestHistoryIsReadForNobodyElse(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		hook   bool
	}{
		"NoHook": {reason: "without a rollback hook nothing follows from it"},
		"Hook":   {reason: "with one it is read when that is asked", hook: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := &regret{judge: w.judge, off: true}
			require.NoError(t, w.Create(t.Context(), w.canary(recallable, every("60s"), func(c *v1beta1.Canary) {
				if !tc.hook {
					c.Spec.Analysis.Webhooks = nil
				}
			})))
			o := start(t, w.ns, w.clock, r, 0)
			w.awaitPhase(v1beta1.PhaseInitialized)
			w.setImage(imageTwo)
			w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
			reads, asked := o.Count("list", "replicasets"), r.turn(true)
			if !tc.hook {
				require.Zero(t, reads+asked, tc.reason)
				return
			}
			require.Positive(t, asked, tc.reason)
			intervals := int(r.last.Sub(r.first) * pace / time.Minute)
			require.LessOrEqual(t, asked, intervals+2, "once an interval, however many events there are")
			require.Positive(t, reads, tc.reason)
			require.LessOrEqual(t, reads, 10*(asked+1), "not at every event")
		})
	}
}

// TestRecallCrashAfterAnyWrite is TestCrashAfterAnyWrite for a promotion that is taken back.
func TestRecallCrashAfterAnyWrite(t *testing.T) {
	t.Parallel()
	want := outcome{phase: v1beta1.PhaseFailed, primary: imageOne, weights: "100/0", selector: "podinfo-primary"}
	run := func(t *testing.T, k int) int {
		w := newWorld(t)
		require.NoError(t, w.Create(t.Context(), w.canary(recallable)))
		return w.crashAfterJudgedBy(&regret{judge: w.judge}, k, func() { w.setImage(imageTwo) }, func() bool { return w.outcome() == want })
	}
	crashAfterAny(t, 9, run)
}

// TestDaemonSetRecallCrashAfterAnyWrite is the same for a DaemonSet, whose history is another.
func TestDaemonSetRecallCrashAfterAnyWrite(t *testing.T) {
	t.Parallel()
	want := outcome{phase: v1beta1.PhaseFailed, primary: imageOne, weights: "100/0", selector: "podinfo-primary"}
	run := func(t *testing.T, k int) int {
		w := newNodal(t)
		require.NoError(t, w.Create(t.Context(), w.canary(daemonic, recallable)))
		var before primaryOf
		change := func() { before = likeness(w.live("podinfo-primary")); w.setImage(imageTwo) }
		writes := w.crashAfterJudgedBy(&regret{judge: w.judge}, k, change, func() bool { return w.outcome() == want })
		require.Equal(t, before, likeness(w.live("podinfo-primary")))
		return writes
	}
	crashAfterAny(t, 9, run)
}
