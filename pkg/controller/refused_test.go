package controller

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// writes matches what is written to one object, however that is done.
func writes(resource, name string) func(*admissionv1.AdmissionRequest) bool {
	return func(r *admissionv1.AdmissionRequest) bool {
		return r.Resource.Resource == resource && r.Name == name && r.SubResource == "" && r.Operation != admissionv1.Delete
	}
}

// unreconciled waits until the condition says what is wrong.
func (w *world) unreconciled(text string) {
	w.Helper()
	w.awaitCondition(v1beta1.ConditionReconciled, metav1.ConditionFalse, text)
}

// stepped is a Canary of three steps, so that a rollout stands between them.
func stepped(c *v1beta1.Canary) {
	c.Spec.Analysis.StepWeight, c.Spec.Analysis.StepWeights, c.Spec.Analysis.MaxWeight = 0, []int{20, 40, 60}, 0
}

// standing has a rollout stand at its first weight until its interval is another one.
func (w *world) standing(image string) {
	w.Helper()
	w.editCanary(slowly)
	w.setImage(image)
	w.awaitWeights("80/20")
}

// failing has such a rollout be judged again, and fail; where it cannot be judged, soon.
func (w *world) failing() {
	w.Helper()
	w.judge.fail(-1)
	w.editCanary(func(c *v1beta1.Canary) {
		every("10s")(c)
		hasty(c)
	})
}

// TestFailingCanaryIsRolledBack has the server refuse something in mid-rollout that no request depends on, while
// checks begin to fail.
func TestFailingCanaryIsRolledBack(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		deny   func(testing.TB, string, string, func(*admissionv1.AdmissionRequest) bool) *kubetest.Denial
	}{
		"Denied": {reason: "a policy does not want it", deny: kubetest.Denies},
		"Fails":  {reason: "a webhook that the server asks does not answer", deny: kubetest.Fails},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			source := w.createAutoscaler()
			o := w.begin(scaled, stepped)
			w.standing(imageTwo)
			denial := tc.deny(t, w.ns, "not here", writes("horizontalpodautoscalers", "podinfo-primary"))
			source.Spec.MaxReplicas = 6
			require.NoError(t, w.Update(t.Context(), source))
			w.unreconciled("patch HorizontalPodAutoscaler podinfo-primary: ")
			w.unreconciled("not here")
			w.awaitEvent(o, "Warning RequestRefused patch HorizontalPodAutoscaler podinfo-primary")

			w.failing()
			w.awaitSettled(v1beta1.PhaseFailed, imageOne)
			w.awaitTargetStopped()
			w.unreconciled("not here")
			require.Equal(t, 1, count(o, "RequestRefused"), "it is told once")
			denial.Lift()
			w.awaitCondition(v1beta1.ConditionReconciled, metav1.ConditionTrue, "")
			w.awaitAutoscalerBounds(1, 6, "it is made so as soon as it may be")
		})
	}
}

// TestPassingCanaryIsHeld has the server refuse the same while checks pass.
func TestPassingCanaryIsHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source := w.createAutoscaler()
	w.begin(scaled, stepped)
	w.standing(imageTwo)
	denial := kubetest.Denies(t, w.ns, "not here", writes("horizontalpodautoscalers", "podinfo-primary"))
	source.Spec.MaxReplicas = 6
	require.NoError(t, w.Update(t.Context(), source))
	w.unreconciled("not here")
	w.editCanary(every("10s"))
	w.awaitCondition(v1beta1.ConditionWaiting, metav1.ConditionTrue, "keeps podinfo."+w.ns+" from going on: patch HorizontalPodAutoscaler podinfo-primary")
	check := w.status().NextCheck
	w.await("it goes on being judged", func() bool { return w.status().NextCheck.After(check.Time) })
	require.Equal(t, "80/20", w.weights(), "no step is taken")
	denial.Lift()
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
}

// TestNothingIsStartedWhileRefused has the server refuse something at rest.
func TestNothingIsStartedWhileRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source := w.createAutoscaler()
	w.begin(scaled)
	denial := kubetest.Denies(t, w.ns, "not here", writes("horizontalpodautoscalers", "podinfo-primary"))
	source.Spec.MaxReplicas = 6
	require.NoError(t, w.Update(t.Context(), source))
	w.unreconciled("not here")
	require.False(t, meta.IsStatusConditionTrue(w.status().Conditions, v1beta1.ConditionWaiting), "nothing is waited for at rest")
	require.True(t, meta.IsStatusConditionTrue(w.status().Conditions, v1beta1.ConditionValid), "the spec is not to blame")
	stored := w.named("podinfo").ResourceVersion
	for range 20 {
		w.editTarget(func(d *appsv1.Deployment) { metav1.SetMetaDataAnnotation(&d.ObjectMeta, "poked", d.ResourceVersion) })
	}
	require.Equal(t, stored, w.named("podinfo").ResourceVersion, "events store nothing")

	w.setImage(imageTwo)
	w.awaitCondition(v1beta1.ConditionWaiting, metav1.ConditionTrue, "patch HorizontalPodAutoscaler podinfo-primary")
	require.Equal(t, v1beta1.PhaseInitialized, w.status().Phase)
	denial.Lift()
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
}

// refusesWeight matches writes of a VirtualService that gives the canary a weight.
func refusesWeight(weight ...int64) func(*admissionv1.AdmissionRequest) bool {
	return func(r *admissionv1.AdmissionRequest) bool {
		route := &unstructured.Unstructured{}
		if !writes("virtualservices", "podinfo")(r) || route.UnmarshalJSON(r.Object.Raw) != nil {
			return false
		}
		for _, w := range weight {
			if splitOf(route)["podinfo-canary"] == w {
				return true
			}
		}
		return false
	}
}

// TestRouteIsRefused has the server refuse the weight of the second step.
func TestRouteIsRefused(t *testing.T) {
	t.Parallel()
	const told = "patch VirtualService podinfo: "
	for name, test := range map[string]func(*world, *operator, *kubetest.Denial){
		"Allowed": func(w *world, o *operator, denial *kubetest.Denial) {
			w.awaitCondition(v1beta1.ConditionWaiting, metav1.ConditionTrue, told)
			check := w.status().NextCheck
			w.await("it is judged by the requests that it gets", func() bool { return w.status().NextCheck.After(check.Time) })
			require.Equal(w, 2, w.status().Step)
			denial.Lift()
			w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
			require.Equal(w, 1, count(o, "Warning RequestRefused "+told))
		},
		"Failing": func(w *world, _ *operator, _ *kubetest.Denial) {
			w.judge.fail(-1)
			w.awaitSettled(v1beta1.PhaseFailed, imageOne)
			w.awaitCondition(v1beta1.ConditionReconciled, metav1.ConditionTrue, "")
		},
		"Deadline": func(w *world, _ *operator, _ *kubetest.Denial) {
			w.editCanary(hasty)
			w.awaitSettled(v1beta1.PhaseFailed, imageOne)
			w.awaitCondition(v1beta1.ConditionPromoted, metav1.ConditionFalse, "routes of podinfo."+w.ns+" were not taken: "+told)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			o := w.begin(stepped)
			denial := kubetest.Denies(t, w.ns, "not here", refusesWeight(40))
			w.setImage(imageTwo)
			w.unreconciled(told)
			require.Equal(t, "80/20", w.weights(), "users stay where they are")
			test(w, o, denial)
		})
	}
}

// TestRollbackIsRefused has the server refuse to take users away from a canary that failed.
func TestRollbackIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin(stepped)
	w.standing(imageTwo)
	denial := kubetest.Denies(t, w.ns, "not here", refusesWeight(0))
	w.failing()
	w.awaitPhase(v1beta1.PhaseFailed)
	w.awaitEvent(o, "Warning RollbackRefused podinfo."+w.ns+" was rolled back and may still get requests: patch VirtualService podinfo")
	tries := denial.Answered()
	w.await("it is tried again", func() bool { return denial.Answered() > tries+1 })
	require.Equal(t, "80/20", w.weights())
	require.Positive(t, w.live("podinfo").Status.AvailableReplicas, "it is not stopped while it is asked")
	denial.Lift()
	w.awaitSettled(v1beta1.PhaseFailed, imageOne)
	w.awaitTargetStopped()
	w.awaitCondition(v1beta1.ConditionReconciled, metav1.ConditionTrue, "")
	require.Equal(t, 1, count(o, "RollbackRefused"), "it is told once")
}

// TestStopIsRefused has the server refuse to stop a canary that was left: pods that nobody asks are no reason to keep users
// from where they are, but the next rollout would begin with them.
func TestStopIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(stepped)
	w.standing(imageTwo)
	denial := kubetest.Denies(t, w.ns, "not here", written("deployments", "podinfo", stopping))
	w.failing()
	w.awaitPhase(v1beta1.PhaseFailed)
	w.awaitWeights("100/0")
	w.unreconciled("patch Deployment podinfo: ")
	w.judge.fail(0)
	w.setImage(imageThree)
	w.awaitCondition(v1beta1.ConditionWaiting, metav1.ConditionTrue, "patch Deployment podinfo: ")
	require.Equal(t, v1beta1.PhaseFailed, w.status().Phase)
	denial.Lift()
	w.awaitSettled(v1beta1.PhaseSucceeded, imageThree)
}

// generated are the objects that a Canary has made for it, and what is called for when they are gone.
func (w *world) generated() map[string]client.Object {
	istio := func(kind, name string) client.Object {
		u := &unstructured.Unstructured{}
		u.SetAPIVersion("networking.istio.io/v1")
		u.SetKind(kind)
		u.SetName(name)
		return u
	}
	named := func(o client.Object, name string) client.Object { o.SetName(name); return o }
	return map[string]client.Object{
		"Service podinfo":                         named(&corev1.Service{}, "podinfo"),
		"Service podinfo-primary":                 named(&corev1.Service{}, "podinfo-primary"),
		"Service podinfo-canary":                  named(&corev1.Service{}, "podinfo-canary"),
		"HorizontalPodAutoscaler podinfo-primary": named(&autoscalingv2.HorizontalPodAutoscaler{}, "podinfo-primary"),
		"PodDisruptionBudget podinfo-primary":     named(&policyv1.PodDisruptionBudget{}, "podinfo-primary"),
		"DestinationRule podinfo-primary":         istio("DestinationRule", "podinfo-primary"),
		"VirtualService podinfo":                  istio("VirtualService", "podinfo"),
	}
}

// hang has an object be deleted, which somebody's finalizer keeps.
func (w *world) hang(obj client.Object) (release func()) {
	w.Helper()
	hold := func(held ...string) {
		require.NoError(w, w.Get(w.Context(), client.ObjectKeyFromObject(obj), obj))
		before := obj.DeepCopyObject().(client.Object)
		obj.SetFinalizers(held)
		require.NoError(w, w.Patch(w.Context(), obj, client.MergeFrom(before)))
	}
	obj.SetNamespace(w.ns)
	hold("example.com/wait")
	w.Cleanup(func() {
		if w.Get(context.Background(), client.ObjectKeyFromObject(obj), obj) == nil {
			obj.SetFinalizers(nil)
			_ = w.Update(context.Background(), obj)
		}
	})
	require.NoError(w, w.Delete(w.Context(), obj))
	return func() { hold() }
}

// eachGenerated is a test of each generated object in mid-rollout.
func eachGenerated(t *testing.T, test func(t *testing.T, w *world, name string, obj client.Object)) {
	t.Helper()
	for name := range (&world{}).generated() {
		t.Run(strings.ReplaceAll(name, " ", "/"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.createAutoscaler()
			w.protect("podinfo", "podinfo")
			w.begin(scaled, stepped)
			w.standing(imageTwo)
			test(t, w, name, w.generated()[name])
		})
	}
}

// TestObjectHangsInDeletion has somebody delete each of the generated objects in mid-rollout, and a finalizer keep it.
func TestObjectHangsInDeletion(t *testing.T) {
	t.Parallel()
	eachGenerated(t, func(t *testing.T, w *world, name string, obj client.Object) {
		release := w.hang(obj)
		w.unreconciled("create " + name + ": it is being deleted, and held by the finalizers example.com/wait")
		w.failing()
		w.awaitPhase(v1beta1.PhaseFailed)
		if name != "VirtualService podinfo" {
			w.awaitWeights("100/0")
		}
		release()
		w.awaitSettled(v1beta1.PhaseFailed, imageOne)
		w.awaitCondition(v1beta1.ConditionReconciled, metav1.ConditionTrue, "")
		w.await("it is made again", func() bool {
			return w.Get(t.Context(), client.ObjectKeyFromObject(obj), obj) == nil && obj.GetDeletionTimestamp() == nil
		})
	})
}

// TestPrimaryHangsInDeletion has the same with the primary, at rest.
func TestPrimaryHangsInDeletion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	release := w.hang(w.live("podinfo-primary"))
	const told = "create Deployment podinfo-primary: it is being deleted"
	w.unreconciled(told)
	w.awaitCondition(v1beta1.ConditionWaiting, metav1.ConditionTrue, told)
	release()
	w.awaitSettled(v1beta1.PhaseInitialized, imageOne)
}

// TestObjectIsRefused has the server refuse to make each of the generated objects again, in mid-rollout.
func TestObjectIsRefused(t *testing.T) {
	t.Parallel()
	eachGenerated(t, func(t *testing.T, w *world, name string, obj client.Object) {
		denial := kubetest.Denies(t, w.ns, "not here", func(r *admissionv1.AdmissionRequest) bool {
			return r.Kind.Kind+" "+r.Name == name && r.Operation == admissionv1.Create
		})
		obj.SetNamespace(w.ns)
		require.NoError(t, w.Delete(t.Context(), obj))
		w.unreconciled("create " + name + ": ")
		w.failing()
		w.awaitPhase(v1beta1.PhaseFailed)
		switch name {
		case "VirtualService podinfo": // there is none
		case "Service podinfo-primary", "DestinationRule podinfo-primary":
			require.Equal(t, "80/20", w.weights(), "users are not led to what is not there")
		default:
			w.awaitWeights("100/0")
		}
		denial.Lift()
		w.awaitSettled(v1beta1.PhaseFailed, imageOne)
		w.awaitCondition(v1beta1.ConditionReconciled, metav1.ConditionTrue, "")
	})
}

// TestCopyIsRefused has the server refuse to copy a config that passed: its primary would wait for it for ever.
func TestCopyIsRefused(t *testing.T) {
	t.Parallel()
	w := configured(t)
	w.begin()
	denial := kubetest.Denies(t, w.ns, "not here", writes("configmaps", "settings-primary"))
	before := w.live("podinfo-primary").Generation
	w.setColor("green")
	w.unreconciled("patch ConfigMap settings-primary: ")
	w.awaitCondition(v1beta1.ConditionWaiting, metav1.ConditionTrue, "patch ConfigMap settings-primary: ")
	require.Equal(t, v1beta1.PhasePromoting, w.status().Phase)
	require.Equal(t, before, w.live("podinfo-primary").Generation, "pods that replace the present ones would wait for it")
	denial.Lift()
	w.awaitSettled(v1beta1.PhaseSucceeded, imageOne)
	require.Equal(t, "green", w.colorOf("settings-primary"))
}

// TestScaledObjectIsRefused has the server refuse to let go of the target's scaler, which would stop the canary again.
func TestScaledObjectIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.scaledObject()
	w.begin(ruled)
	denial := kubetest.Denies(t, w.ns, "not here", writes("scaledobjects", "podinfo"))
	w.setImage(imageTwo)
	w.unreconciled("patch ScaledObject podinfo: ")
	w.awaitCondition(v1beta1.ConditionWaiting, metav1.ConditionTrue, "patch ScaledObject podinfo: ")
	require.Zero(t, workload.SizeOf(w.live("podinfo")))
	denial.Lift()
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
}

// TestTakenBySomebody has somebody else become the controller of an object, the primary too.
func TestTakenBySomebody(t *testing.T) {
	t.Parallel()
	for name, obj := range map[string]client.Object{
		"HorizontalPodAutoscaler": &autoscalingv2.HorizontalPodAutoscaler{}, "Deployment": &appsv1.Deployment{},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.createAutoscaler()
			w.begin(scaled, stepped)
			w.standing(imageTwo)
			obj.SetNamespace(w.ns)
			obj.SetName("podinfo-primary")
			w.rewrite(obj, "app", func() {
				obj.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "app", UID: "1", Controller: new(true)}})
			})
			w.unreconciled("patch " + name + ` podinfo-primary: it is controlled by ConfigMap "app"`)
			w.failing()
			w.awaitPhase(v1beta1.PhaseFailed)
			w.awaitWeights("100/0")
		})
	}
}

// rights are all rights on what an operator needs, but for what is taken away: `networking.istio.io/virtualservices create`.
func rights(resource string, verbs ...string) []rbacv1.PolicyRule {
	group, resource, _ := strings.Cut(resource, "/")
	others := map[string][]string{
		"":                    {"services", "configmaps", "secrets", "pods", "events"},
		"networking.istio.io": {"virtualservices", "destinationrules"},
	}
	rules := everythingBut(group)
	for _, other := range others[group] {
		rule := rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{other}, Verbs: []string{"*"}}
		if other == resource {
			rule.Verbs = verbs
		}
		rules = append(rules, rule)
	}
	return rules
}

// allow gives the operator's account a right that it lacks.
func (w *world) allow(resource string) {
	w.Helper()
	role := &rbacv1.Role{}
	require.NoError(w, w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: "operator-" + w.ns}, role))
	for i := range role.Rules {
		if role.Rules[i].Resources[0] == resource {
			role.Rules[i].Verbs = []string{"*"}
		}
	}
	require.NoError(w, w.Update(w.Context(), role))
}

// entrust starts an operator with an account that has some rights only.
func (w *world) entrust(rules []rbacv1.PolicyRule) *operator {
	w.Helper()
	o := &operator{Crasher: &kubetest.Crasher{}}
	o.launch(w.T, w.entitled(rules...), w.ns, w.clock, w.judge)
	return o
}

// TestRoutesMayNotBeMade has an operator that may do everything with routes but make them.
func TestRoutesMayNotBeMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.Create(t.Context(), w.canary()))
	o := w.entrust(rights("networking.istio.io/virtualservices", "get", "list", "watch", "update", "patch"))
	const told = `cannot create resource "virtualservices" in API group "networking.istio.io"`
	w.unreconciled("create VirtualService podinfo: ")
	w.unreconciled(told)
	w.awaitCondition(v1beta1.ConditionWaiting, metav1.ConditionTrue, told)
	w.awaitEvent(o, "Warning RequestRefused create VirtualService podinfo")
	require.Equal(t, v1beta1.PhaseInitializing, w.status().Phase, "it is not initialised before its routes are there")
	require.Zero(t, count(o, "Normal Initialized"))
	require.Equal(t, int32(2), workload.SizeOf(w.live("podinfo")), "the target is not stopped")
	w.allow("virtualservices")
	w.awaitSettled(v1beta1.PhaseInitialized, imageOne)
	w.awaitTargetStopped()
}

// TestSecretsMayNotBeRead has an operator that may not read what the target's pods use.
func TestSecretsMayNotBeRead(t *testing.T) {
	t.Parallel()
	blind := rights("/secrets", "list", "watch", "create", "update", "patch")
	t.Run("First", func(t *testing.T) {
		t.Parallel()
		w := configured(t)
		require.NoError(t, w.Create(t.Context(), w.canary()))
		o := w.entrust(blind)
		w.unreconciled(`cannot get resource "secrets"`)
		w.awaitEvent(o, "Warning ReconcileFailed")
		require.Empty(t, w.status().Phase, "nothing has begun")
		w.allow("secrets")
		w.awaitSettled(v1beta1.PhaseInitialized, imageOne)
		w.awaitCondition(v1beta1.ConditionReconciled, metav1.ConditionTrue, "")
	})
	t.Run("InMidRollout", func(t *testing.T) {
		t.Parallel()
		w := configured(t)
		o := w.begin(stepped)
		w.standing(imageTwo)
		o.stop()
		w.entrust(blind)
		w.unreconciled("get Secret token: ")
		w.failing()
		w.awaitSettled(v1beta1.PhaseFailed, imageOne)
	})
}

// TestPodsMayNotBeListed has an operator that may not see why a canary does not come up.
func TestPodsMayNotBeListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(hasty).stop()
	w.breakPods("podinfo", imageBad)
	w.entrust(rights("/pods", "get"))
	w.setImage(imageBad)
	w.unreconciled("list pods of podinfo: ")
	w.awaitSettled(v1beta1.PhaseFailed, imageOne)
}

// TestDeletionIsRefused has the server refuse to delete what nothing calls for any more.
func TestDeletionIsRefused(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]func(*world) (release func()){
		"Denied": func(w *world) func() {
			return kubetest.Denies(w, w.ns, "not here", func(r *admissionv1.AdmissionRequest) bool {
				return r.Operation == admissionv1.Delete && r.Name == "podinfo-primary"
			}).Lift
		},
		"Hangs": func(w *world) func() {
			b := w.budget("podinfo-primary")
			b.Finalizers = []string{"example.com/wait"}
			require.NoError(w, w.Update(w.Context(), b))
			return func() {
				b := w.budget("podinfo-primary")
				b.Finalizers = nil
				require.NoError(w, w.Update(w.Context(), b))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			source := w.protect("podinfo", "podinfo")
			w.begin(stepped)
			w.standing(imageTwo)
			release := keep(w)
			require.NoError(t, w.Delete(t.Context(), source))
			w.unreconciled("delete PodDisruptionBudget podinfo-primary: ")
			w.failing()
			w.awaitSettled(v1beta1.PhaseFailed, imageOne)
			release()
			w.awaitCondition(v1beta1.ConditionReconciled, metav1.ConditionTrue, "")
			require.Nil(t, w.budget("podinfo-primary"))
		})
	}
}

// TestGivingBackIsRefused has the server refuse to give an apex Service back, which keeps its Canary.
func TestGivingBackIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.createApexService()
	w.garbageCollect()
	w.begin(revert)
	released := func(o *metav1.PartialObjectMetadata) bool { return kube.AppliedAt(o).IsZero() }
	denial := kubetest.Denies(t, w.ns, "not here", written("services", "podinfo", released))
	require.NoError(t, w.Delete(t.Context(), w.named("podinfo")))
	w.unreconciled("patch Service podinfo: ")
	require.Equal(t, v1beta1.PhaseTerminated, w.status().Phase)
	denial.Lift()
	w.gone(&v1beta1.Canary{}, "podinfo")
	require.Equal(t, "podinfo", w.selector("podinfo"))
}

// TestFinalizerIsRefused has the server refuse the finalizer of a new Canary.
func TestFinalizerIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	denial := kubetest.Denies(t, w.ns, "not here", func(r *admissionv1.AdmissionRequest) bool {
		return r.Resource.Resource == "canaries" && r.SubResource == "" && r.Operation == admissionv1.Update
	})
	w.run(revert)
	w.unreconciled("patch Canary podinfo: ")
	require.Equal(t, v1beta1.PhaseInitializing, w.status().Phase)
	require.Empty(t, w.selector("podinfo-primary"), "nothing is taken that could not be given back")
	denial.Lift()
	w.awaitSettled(v1beta1.PhaseInitialized, imageOne)
	require.Equal(t, []string{v1beta1.Finalizer}, w.named("podinfo").Finalizers)
}

// unanswered is a reader of Deployments that the API server does not answer, for as long as it is told so.
type unanswered struct {
	client.Reader
	on atomic.Bool
}

func (u *unanswered) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if _, ok := obj.(*appsv1.Deployment); ok && u.on.Load() {
		return errors.New("etcdserver: request timed out")
	}
	return u.Reader.Get(ctx, key, obj, opts...)
}

// TestServerDoesNotAnswer has the target not be read for a long time.
func TestServerDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.Create(t.Context(), w.canary()))
	u := &unanswered{}
	o := start(t, w.ns, w.clock, w.judge, 0, func(r *Reconciler) { u.Reader, r.Live = r.Live, u })
	w.awaitPhase(v1beta1.PhaseInitialized)
	w.awaitTargetStopped()
	u.on.Store(true)
	w.setImage(imageTwo)
	w.unreconciled(`read deployment "podinfo": etcdserver: request timed out`)
	w.awaitEvent(o, "Warning ReconcileFailed")
	u.on.Store(false)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	w.awaitCondition(v1beta1.ConditionReconciled, metav1.ConditionTrue, "")
	require.Equal(t, 1, count(o, "ReconcileFailed"), "it is told once")
}

func TestFailuresThatLastAreTold(t *testing.T) {
	t.Parallel()
	f, key, now := &failures{}, types.NamespacedName{Name: "podinfo"}, time.Now()
	slow, other := errors.New("no answer"), errors.New("another")
	after := func(d time.Duration, err error) bool { now = now.Add(d); return f.due(key, err, now) }
	require.False(t, after(0, slow), "it may be over in a moment")
	require.False(t, after(9*time.Second, other))
	require.True(t, after(time.Second, slow), "it lasts")
	require.False(t, after(time.Second, slow), "it is told")
	require.False(t, after(time.Second, other), "words that change all the time are not written each time")
	require.True(t, after(time.Minute, other))
	require.False(t, after(0, nil))
	require.Empty(t, f.all, "nothing is kept of what is over")
	require.False(t, after(time.Hour, slow), "it begins anew")
	require.False(t, after(0, nil))
	require.True(t, after(0, apierrors.NewForbidden(schema.GroupResource{}, "podinfo", nil)), "the server means what it says")
}
