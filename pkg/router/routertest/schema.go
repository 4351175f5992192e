package routertest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	k8sschema "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// Schemas validates objects as an API server with a provider's custom resources does: against the
// schema, against its rules, and for fields that it would drop.
type Schemas struct {
	resources map[k8sschema.GroupKind]*apiextensions.CustomResourceDefinition
	compiled  map[k8sschema.GroupVersionKind]validator
}

type validator struct {
	schema     validation.SchemaValidator
	structural *schema.Structural
	rules      *cel.Validator
}

// Load reads the custom resources of a Go module that ships them. Nothing is fetched: the module is one
// that the router itself needs.
func Load(t *testing.T, module string, files ...string) *Schemas {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	require.NoError(t, err)
	for i := range files {
		files[i] = filepath.Join(strings.TrimSpace(string(dir)), files[i])
	}
	return Read(t, files...)
}

// Read reads the custom resources of files. Those of a provider whose Go module is not needed for anything else are
// in the test data.
func Read(t *testing.T, files ...string) *Schemas {
	t.Helper()
	s := Core()
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, text := range bytes.Split(raw, []byte("\n---\n")) {
			s.add(t, text)
		}
	}
	return s
}

// Core knows the kinds of Kubernetes itself and no custom ones.
func Core() *Schemas {
	return &Schemas{
		resources: map[k8sschema.GroupKind]*apiextensions.CustomResourceDefinition{},
		compiled:  map[k8sschema.GroupVersionKind]validator{},
	}
}

func (s *Schemas) add(t *testing.T, text []byte) {
	t.Helper()
	var external apiextensionsv1.CustomResourceDefinition
	require.NoError(t, yaml.Unmarshal(text, &external))
	if external.Kind != "CustomResourceDefinition" {
		return
	}
	internal := &apiextensions.CustomResourceDefinition{}
	require.NoError(t, apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&external, internal, nil))
	s.resources[k8sschema.GroupKind{Group: external.Spec.Group, Kind: external.Spec.Names.Kind}] = internal
}

// Validate fails the test for every object that an API server would refuse or cut down.
func (s *Schemas) Validate(t *testing.T, objects []*unstructured.Unstructured) {
	t.Helper()
	for _, o := range objects {
		require.Empty(t, s.Problems(t, o), "%s %s", o.GetKind(), o.GetName())
	}
}

// Problems lists what is wrong with an object.
func (s *Schemas) Problems(t *testing.T, o *unstructured.Unstructured) []string {
	t.Helper()
	if scheme.Scheme.Recognizes(o.GroupVersionKind()) {
		return misspelt(t, o)
	}
	v := s.validator(t, o.GroupVersionKind())
	var problems []string
	full := o.DeepCopy().Object // rules are about an object that defaults were filled into
	defaulting.Default(full, v.structural)
	errs := validation.ValidateCustomResource(nil, full, v.schema)
	broken, _ := v.rules.Validate(t.Context(), nil, v.structural, full, nil, celconfig.RuntimeCELCostBudget)
	for _, err := range append(errs, broken...) {
		problems = append(problems, err.Error())
	}
	options := schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	for _, path := range pruning.PruneWithOptions(o.DeepCopy().Object, v.structural, true, options) {
		problems = append(problems, path+": unknown field")
	}
	return problems
}

// misspelt decodes an object of a kind of Kubernetes' own into its Go type, which must have a place for every field.
func misspelt(t *testing.T, o *unstructured.Unstructured) []string {
	t.Helper()
	raw, err := o.MarshalJSON()
	require.NoError(t, err)
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	if _, _, err := decoder.Decode(raw, nil, nil); err != nil {
		return []string{err.Error()}
	}
	return nil
}

func (s *Schemas) validator(t *testing.T, gvk k8sschema.GroupVersionKind) validator {
	t.Helper()
	if v, ok := s.compiled[gvk]; ok {
		return v
	}
	crd := s.resources[gvk.GroupKind()]
	require.NotNil(t, crd, "no custom resource for %s", gvk)
	props, err := apiextensions.GetSchemaForVersion(crd, gvk.Version)
	require.NoError(t, err)
	var v validator
	v.schema, _, err = validation.NewSchemaValidator(props.OpenAPIV3Schema)
	require.NoError(t, err)
	v.structural, err = schema.NewStructural(props.OpenAPIV3Schema)
	require.NoError(t, err)
	v.rules = cel.NewValidator(v.structural, true, celconfig.PerCallLimit)
	s.compiled[gvk] = v
	return v
}
