package workload

import (
	"bytes"
	"encoding/json"
	"fmt"

	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// toApplyConfiguration gives a typed value the form of its apply configuration. The two share their JSON, apart from
// the zero values that a typed value cannot help writing: applied, these would become fields of ours.
func toApplyConfiguration[T any](v any) (*T, error) {
	t, err := toJSON(v)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(prune("", t))
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	out := new(T)
	if err := json.Unmarshal(raw, out); err != nil {
		return nil, fmt.Errorf("decode %T: %w", out, err)
	}
	return out, nil
}

// convert gives a value the form of another that shares its JSON.
func convert(from, to any) error {
	raw, err := json.Marshal(from)
	if err != nil {
		return fmt.Errorf("encode %T: %w", from, err)
	}
	if err := utiljson.Unmarshal(raw, to); err != nil {
		return fmt.Errorf("decode %T: %w", to, err)
	}
	return nil
}

// toJSON is the JSON of a value as maps and lists. Numbers keep their digits.
func toJSON(v any) (any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	// An int64 that went through a float would be another number, and another revision.
	d.UseNumber()
	var t any
	if err := d.Decode(&t); err != nil {
		return nil, fmt.Errorf("decode %T: %w", v, err)
	}
	return t, nil
}

// prune drops what stands for nothing: nulls, empty lists, and the values that the Go types write for
// fields nobody set. It must not drop every zero, since most of them were chosen: an empty selector
// selects everything where a missing one selects nothing, `emptyDir: {}` is a volume, and false is not
// the default of automountServiceAccountToken.
func prune(key string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		return pruneMap(key, v)
	case []any:
		return pruneList(v)
	case string:
		// Of a reference to a container's resources, whose type has a quantity by value and writes zero for none.
		if key == "divisor" && v == "0" {
			return nil
		}
	}
	return v
}

// pruneMap drops entries, and with them the map where that was only made up by its type.
func pruneMap(key string, m map[string]any) any {
	kept := make(map[string]any, len(m))
	for k, v := range m {
		if v := prune(k, v); v != nil {
			kept[k] = v
		}
	}
	if len(kept) == 0 && unset(key) {
		return nil
	}
	return kept
}

// pruneList keeps every element, since its place may mean something.
func pruneList(l []any) any {
	if len(l) == 0 {
		return nil
	}
	kept := make([]any, len(l))
	for i, v := range l {
		kept[i] = prune("", v)
	}
	return kept
}

// unset tells the fields that the Go types hold by value, and so write as {} when they were not set.
func unset(key string) bool { return key == "metadata" || key == "resources" }
