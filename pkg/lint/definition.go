package lint

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/artifacts/crds"
)

// definition admits objects of one kind as the API server does, with its code.
type definition struct {
	versions   []string
	structural *structuralschema.Structural
	schema     validation.SchemaValidator
	rules      *cel.Validator
}

// definitions are those of the API, by kind.
func definitions() (map[string]*definition, error) {
	names, err := fs.Glob(crds.Files, "*.yaml")
	if err != nil {
		return nil, err
	}
	all := map[string]*definition{}
	for _, name := range names {
		text, err := crds.Files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		kind, d, err := newDefinition(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all[kind] = d
	}
	return all, nil
}

func newDefinition(text []byte) (string, *definition, error) {
	var v1 apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(text, &v1); err != nil {
		return "", nil, err
	}
	apiextensionsv1.SetDefaults_CustomResourceDefinition(&v1)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&v1.Spec)
	var crd apiextensions.CustomResourceDefinition
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&v1, &crd, nil); err != nil {
		return "", nil, err
	}
	d := &definition{}
	for _, v := range crd.Spec.Versions {
		d.versions = append(d.versions, crd.Spec.Group+"/"+v.Name)
	}
	version, err := apiextensions.GetSchemaForVersion(&crd, crd.Spec.Versions[0].Name)
	if err != nil {
		return "", nil, err
	}
	if d.structural, err = structuralschema.NewStructural(version.OpenAPIV3Schema); err != nil {
		return "", nil, err
	}
	if d.schema, _, err = validation.NewSchemaValidator(version.OpenAPIV3Schema); err != nil {
		return "", nil, err
	}
	d.rules = cel.NewValidator(d.structural, true, celconfig.PerCallLimit)
	return crd.Spec.Names.Kind, d, nil
}

// admit says what is wrong with an object: fields that there are not, what the schema refuses, what its rules do. The object is
// pruned and filled in, as the API server would store it.
func (d *definition) admit(ctx context.Context, object map[string]any) (unknown []string, refused, broken field.ErrorList) {
	unknown = pruning.PruneWithOptions(object, d.structural, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	defaulting.Default(object, d.structural)
	refused = validation.ValidateCustomResource(nil, object, d.schema)
	broken, _ = d.rules.Validate(ctx, nil, d.structural, object, nil, celconfig.RuntimeCELCostBudget)
	return unknown, refused, broken
}

// fields are the names that an object of the schema may have at a path.
func (d *definition) fields(path string) []string {
	at := d.structural
	all := parts(path)
	for _, part := range all[:len(all)-1] {
		next, ok := at.Properties[part]
		switch {
		case ok:
			at = &next
		case at.Items != nil && strings.Trim(part, "0123456789") == "":
			at = at.Items
		case at.AdditionalProperties != nil && at.AdditionalProperties.Structural != nil:
			at = at.AdditionalProperties.Structural
		default:
			return nil
		}
	}
	var names []string
	for name := range at.Properties {
		names = append(names, name)
	}
	return names
}

// decode makes a typed object of one that was admitted.
func decode[T any](object map[string]any) (*T, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	typed := new(T)
	return typed, json.Unmarshal(text, typed)
}

// clone keeps what was read apart from what the API server makes of it.
func clone(object map[string]any) map[string]any { return runtime.DeepCopyJSON(object) }
