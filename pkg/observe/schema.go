package observe

import (
	_ "embed" // for what the status consists of
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// node is a part of an OpenAPI schema, as a custom resource definition and the OpenAPI document of a group have it.
type node = map[string]any

// preserve is the word of a schema that keeps what it does not name.
const preserve = "x-kubernetes-preserve-unknown-fields"

// statusSchema is what is compared of the definition of Canaries in artifacts/crds, generated from it: to read that whole
// would be a third of the start.
//
//go:embed status_schema.json
var statusSchema []byte

// ownSchema is the schema of a Canary's status that this program was built with.
func ownSchema() (node, error) {
	own := node{}
	if err := json.Unmarshal(statusSchema, &own); err != nil {
		return nil, fmt.Errorf("read the embedded schema of the status: %w", err)
	}
	return own, nil
}

// definedSchema is the schema that a custom resource definition has for the version of Canaries that is read and written.
func definedSchema(crd node) (node, error) {
	// Of before apiextensions.k8s.io/v1, and kept when it was converted: no field is dropped.
	if all, _, _ := unstructured.NestedBool(crd, "spec", "preserveUnknownFields"); all {
		return node{preserve: true}, nil
	}
	versions, _, _ := unstructured.NestedFieldNoCopy(crd, "spec", "versions")
	for _, v := range list(versions) {
		if v := object(v); v["name"] == v1beta1.GroupVersion.Version {
			return object(object(v["schema"])["openAPIV3Schema"]), nil
		}
	}
	return nil, errors.New("the definition of Canaries has no version " + v1beta1.GroupVersion.Version)
}

// publishedSchema is the schema of a Canary in the OpenAPI document of its group.
func publishedSchema(document node) (node, error) {
	schemas, _, _ := unstructured.NestedFieldNoCopy(document, "components", "schemas")
	for _, s := range object(schemas) {
		for _, kind := range list(object(s)["x-kubernetes-group-version-kind"]) {
			if k := object(kind); k["kind"] == "Canary" && k["group"] == v1beta1.GroupVersion.Group {
				return object(s), nil
			}
		}
	}
	return nil, errors.New("the OpenAPI document has no schema of Canary")
}

// missingStatus are the fields of a status that one schema has and another one drops, sorted, as analysis.metrics[].checks;
// and the values that the other one refuses, as phase=Succeeded.
func missingStatus(own, served node) []string {
	status, kept := child(served, "status")
	if !kept {
		status = node{}
	}
	return missing("", object(object(own["properties"])["status"]), status)
}

// missing goes down both schemas. A field that is dropped stands for all that is in it.
func missing(path string, own, served node) []string {
	if all, _ := own["additionalProperties"].(map[string]any); all != nil && served["additionalProperties"] == nil && served[preserve] != true {
		return []string{path}
	}
	var found []string
	properties := object(own["properties"])
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		at := name
		if path != "" {
			at = path + "." + name
		}
		below, kept := child(served, name)
		if !kept {
			found = append(found, at)
			continue
		}
		found = append(found, missing(at, object(properties[name]), below)...)
	}
	if items := object(own["items"]); items != nil {
		found = append(found, missing(path+"[]", items, itemsOf(served))...)
	}
	return append(found, refusedValues(path, list(own["enum"]), list(served["enum"]))...)
}

// child is what a schema says of a field, and whether that is kept. What an object does not name is kept with all that is in
// it where the object says so.
func child(served node, name string) (node, bool) {
	if p, named := object(served["properties"])[name]; named {
		return object(p), true
	}
	switch others := served["additionalProperties"].(type) {
	case map[string]any:
		return others, true
	case bool:
		if others {
			return node{preserve: true}, true
		}
	}
	return node{preserve: true}, served[preserve] == true
}

func itemsOf(served node) node {
	if items := object(served["items"]); items != nil {
		return items
	}
	return node{preserve: served[preserve]}
}

func refusedValues(path string, own, served []any) []string {
	var found []string
	for _, value := range own {
		if len(served) > 0 && !slices.Contains(served, value) {
			found = append(found, fmt.Sprintf("%s=%v", path, value))
		}
	}
	return found
}

func object(v any) node {
	o, _ := v.(map[string]any)
	return o
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

// TrimDefinition leaves of the definition of Canaries what is compared, for a cache. It is a cache.TransformFunc.
func TrimDefinition(obj any) (any, error) {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return obj, nil
	}
	trimmed := &unstructured.Unstructured{Object: node{}}
	trimmed.SetAPIVersion(u.GetAPIVersion())
	trimmed.SetKind(u.GetKind())
	trimmed.SetName(u.GetName())
	trimmed.SetUID(u.GetUID())
	trimmed.SetResourceVersion(u.GetResourceVersion())
	// One that cannot be read has none: whoever asks is told so.
	if s, err := definedSchema(u.Object); err == nil {
		version := node{"name": v1beta1.GroupVersion.Version, "schema": node{"openAPIV3Schema": compared(s)}}
		trimmed.Object["spec"] = node{"versions": []any{version}}
	}
	return trimmed, nil
}

// compared is the part of a Canary's schema that is compared.
func compared(all node) node {
	kept := node{"properties": node{}}
	for _, word := range []string{preserve, "additionalProperties"} {
		if v, has := all[word]; has {
			kept[word] = v
		}
	}
	if status, has := object(all["properties"])["status"]; has {
		kept["properties"] = node{"status": withoutProse(status)}
	}
	return kept
}

// withoutProse is a schema without its descriptions, which are most of it.
func withoutProse(v any) any {
	switch v := v.(type) {
	case map[string]any:
		kept := node{}
		for key, value := range v {
			// A field of that name is an object, not a text.
			if _, text := value.(string); key != "description" || !text {
				kept[key] = withoutProse(value)
			}
		}
		return kept
	case []any:
		kept := make([]any, len(v))
		for i := range v {
			kept[i] = withoutProse(v[i])
		}
		return kept
	}
	return v
}
