package router

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	k8sjson "k8s.io/apimachinery/pkg/util/json"
)

// message reads a field of spec.service into one of Istio's types, whose JSON it has; nil stays nil.
// Istio's own decoder passes over what it does not know, which would turn a slip of the pen into a
// setting that is silently missing, so what got lost on the way is a problem, too.
func message[T any](first *problem, field string, from any) *T {
	raw, err := json.Marshal(from)
	if err != nil {
		first.note(field, err.Error())
		return nil
	}
	if string(raw) == "null" {
		return nil
	}
	to := new(T)
	if err := json.Unmarshal(raw, to); err != nil {
		first.note(field, err.Error())
		return nil
	}
	if path := dropped(raw, to); path != "" {
		first.note(field+path, "unknown to Istio here")
	}
	return to
}

// fields is a message as the fields of an object.
func fields(message any) (map[string]any, error) {
	raw, err := json.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", message, err)
	}
	m := map[string]any{}
	if err := k8sjson.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("decode %T: %w", message, err)
	}
	return m, nil
}

// dropped is the path of the first field that was given and is not in the message: `.tls.mod`.
func dropped(given []byte, message any) string {
	var before any
	if err := k8sjson.Unmarshal(given, &before); err != nil {
		return ""
	}
	after, err := fields(message)
	if err != nil {
		return ""
	}
	return missing(before, after)
}

func missing(before, after any) string {
	switch b := before.(type) {
	case map[string]any:
		a, _ := after.(map[string]any)
		for _, k := range slices.Sorted(maps.Keys(b)) {
			if _, there := a[k]; !there && zero(b[k]) {
				continue // left out of the message's JSON, which says the same
			}
			if _, there := a[k]; !there {
				return "." + k
			}
			if path := missing(b[k], a[k]); path != "" {
				return "." + k + path
			}
		}
	case []any:
		a, _ := after.([]any)
		for i := range min(len(a), len(b)) {
			if path := missing(b[i], a[i]); path != "" {
				return fmt.Sprintf("[%d]%s", i, path)
			}
		}
	}
	return ""
}

// zero tells the values that proto JSON leaves out.
func zero(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case int64:
		return v == 0
	case float64:
		return v == 0
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}
