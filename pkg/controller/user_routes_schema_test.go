package controller

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
	s.awaitCondition(v1beta1.ConditionReconciled, metav1.ConditionFalse, ".spec.rules[0].timeouts: field not declared in schema")
	require.Nil(t, s.way())
	s.editCanary(func(c *v1beta1.Canary) { c.Spec.Service.Timeout = "" })
	s.at("100/0")
	s.phase(v1beta1.PhaseInitialized)
	s.awaitCondition(v1beta1.ConditionValid, metav1.ConditionTrue, "")
}
