package controller

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// older is a directory with the HTTPRoute of a time before it had timeouts.
func older(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(gatewayCRDs(t))
	require.NoError(t, err)
	crd := map[string]any{}
	require.NoError(t, yaml.Unmarshal(raw, &crd))
	versions, _, err := unstructured.NestedSlice(crd, "spec", "versions")
	require.NoError(t, err)
	for _, v := range versions {
		path := []string{"schema", "openAPIV3Schema", "properties", "spec", "properties", "rules", "items"}
		rule, found, err := unstructured.NestedMap(v.(map[string]any), path...)
		require.NoError(t, err)
		require.True(t, found)
		delete(rule["properties"].(map[string]any), "timeouts")
		delete(rule, "x-kubernetes-validations") // some are about timeouts
		require.NoError(t, unstructured.SetNestedMap(v.(map[string]any), rule, path...))
	}
	require.NoError(t, unstructured.SetNestedSlice(crd, versions, "spec", "versions"))
	raw, err = yaml.Marshal(crd)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "httproutes.yaml"), raw, 0o600))
	return dir
}

// TestOlderSchema asks for a field that the cluster's custom resources do not have yet: it is told, and nothing is
// routed without it.
func TestOlderSchema(t *testing.T) {
	elsewhere(t, ownCRDs, istioCRDs(), older(t))
	s := &setting{world: newWorld(t), provider: lendings()["HTTPRoute"].provider}
	s.name = routeNamed("podinfo")
	s.run(func(c *v1beta1.Canary) {
		c.Spec.Provider = "gatewayapi:v1"
		c.Spec.Service.GatewayRefs = []v1beta1.GatewayRef{{Name: "public"}}
		c.Spec.Service.Timeout = "5s"
	})
	s.told(v1beta1.ConditionValid, metav1.ConditionFalse, ".spec.rules[0].timeouts: field not declared in schema")
	require.Nil(t, s.way())
	s.respec(func(c *v1beta1.Canary) { c.Spec.Service.Timeout = "" })
	s.at("100/0")
	s.phase(v1beta1.PhaseInitialized)
	s.told(v1beta1.ConditionValid, metav1.ConditionTrue, "")
}

func TestRefusedByServer(t *testing.T) {
	t.Parallel()
	kind := schema.GroupKind{Kind: "HTTPRoute"}
	for name, tc := range map[string]struct {
		reason string
		err    error
		want   bool
	}{
		"Invalid":    {reason: "the schema says no", err: apierrors.NewInvalid(kind, "podinfo", nil), want: true},
		"Forbidden":  {reason: "our rights do not go so far", err: apierrors.NewForbidden(schema.GroupResource{}, "podinfo", nil), want: true},
		"Undeclared": {reason: "the schema is too old", err: apierrors.NewInternalError(errors.New(".spec.x: field not declared in schema")), want: true},
		"Internal":   {reason: "a server that fails may not the next time", err: apierrors.NewInternalError(errors.New("etcd is away"))},
		"Conflict":   {reason: "a conflict is read again", err: apierrors.NewConflict(schema.GroupResource{}, "podinfo", nil)},
		"Ours":       {reason: "only the server knows its schemas", err: errors.New("field not declared in schema")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, refusedByServer(fmt.Errorf("apply: %w", tc.err)), tc.reason)
		})
	}
}
