package v1beta1_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

const root = "../../.."

// server admits objects the way the API server does: with the code that the API server runs, on the
// definitions that are installed. Tests of what is accepted therefore can't drift from the cluster.
type server struct {
	structural *structuralschema.Structural
	schema     validation.SchemaValidator
	rules      *cel.Validator
}

func definition(t *testing.T, plural string) *apiextensions.CustomResourceDefinition {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "artifacts", "crds", "flagger.app_"+plural+".yaml"))
	require.NoError(t, err)
	var v1 apiextensionsv1.CustomResourceDefinition
	require.NoError(t, yaml.UnmarshalStrict(raw, &v1))
	apiextensionsv1.SetDefaults_CustomResourceDefinition(&v1)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&v1.Spec)
	var crd apiextensions.CustomResourceDefinition
	require.NoError(t, apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&v1, &crd, nil))
	return &crd
}

func serve(t *testing.T, plural string) *server {
	t.Helper()
	version, err := apiextensions.GetSchemaForVersion(definition(t, plural), "v1beta1")
	require.NoError(t, err)
	props := version.OpenAPIV3Schema
	structural, err := structuralschema.NewStructural(props)
	require.NoError(t, err)
	schema, _, err := validation.NewSchemaValidator(props)
	require.NoError(t, err)
	rules := cel.NewValidator(structural, true, celconfig.PerCallLimit)
	return &server{structural: structural, schema: schema, rules: rules}
}

// create returns what would be stored, and everything that is wrong with it.
func (s *server) create(t *testing.T, obj map[string]any) (map[string]any, field.ErrorList) {
	t.Helper()
	pruning.Prune(obj, s.structural, true)
	defaulting.Default(obj, s.structural)
	errs := validation.ValidateCustomResource(nil, obj, s.schema)
	found, _ := s.rules.Validate(t.Context(), nil, s.structural, obj, nil, celconfig.RuntimeCELCostBudget)
	return obj, append(errs, found...)
}

func parse(t *testing.T, manifest string) map[string]any {
	t.Helper()
	obj, ok := value(t, manifest).(map[string]any)
	require.True(t, ok, "a manifest is an object")
	return obj
}

// value reads YAML the way the server reads JSON, with whole numbers as such.
func value(t *testing.T, text string) any {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(text))
	require.NoError(t, err)
	var v any
	require.NoError(t, utiljson.Unmarshal(raw, &v))
	return v
}

// example returns the documents of a manifest that users are shown.
func example(t *testing.T, name string) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "artifacts", "examples", name))
	require.NoError(t, err)
	return strings.Split(string(raw), "\n---\n")
}

// set puts a value, written in YAML, at a path of keys separated by dots; without a value it removes
// the key.
func set(t *testing.T, obj map[string]any, path, text string) {
	t.Helper()
	keys := strings.Split(path, ".")
	at := obj
	for _, key := range keys[:len(keys)-1] {
		next, ok := at[key].(map[string]any)
		if !ok {
			next = map[string]any{}
			at[key] = next
		}
		at = next
	}
	last := keys[len(keys)-1]
	if text == "" {
		delete(at, last)
		return
	}
	at[last] = value(t, text)
}

func TestDefinitionsAreValid(t *testing.T) {
	cases := map[string]struct {
		reason string
		plural string
	}{
		"Canaries":        {reason: "the rules have to compile and stay within the server's cost limit", plural: "canaries"},
		"MetricTemplates": {reason: "the schema has to be structural", plural: "metrictemplates"},
		"AlertProviders":  {reason: "the schema has to be structural", plural: "alertproviders"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			crd := definition(t, tc.plural)
			// The server sets the stored versions when it creates a definition.
			crd.Status.StoredVersions = []string{"v1beta1"}
			errs := crdvalidation.ValidateCustomResourceDefinition(t.Context(), crd)
			require.Empty(t, errs, tc.reason)
		})
	}
}
