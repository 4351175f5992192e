package controller

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

// setting is a world with one provider in it.
type setting struct {
	*world
	provider
	users []*unstructured.Unstructured // the user's own objects
}

// open makes the objects of a provider's example, and runs its Canary to where it rests.
func (p provider) open(t *testing.T) (*setting, *operator) {
	t.Helper()
	s := &setting{world: newWorld(t), provider: p}
	canary := s.exemplify()
	o := s.run(func(c *v1beta1.Canary) {
		canary.Spec.Analysis, canary.Spec.AutoscalerRef = c.Spec.Analysis, nil // at the pace of tests
		deadline := c.Spec.ProgressDeadlineSeconds
		c.Spec = canary.Spec
		c.Spec.ProgressDeadlineSeconds = deadline
	})
	s.phase(v1beta1.PhaseInitialized)
	s.at("100/0")
	s.rests()
	return s, o
}

// exemplify makes what is in the example beside its Canary, as far as the cluster knows its kind.
func (s *setting) exemplify() *v1beta1.Canary {
	s.Helper()
	raw, err := os.ReadFile(filepath.Join("../../artifacts/examples", s.example))
	require.NoError(s, err)
	raw = regexp.MustCompile(`namespace: test\b`).ReplaceAll(raw, []byte("namespace: "+s.ns))
	var canary *v1beta1.Canary
	for _, text := range bytes.Split(raw, []byte("\n---\n")) {
		u := &unstructured.Unstructured{}
		require.NoError(s, yaml.Unmarshal(text, &u.Object))
		if u.GetKind() == "Canary" {
			canary = &v1beta1.Canary{}
			require.NoError(s, yaml.UnmarshalStrict(text, canary))
			continue
		}
		if u.GetKind() == s.kind || slices.Contains(s.sources, u.GetKind()) {
			require.NoError(s, s.Create(s.Context(), u, client.FieldOwner("kubectl-client-side-apply")))
			s.users = append(s.users, u)
		}
	}
	return canary
}

// way is the route; nil when there is none.
func (s *setting) way() *unstructured.Unstructured {
	s.Helper()
	u := &unstructured.Unstructured{}
	u.SetAPIVersion(s.api)
	u.SetKind(s.kind)
	key := client.ObjectKey{Namespace: s.ns, Name: s.name(s.ns)}
	if s.kind == "TrafficRoute" {
		key.Namespace = "" // it is outside of namespaces
	}
	err := s.Get(s.Context(), key, u)
	if apierrors.IsNotFound(err) {
		return nil
	}
	require.NoError(s, err)
	return u
}

// split is what the route sends to the primary and to the canary.
func (s *setting) split() string {
	s.Helper()
	u := s.way()
	if u == nil {
		return "none"
	}
	if s.answer != nil {
		s.answer(s.world, u)
	}
	primary, canary := s.shares(u)
	return primary + "/" + canary
}

func (s *setting) at(want string) {
	s.Helper()
	s.eventually(func() bool { return s.split() == want }, func() string { return "the route is not at " + want }, func() any { return s.way() })
}

// phase waits for a phase, while the provider answers.
func (s *setting) phase(want v1beta1.CanaryPhase) {
	s.Helper()
	is := func() bool { _ = s.split(); return s.status().Phase == want }
	s.eventually(is, func() string { return "phase " + string(want) + " was not reached" }, func() any { return s.way() })
}

// awaitRest waits until the target is stopped, while the provider answers.
func (s *setting) rests() {
	s.Helper()
	is := func() bool { _ = s.split(); return *s.live("podinfo").Spec.Replicas == 0 }
	s.eventually(is, func() string { return "the target is not stopped" }, func() any { return s.way() })
}

const keptNote = "example.com/note"

// annotate has kubectl set an annotation on the route, and a field that is not ours.
func (s *setting) annotate() {
	s.Helper()
	patch := map[string]any{"metadata": map[string]any{"annotations": map[string]any{keptNote: "kept"}}}
	if s.foreign != nil {
		require.NoError(s, unstructured.SetNestedField(patch, "kept", s.foreign...))
	}
	raw, err := json.Marshal(patch)
	require.NoError(s, err)
	require.NoError(s, s.Patch(s.Context(), s.way(), client.RawPatch(types.MergePatchType, raw), client.FieldOwner("kubectl-edit")))
}

// kept asserts that what kubectl has set is there, is still kubectl's, and that the rest of the route is ours.
func (s *setting) kept() {
	s.Helper()
	u := s.way()
	require.Equal(s, "kept", u.GetAnnotations()[keptNote])
	if s.foreign != nil {
		value, _, err := unstructured.NestedString(u.Object, s.foreign...)
		require.NoError(s, err)
		require.Equal(s, "kept", value)
	}
	managers := map[string]string{}
	for _, e := range u.GetManagedFields() {
		if e.Subresource == "" {
			managers[e.Manager] += string(e.FieldsV1.GetRawBytes())
		}
	}
	require.Contains(s, managers["kubectl-edit"], keptNote)
	require.NotContains(s, managers[kube.FieldManager], keptNote)
	require.Contains(s, managers[kube.FieldManager], `"f:spec"`)
}

// tamper changes every weight of fifty to forty-nine, as somebody might who cannot wait.
func (s *setting) tamper() {
	s.Helper()
	u := s.way()
	annotations := u.GetAnnotations()
	delete(annotations, kube.AppliedAnnotation)
	raw, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}, "spec": u.Object["spec"]})
	require.NoError(s, err)
	raw = regexp.MustCompile(`:(\\?"?)50\b`).ReplaceAll(raw, []byte(":${1}49"))
	require.NoError(s, s.Patch(s.Context(), u, client.RawPatch(types.MergePatchType, raw), client.FieldOwner("kubectl-edit")))
}

// untouched asserts that nobody has written to the user's own objects.
func (s *setting) untouched() {
	s.Helper()
	for _, before := range s.users {
		now := before.DeepCopy()
		require.NoError(s, s.Get(s.Context(), client.ObjectKeyFromObject(before), now))
		require.Equal(s, before.GetResourceVersion(), now.GetResourceVersion(), "%s %s is the user's", now.GetKind(), now.GetName())
	}
}

// TestProviders installs everything first, one after the other: two that install the same at once would be in each
// other's way.
func TestProviders(t *testing.T) {
	for _, p := range providers() {
		if p.crds != nil {
			kubetest.Install(t, kubetest.Config(t), p.crds(t))
		}
	}
	for name, p := range providers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("Good", func(t *testing.T) { t.Parallel(); p.good(t) })
			t.Run("Bad", func(t *testing.T) { t.Parallel(); p.bad(t) })
			t.Run("Drift", func(t *testing.T) { t.Parallel(); p.drift(t) })
		})
	}
}

// good rolls a revision out, while somebody else has fields on the route.
func (p provider) good(t *testing.T) {
	s, _ := p.open(t)
	s.annotate()
	s.judge.hold(50)
	s.setImage(imageTwo)
	s.at("50/50")
	s.kept()
	s.judge.hold(100)
	s.at("0/100")
	s.judge.goOn()
	s.phase(v1beta1.PhaseSucceeded)
	s.at("100/0")
	s.kept()
	s.rests()
	require.Equal(t, imageTwo, image(s.live("podinfo-primary")))
	s.untouched()
}

// bad rolls one back.
func (p provider) bad(t *testing.T) {
	s, _ := p.open(t)
	s.judge.fail(-1)
	s.judge.hold(50)
	s.setImage(imageTwo)
	s.at("50/50")
	s.judge.goOn()
	s.phase(v1beta1.PhaseFailed)
	s.at("100/0")
	s.rests()
	require.Equal(t, imageOne, image(s.live("podinfo-primary")))
	s.untouched()
}

// drift has somebody change the weights in the middle: they are put back, and the rollout goes on from where it was.
func (p provider) drift(t *testing.T) {
	s, o := p.open(t)
	s.editCanary(slowly)
	s.setImage(imageTwo)
	s.at("50/50")
	s.tamper()
	s.at("50/50")
	s.awaitEvent(o, "Warning DriftCorrected "+s.kind+" "+s.name(s.ns)+" was changed by somebody else, put back")
	require.Equal(t, 50, s.status().CanaryWeight, "the rollout is where it was")
	s.editCanary(every("10s"))
	s.phase(v1beta1.PhaseSucceeded)
	s.at("100/0")
}
