package kube

import (
	"reflect"
	"slices"
)

// matcher compares an object with what is desired: every desired field
// must be there with its value, all other fields are somebody else's.
type matcher struct {
	typed bool // the kind is one of Kubernetes' own, whose lists are known
}

func (m matcher) matches(field string, have, want any) bool {
	switch w := want.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		return ok && m.matchesMap(h, w)
	case []any:
		h, ok := have.([]any)
		return m.matchesList(field, h, w) && (ok || len(w) == 0)
	}
	return equal(have, want)
}

func (m matcher) matchesMap(have, want map[string]any) bool {
	for key, w := range want {
		if !m.matches(key, have[key], w) {
			return false
		}
	}
	return true
}

// matchesList compares item by item. In a list of which several parties own items
// ours are looked up by their key; any other list is ours as a whole, and an
// item that was added to it is as wrong as one that was changed.
func (m matcher) matchesList(field string, have, want []any) bool {
	listKeys := m.keysOf(field, want)
	if listKeys == nil && len(have) != len(want) {
		return false
	}
	for i, w := range want {
		if listKeys != nil {
			i = slices.IndexFunc(have, func(h any) bool { return sameKey(h, w, listKeys) })
		}
		if i < 0 || !m.matches("", have[i], w) {
			return false
		}
	}
	return true
}

// keys are the fields that tell the items of a list apart, nil where the list
// is one value. Kubernetes declares both in its schema; these are the lists of
// the kinds we write. Of other kinds nothing is known but their metadata.
func (m matcher) keys(field string) []string {
	switch field {
	case "ownerReferences":
		return []string{"uid"}
	case "finalizers":
		return []string{""}
	}
	if !m.typed {
		return nil
	}
	switch field {
	case "containers", "initContainers", "ephemeralContainers", "env", "volumes", "imagePullSecrets":
		return []string{"name"}
	case "volumeMounts":
		return []string{"mountPath"}
	case "volumeDevices":
		return []string{"devicePath"}
	case "hostAliases":
		return []string{"ip"}
	case "topologySpreadConstraints":
		return []string{"topologyKey", "whenUnsatisfiable"}
	case "ports": // of a Service, of a container
		return []string{"port", "containerPort", "protocol"}
	}
	return nil
}

// keysOf are the keys of a list in which each item has its own. A list that repeats them is ours as a whole.
func (m matcher) keysOf(field string, want []any) []string {
	keys := m.keys(field)
	if keys == nil || repeats(want, keys) {
		return nil
	}
	return keys
}

func repeats(items []any, keys []string) bool {
	for i, item := range items {
		if slices.ContainsFunc(items[i+1:], func(other any) bool { return sameKey(other, item, keys) }) {
			return true
		}
	}
	return false
}

// sameKey says whether two items have the sameKey key.
func sameKey(have, want any, keys []string) bool {
	w, ok := want.(map[string]any)
	if !ok {
		return equal(have, want)
	}
	h, ok := have.(map[string]any)
	return ok && !slices.ContainsFunc(keys, func(key string) bool { return !equal(keyField(h, key), keyField(w, key)) })
}

// keyField is a field of a key. The protocol is keyField of the key of a port, and the
// only keyField that the API server fills in.
func keyField(item map[string]any, key string) any {
	if value, ok := item[key]; ok || key != "protocol" {
		return value
	}
	return "TCP"
}

// equal compares scalars: numbers by value, since 1 and 1.0 are one number that
// JSON readers give different types.
func equal(a, b any) bool {
	x, xok := number(a)
	y, yok := number(b)
	if xok && yok {
		return x == y
	}
	return reflect.DeepEqual(a, b)
}

func number(value any) (float64, bool) {
	switch v := value.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// extract is the part of an object that matches looks at.
func (m matcher) extract(field string, have, want any) any {
	switch w := want.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		if !ok {
			return have
		}
		out := make(map[string]any, len(w))
		for key, child := range w {
			out[key] = m.extract(key, h[key], child)
		}
		return out
	case []any:
		h, _ := have.([]any)
		return m.extractList(field, h, w)
	}
	return have
}

func (m matcher) extractList(field string, have, want []any) any {
	keys := m.keysOf(field, want)
	if keys == nil {
		return have
	}
	out := make([]any, 0, len(want))
	for _, w := range want {
		i := slices.IndexFunc(have, func(h any) bool { return sameKey(h, w, keys) })
		if i >= 0 {
			out = append(out, m.extract("", have[i], w))
		}
	}
	return out
}

// restrict is full without the fields that content does not have.
func restrict(full, content any) any {
	switch c := content.(type) {
	case map[string]any:
		f, ok := full.(map[string]any)
		if !ok {
			return full
		}
		out := make(map[string]any, len(c))
		for key, child := range c {
			if value, ok := f[key]; ok {
				out[key] = restrict(value, child)
			}
		}
		return out
	case []any:
		f, ok := full.([]any)
		if !ok || len(f) != len(c) {
			return full
		}
		out := make([]any, len(c))
		for i := range c {
			out[i] = restrict(f[i], c[i])
		}
		return out
	}
	return full
}
