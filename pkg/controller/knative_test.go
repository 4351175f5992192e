package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// knative is a world with a Service of Knative's in it, and who plays Knative.
type knative struct{ *world }

func newKnative(t *testing.T) *knative {
	t.Helper()
	k := &knative{newEmptyWorld(t)}
	k.play()
	u := k.blank()
	u.SetLabels(map[string]string{"team": "payments"})
	require.NoError(t, unstructured.SetNestedMap(u.Object, template(imageOne, ""), "spec", "template"))
	require.NoError(t, k.Create(t.Context(), u, client.FieldOwner("argocd")))
	k.await("it is ready", func() bool { return k.ready() == "podinfo-00001" })
	return k
}

func template(image, name string) map[string]any {
	t := map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"image": image}}}}
	if name != "" {
		t["metadata"] = map[string]any{"name": name}
	}
	return t
}

func (k *knative) blank() *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(workload.KnativeService())
	u.SetNamespace(k.ns)
	u.SetName("podinfo")
	return u
}

// play does what Knative's controllers do of a Service: each template that they have not seen is a new revision, which
// is ready a moment later, unless it is bad. Revisions that the template names come back under their names.
func (k *knative) play() {
	k.Helper()
	c, err := client.NewWithWatch(kubetest.Config(k), client.Options{Scheme: k.Scheme()})
	require.NoError(k, err)
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(workload.KnativeService())
	watching, err := c.Watch(k.Context(), list, client.InNamespace(k.ns))
	require.NoError(k, err)
	go func() {
		seen := &revisions{}
		for e := range watching.ResultChan() {
			u, ok := e.Object.(*unstructured.Unstructured)
			if !ok || u.GetDeletionTimestamp() != nil {
				continue
			}
			before := u.DeepCopy()
			if seen.follow(u) {
				_ = c.Status().Patch(context.WithoutCancel(k.Context()), u, client.MergeFrom(before)) // the next event tells
			}
		}
	}()
}

// revisions are those that were made of one Service.
type revisions struct {
	made int
	last string
}

// follow brings the status a step further, and says whether there was one.
func (r *revisions) follow(u *unstructured.Unstructured) bool {
	raw, _ := json.Marshal(u.Object["spec"].(map[string]any)["template"])
	status, _ := u.Object["status"].(map[string]any)
	if status == nil {
		status = map[string]any{}
	}
	condition := map[string]any{"type": "ConfigurationsReady", "status": "Unknown"}
	created, _ := status["latestCreatedRevisionName"].(string)
	switch {
	case string(raw) != r.last:
		r.made++
		r.last = string(raw)
		name, _, _ := unstructured.NestedString(u.Object, "spec", "template", "metadata", "name")
		if name == "" {
			name = fmt.Sprintf("%s-%05d", u.GetName(), r.made)
		}
		status["latestCreatedRevisionName"] = name
	case strings.Contains(r.last, imageBad):
		condition = map[string]any{"type": "ConfigurationsReady", "status": "False", "reason": "RevisionFailed", "message": "container exits with 1"}
	default:
		status["latestReadyRevisionName"] = created
		condition["status"] = "True"
	}
	next := map[string]any{"observedGeneration": u.GetGeneration(), "conditions": []any{condition}}
	for k, v := range status {
		if _, ok := next[k]; !ok {
			next[k] = v
		}
	}
	before, _ := json.Marshal(u.Object["status"])
	after, _ := json.Marshal(next)
	u.Object["status"] = next
	return string(before) != string(after)
}

func (k *knative) service() *unstructured.Unstructured {
	k.Helper()
	u := k.blank()
	require.NoError(k, k.Get(k.Context(), client.ObjectKeyFromObject(u), u))
	return u
}

func (k *knative) ready() string {
	k.Helper()
	name, _, _ := unstructured.NestedString(k.service().Object, "status", "latestReadyRevisionName")
	return name
}

// deploy changes the template as a person does, and nothing else.
func (k *knative) deploy(image, name string) {
	k.Helper()
	t := template(image, name)
	if name == "" {
		t["metadata"] = nil
	}
	raw, err := json.Marshal(map[string]any{"spec": map[string]any{"template": t}})
	require.NoError(k, err)
	require.NoError(k, k.Patch(k.Context(), k.blank(), client.RawPatch(types.MergePatchType, raw), client.FieldOwner("kubectl-edit")))
}

// promoted is what the note says.
func (k *knative) promoted() string {
	return k.service().GetAnnotations()[v1beta1.PrimaryRevisionAnnotation]
}

// traffic is `podinfo-00002=50 podinfo-00001=50`.
func (k *knative) traffic() string {
	k.Helper()
	list, _, err := unstructured.NestedSlice(k.service().Object, "spec", "traffic")
	require.NoError(k, err)
	var shares []string
	for _, one := range list {
		m := one.(map[string]any)
		name, _ := m["revisionName"].(string)
		if m["latestRevision"] == true {
			name = "latest"
		}
		shares = append(shares, fmt.Sprintf("%s=%d", name, m["percent"]))
	}
	return strings.Join(shares, " ")
}

func (k *knative) awaitWeights(want string) {
	k.Helper()
	k.await("traffic is "+want, func() bool { return k.traffic() == want })
}

// begin is run until the Canary rests.
func (k *knative) begin(change ...func(*v1beta1.Canary)) *operator {
	k.Helper()
	o := k.run(append([]func(*v1beta1.Canary){serverless}, change...)...)
	k.awaitPhase(v1beta1.PhaseInitialized)
	k.awaitWeights("latest=0 podinfo-00001=100")
	require.Equal(k, "podinfo-00001", k.promoted())
	return o
}

func serverless(c *v1beta1.Canary) {
	c.Spec.Provider = "knative"
	c.Spec.TargetRef = v1beta1.TargetRef{APIVersion: "serving.knative.dev/v1", Kind: "Service", Name: "podinfo"}
	c.Spec.Service = v1beta1.CanaryService{}
}

// TestKnative rolls Services of Knative's out on a server that has their API, which others need to be missing.
func TestKnative(t *testing.T) {
	elsewhere(t, ownCRDs, istioCRDs(), testdata("knative")(t))
	for name, test := range map[string]func(*testing.T){
		"Good": knativeGood, "Bad": knativeBad, "NeverReady": knativeNeverReady, "NewRevision": knativeNewRevision,
		"PutBack": knativePutBack, "Deleted": knativeDeleted, "Reverted": knativeReverted, "Drift": knativeDrift,
		"Forgotten": knativeForgotten, "OtherProvider": knativeOtherProvider, "OtherTarget": knativeOtherTarget,
		"Restart": knativeRestart, "Adopted": knativeAdopted,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t) })
	}
}

func knativeGood(t *testing.T) {
	k := newKnative(t)
	k.begin()
	k.judge.hold(50)
	k.deploy(imageTwo, "")
	k.awaitWeights("podinfo-00002=50 podinfo-00001=50")
	require.Equal(t, "podinfo-00001", k.promoted())
	require.Equal(t, "r1-podinfo-00002", k.status().LastAppliedSpec, "it is Knative's own name")
	k.judge.hold(100)
	k.awaitWeights("podinfo-00002=100 podinfo-00001=0")
	k.judge.goOn()
	k.awaitPhase(v1beta1.PhaseSucceeded)
	k.awaitWeights("latest=0 podinfo-00002=100")
	require.Equal(t, "podinfo-00002", k.promoted())
	k.untouched()
}

// untouched asserts that nothing of the Service was set but traffic and the note, and that nothing was made beside it.
func (k *knative) untouched() {
	k.Helper()
	u := k.service()
	require.Equal(k, map[string]string{"team": "payments"}, u.GetLabels())
	require.Empty(k, u.GetOwnerReferences())
	var ours []string
	for _, e := range u.GetManagedFields() {
		if e.Manager == kube.FieldManager {
			ours = append(ours, string(e.FieldsV1.GetRawBytes()))
		}
	}
	require.ElementsMatch(k, []string{
		`{"f:spec":{"f:traffic":{}}}`,
		`{"f:metadata":{"f:annotations":{".":{},"f:flagger.app/primary-revision":{}}}}`,
	}, ours)
	for _, kind := range []string{"Service", "Pod"} {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion("v1")
		list.SetKind(kind)
		require.NoError(k, k.List(k.Context(), list, client.InNamespace(k.ns)))
		require.Empty(k, list.Items)
	}
}

func knativeBad(t *testing.T) {
	k := newKnative(t)
	k.begin()
	k.judge.fail(-1)
	k.judge.hold(50)
	k.deploy(imageTwo, "")
	k.awaitWeights("podinfo-00002=50 podinfo-00001=50")
	k.judge.goOn()
	k.awaitPhase(v1beta1.PhaseFailed)
	k.awaitWeights("latest=0 podinfo-00001=100")
	require.Equal(t, "podinfo-00001", k.promoted())

	k.judge.fail(0)
	k.deploy(imageOne, "") // Knative makes a third revision of the first template
	k.awaitPhase(v1beta1.PhaseSucceeded)
	k.awaitWeights("latest=0 podinfo-00003=100")
}

// knativeNeverReady gives up what Knative has given up.
func knativeNeverReady(t *testing.T) {
	k := newKnative(t)
	o := k.begin()
	k.deploy(imageBad, "")
	k.awaitPhase(v1beta1.PhaseFailed)
	require.Equal(t, "latest=0 podinfo-00001=100", k.traffic(), "nobody has met it")
	k.await("it is told why", func() bool {
		return strings.Contains(strings.Join(o.events(), "\n"), "RevisionFailed: container exits with 1")
	})
}

// knativeNewRevision deploys a third revision while half of the users are with the second.
func knativeNewRevision(t *testing.T) {
	k := newKnative(t)
	k.begin(slowly)
	k.deploy(imageTwo, "")
	k.awaitWeights("podinfo-00002=50 podinfo-00001=50")
	k.deploy("podinfo:3", "")
	k.await("it starts again", func() bool { return k.status().LastAppliedSpec == "r1-podinfo-00003" })
	k.awaitWeights("podinfo-00003=50 podinfo-00001=50")
	k.editCanary(every("10s"))
	k.awaitPhase(v1beta1.PhaseSucceeded)
	k.awaitWeights("latest=0 podinfo-00003=100")
	require.Equal(t, "podinfo-00003", k.promoted())
}

// knativePutBack puts the template back whose revision is promoted, by its name.
func knativePutBack(t *testing.T) {
	k := newKnative(t)
	k.begin(slowly)
	k.deploy(imageTwo, "")
	k.awaitWeights("podinfo-00002=50 podinfo-00001=50")
	k.deploy(imageOne, "podinfo-00001")
	k.awaitWeights("latest=0 podinfo-00001=100")
	k.await("nothing is rolled out any more", func() bool { return k.status().Phase != v1beta1.PhaseProgressing })
	require.Equal(t, 0, k.status().FailedChecks, "it is no failure")
	require.Equal(t, "podinfo-00001", k.promoted())
}

// knativeDeleted gives the Service back though nothing waited for it.
func knativeDeleted(t *testing.T) {
	k := newKnative(t)
	k.begin()
	k.delete("podinfo")
	k.givenBack()
}

// knativeReverted gives it back before the Canary goes, in the middle of a rollout.
func knativeReverted(t *testing.T) {
	k := newKnative(t)
	k.begin(revert, slowly)
	k.deploy(imageTwo, "")
	k.awaitWeights("podinfo-00002=50 podinfo-00001=50")
	k.delete("podinfo")
	require.Empty(t, k.promoted())
	k.givenBack()
}

func (k *knative) givenBack() {
	k.Helper()
	k.awaitWeights("latest=100")
	k.await("the note is gone", func() bool { return k.promoted() == "" })
	k.await("nothing is ours", func() bool {
		for _, e := range k.service().GetManagedFields() {
			if e.Manager == kube.FieldManager && e.Operation == metav1.ManagedFieldsOperationApply {
				return false
			}
		}
		return true
	})
	require.Equal(k, "latest=100", k.traffic(), "fields that belong to nobody stay")
}

// knativeDrift has somebody lead everybody to what is judged.
func knativeDrift(t *testing.T) {
	k := newKnative(t)
	o := k.begin(slowly)
	k.deploy(imageTwo, "")
	k.awaitWeights("podinfo-00002=50 podinfo-00001=50")
	raw := []byte(`{"spec":{"traffic":[{"latestRevision":true,"percent":100}]}}`)
	require.NoError(t, k.Patch(t.Context(), k.blank(), client.RawPatch(types.MergePatchType, raw), client.FieldOwner("kubectl-edit")))
	k.awaitWeights("podinfo-00002=50 podinfo-00001=50")
	k.awaitEvent(o, "Warning DriftCorrected Service podinfo was changed by somebody else, put back")
	require.Equal(t, 50, k.status().CanaryWeight, "the rollout is where it was")
}

// knativeForgotten has somebody take the note away, in a rollout and at rest.
func knativeForgotten(t *testing.T) {
	k := newKnative(t)
	k.begin(slowly)
	forget := func() {
		raw := []byte(`{"metadata":{"annotations":{"flagger.app/primary-revision":null}}}`)
		require.NoError(t, k.Patch(t.Context(), k.blank(), client.RawPatch(types.MergePatchType, raw), client.FieldOwner("kubectl-edit")))
	}
	forget()
	k.await("it is there again", func() bool { return k.promoted() == "podinfo-00001" })
	k.awaitPhase(v1beta1.PhaseInitialized)
	k.deploy(imageTwo, "")
	k.awaitWeights("podinfo-00002=50 podinfo-00001=50")
	forget()
	k.await("it is there again", func() bool { return k.promoted() == "podinfo-00001" })
	require.Equal(t, "podinfo-00002=50 podinfo-00001=50", k.traffic())
	k.editCanary(every("10s"))
	k.awaitPhase(v1beta1.PhaseSucceeded)
	k.awaitWeights("latest=0 podinfo-00002=100")
}

// knativeOtherProvider is told when its provider is the operator's, which the API server cannot know.
func knativeOtherProvider(t *testing.T) {
	k := newKnative(t)
	k.run(serverless, func(c *v1beta1.Canary) { c.Spec.Provider = "" })
	k.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse,
		"spec.provider: istio cannot divide requests between the revisions of a Service of serving.knative.dev/v1, this can: knative")
	require.Empty(t, k.traffic(), "nothing was changed")
	require.Empty(t, k.promoted())
}

// knativeOtherTarget is refused by the API server, and by the operator where it is the provider of all.
func knativeOtherTarget(t *testing.T) {
	w := newWorld(t)
	err := w.Create(t.Context(), w.canary(func(c *v1beta1.Canary) { c.Spec.Provider = "knative" }))
	require.True(t, apierrors.IsInvalid(err), "%v", err)
	require.NoError(t, w.Create(t.Context(), w.canary()))
	start(t, w.ns, w.clock, w.judge, 0, func(r *Reconciler) { r.Routers.Default = "knative" })
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, "spec.targetRef: apps/v1 Deployment cannot be rolled out by provider knative")
	require.Equal(t, int32(2), workload.SizeOf(w.live("podinfo")))
}

// knativeRestart writes nothing when another process of the operator begins.
func knativeRestart(t *testing.T) {
	k := newKnative(t)
	k.begin().stop()
	before := k.service().GetGeneration()
	start(t, k.ns, k.clock, k.judge, 0)
	k.deploy(imageTwo, "")
	k.awaitPhase(v1beta1.PhaseSucceeded)
	require.Equal(t, before+5, k.service().GetGeneration(), "a template, two steps, the promotion and the way back")
}

// knativeAdopted goes on from where another controller of this API has left the Service.
func knativeAdopted(t *testing.T) {
	k := newKnative(t)
	raw := []byte(`{"metadata":{"annotations":{"flagger.app/primary-revision":"podinfo-00001"}},
		"spec":{"traffic":[{"latestRevision":true,"percent":0},{"revisionName":"podinfo-00001","percent":100}]}}`)
	require.NoError(t, k.Patch(t.Context(), k.blank(), client.RawPatch(types.MergePatchType, raw), client.FieldOwner("flagger")))
	c := k.canary(serverless)
	require.NoError(t, k.Create(t.Context(), c))
	c.Status = v1beta1.CanaryStatus{Phase: v1beta1.PhaseSucceeded, LastAppliedSpec: "5f8d6c7b9", LastPromotedSpec: "5f8d6c7b9"}
	require.NoError(t, k.Status().Update(t.Context(), c))
	start(t, k.ns, k.clock, k.judge, 0)
	k.await("it is adopted", func() bool { return k.status().LastPromotedSpec == "r1-podinfo-00001" })
	require.Equal(t, "latest=0 podinfo-00001=100", k.traffic())
	require.Equal(t, v1beta1.PhaseSucceeded, k.status().Phase)
	k.judge.hold(50)
	k.deploy(imageTwo, "")
	k.awaitWeights("podinfo-00002=50 podinfo-00001=50")
	k.judge.goOn()
	k.awaitPhase(v1beta1.PhaseSucceeded)
	k.awaitWeights("latest=0 podinfo-00002=100")
}
