package controller

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/observe"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// firstFields are those of the status as it was before anything was stored of what was told, of halts and of steps, and
// before analysis.
var firstFields = []string{
	"phase", "failedChecks", "canaryWeight", "iterations", "sessionAffinityCookie", "primarySessionAffinityCookie", "previousSessionAffinityCookie",
	"trackedConfigs", "lastAppliedSpec", "lastPromotedSpec", "lastTransitionTime", "conditions", "observedGeneration", "promoting", "step",
	"nextCheck", "since", "matched", "actualWeight", "primaryReplicas",
}

// firstDefinition is a directory with our definitions, that of Canaries as it was then.
func firstDefinition(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(ownCRDs, "flagger.app_canaries.yaml"))
	require.NoError(t, err)
	crd := map[string]any{}
	require.NoError(t, yaml.Unmarshal(text, &crd))
	versions, _, err := unstructured.NestedSlice(crd, "spec", "versions")
	require.NoError(t, err)
	status := []string{"schema", "openAPIV3Schema", "properties", "status", "properties"}
	fields, _, err := unstructured.NestedMap(versions[0].(map[string]any), status...)
	require.NoError(t, err)
	maps.DeleteFunc(fields, func(name string, _ any) bool { return !slices.Contains(firstFields, name) })
	require.Len(t, fields, len(firstFields))
	require.NoError(t, unstructured.SetNestedMap(versions[0].(map[string]any), fields, status...))
	require.NoError(t, unstructured.SetNestedSlice(crd, versions, "spec", "versions"))
	text, err = yaml.Marshal(crd)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(ownCRDs)))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "flagger.app_canaries.yaml"), text, 0o600))
	return dir
}

// outdate has the server of a test serve the definition of an earlier version, and update that of this one.
func (w *world) outdate() { kubetest.Install(w, kubetest.Config(w), firstDefinition(w.T)) }
func (w *world) update()  { kubetest.Install(w, kubetest.Config(w), ownCRDs) }

func (w *world) awaitSchemaOutdated() {
	w.Helper()
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, "the API server does not store status.analysis")
}

// awaitHeld waits until a revision is kept from being rolled out.
func (w *world) awaitHeld() {
	w.Helper()
	w.await("the new revision is held", func() bool {
		c := meta.FindStatusCondition(w.status().Conditions, v1beta1.ConditionWaiting)
		return c != nil && c.Reason == string(rollout.WaitSchema)
	})
}

// TestSchemaOutdated has the definition replaced by an older one in the middle of a rollout, as by `kubectl apply` of an
// earlier version, and updated again.
func TestSchemaOutdated(t *testing.T) {
	elsewhere(t, ownCRDs, istioCRDs())
	w := newWorld(t)
	o := w.begin()
	w.judge.hold(50)
	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	w.outdate()
	w.awaitSchemaOutdated()
	require.Equal(t, "50/50", w.weights(), "what is under way stays under way")
	w.judge.goOn()
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)

	w.setImage(imageThree)
	w.awaitHeld()
	require.Equal(t, v1beta1.PhaseSucceeded, w.status().Phase)
	require.Equal(t, 1, count(o, "Warning SchemaOutdated"), "it is said once: %v", o.events())
	writes, passes := o.Writes(), o.passes()
	w.editCanary(func(c *v1beta1.Canary) { c.Labels = map[string]string{"a": "b"} })
	w.await("it was looked at again", func() bool { return o.passes() > passes })
	require.Equal(t, writes, o.Writes(), "and nothing is written over and over: %v", o.Calls())

	o.stop()
	next := start(t, w.ns, w.clock, w.judge, 0)
	w.await("a restarted operator has looked at it", func() bool { return next.passes() > 0 })
	require.Zero(t, next.Writes(), "it has nothing new to say: %v", next.Calls())
	w.update()
	w.awaitSettled(v1beta1.PhaseSucceeded, imageThree)
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionTrue, "The spec is valid")
	require.Zero(t, count(next, "SchemaOutdated"))
}

// readsDefinition gives an account the right to read the definition of Canaries as an installation has it.
func (w *world) readsDefinition(account string) {
	w.Helper()
	text, err := os.ReadFile("../../kustomize/base/rights/rbac.yaml")
	require.NoError(w, err)
	first, _, _ := strings.Cut(string(text), "---")
	role := &rbacv1.ClusterRole{}
	require.NoError(w, yaml.Unmarshal([]byte(first), role))
	role.Rules = slices.DeleteFunc(role.Rules, func(r rbacv1.PolicyRule) bool { return r.APIGroups[0] != "apiextensions.k8s.io" })
	require.Len(w, role.Rules, 1)
	require.NoError(w, w.Create(w.Context(), role))
	require.NoError(w, w.Create(w.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: account}},
	}))
}

// TestSchemaOutdatedFromTheStart installs this version, with the rights that it comes with, beside the definition of an
// earlier one.
func TestSchemaOutdatedFromTheStart(t *testing.T) {
	elsewhere(t, firstDefinition(t), istioCRDs())
	w := newWorld(t)
	cfg := w.entitled(everythingBut("apiextensions.k8s.io")...)
	w.readsDefinition(cfg.Impersonate.UserName)
	require.NoError(t, w.Create(t.Context(), w.canary()))
	o := &operator{Crasher: &kubetest.Crasher{}}
	o.launch(t, cfg, w.ns, w.clock, w.judge)
	w.awaitPhase(v1beta1.PhaseInitialized)
	w.awaitSchemaOutdated()
	require.Equal(t, 1, o.Count("watch", "customresourcedefinitions"), "%v", o.Calls())
	w.setImage(imageTwo)
	w.awaitHeld()
	w.update()
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	require.Equal(t, 1, count(o, "Warning SchemaOutdated"))
}

// TestDefinitionWakesAll looks at the event alone: a server that has taken a new definition ends its watches of Canaries, too,
// which wakes them at a time when the definition may not be known yet.
func TestDefinitionWakesAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin()
	s, err := observe.NewStatusSchema()
	require.NoError(t, err)
	s.Now = w.clock.now
	q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	t.Cleanup(q.ShutDown)
	h := o.reconcr.defining(s)
	read := func(dir, version string) *unstructured.Unstructured {
		text, err := os.ReadFile(filepath.Join(dir, "flagger.app_canaries.yaml"))
		require.NoError(t, err)
		u := &unstructured.Unstructured{}
		require.NoError(t, yaml.Unmarshal(text, &u.Object))
		u.SetResourceVersion(version)
		return u
	}
	now, older := read(ownCRDs, "1"), read(firstDefinition(t), "2")
	h.Create(t.Context(), event.CreateEvent{Object: now}, q)
	require.Zero(t, q.Len(), "nothing is missing, as nothing was known to be")
	h.Update(t.Context(), event.UpdateEvent{ObjectOld: now, ObjectNew: older}, q)
	require.Equal(t, 1, q.Len(), "the one Canary there is")
	woken, _ := q.Get()
	require.Equal(t, client.ObjectKey{Namespace: w.ns, Name: "podinfo"}, woken.NamespacedName)
	q.Done(woken)
	h.Update(t.Context(), event.UpdateEvent{ObjectOld: older, ObjectNew: read(firstDefinition(t), "3")}, q)
	require.Zero(t, q.Len(), "another version that lacks the same is no news")
}

// TestSchemaWithoutRight has an account that may not read the definition, as that of an operator of one namespace.
func TestSchemaWithoutRight(t *testing.T) {
	elsewhere(t, firstDefinition(t), istioCRDs())
	w := newWorld(t)
	require.NoError(t, w.Create(t.Context(), w.canary()))
	o := &operator{Crasher: &kubetest.Crasher{}}
	o.launch(t, w.entitled(everythingBut("apiextensions.k8s.io")...), w.ns, w.clock, w.judge)
	w.awaitPhase(v1beta1.PhaseInitialized)
	w.awaitSchemaOutdated()
	w.setImage(imageTwo)
	w.awaitHeld()
	require.True(t, o.manager.GetCache().WaitForCacheSync(t.Context()), "readiness waits for nothing that never comes")
	w.update()
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
}

// TestSchemaUnreadable has an account that may read neither the definition nor the OpenAPI document: it learns of a field
// that is dropped from the answer to its own write.
func TestSchemaUnreadable(t *testing.T) {
	elsewhere(t, ownCRDs, istioCRDs())
	w := newWorld(t)
	discovery := &rbacv1.ClusterRole{}
	require.NoError(t, w.Get(t.Context(), client.ObjectKey{Name: "system:discovery"}, discovery))
	discovery.Rules = []rbacv1.PolicyRule{{Verbs: []string{"get"}, NonResourceURLs: []string{"/api", "/api/*", "/apis", "/apis/*"}}}
	require.NoError(t, w.Update(t.Context(), discovery))
	cfg := w.entitled(everythingBut("apiextensions.k8s.io")...)
	w.await("the document is not for everybody", func() bool {
		c, err := rest.HTTPClientFor(cfg)
		require.NoError(t, err)
		answer, err := c.Get(cfg.Host + "/openapi/v3/apis/flagger.app/v1beta1")
		return err == nil && answer.Body.Close() == nil && answer.StatusCode == http.StatusForbidden
	})
	require.NoError(t, w.Create(t.Context(), w.canary()))
	o := &operator{Crasher: &kubetest.Crasher{}}
	o.launch(t, cfg, w.ns, w.clock, w.judge)
	w.awaitPhase(v1beta1.PhaseInitialized)
	w.judge.hold(50)
	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	w.outdate()
	w.judge.goOn()
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, "the API server does not store status.")
	w.setImage(imageThree)
	w.awaitHeld()
	require.Equal(t, 1, count(o, "Warning SchemaOutdated"))
	require.Less(t, o.Count("patch", "canaries/status"), 40, "what is dropped is not sent over and over")
	o.stop()

	w.update()
	start(t, w.ns, w.clock, w.judge, 0)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageThree)
}
