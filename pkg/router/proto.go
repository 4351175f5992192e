package router

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	k8sjson "k8s.io/apimachinery/pkg/util/json"

	"github.com/sluice-cd/sluice/pkg/rollout"
)

// verbatim is a field of spec.service as it goes into an object of Istio's: word for word, once Istio's
// own type has understood it. Nil stays nil.
//
// Istio's decoder passes over what it does not know, which would turn a slip of the pen into a setting
// that is silently missing. So each field that was given has to be one of the message's.
func verbatim[T any, M interface {
	*T
	proto.Message
}](first *problem, field string, from any) any {
	raw, err := json.Marshal(from)
	if err != nil {
		first.note(field, err.Error())
		return nil
	}
	// Istio's types decode themselves by the rules of proto JSON, which refuse wrong types and enumerations.
	to := M(new(T))
	if err := json.Unmarshal(raw, to); err != nil {
		first.note(field, err.Error())
		return nil
	}
	// What is returned is what was given: encoded again by Istio's type, it would lose zeros that somebody chose.
	given, known, err := trees(raw, to)
	if err != nil {
		first.note(field, err.Error())
		return nil
	}
	if path := unknown(given, known); path != "" {
		first.note(field+path, "unknown to Istio here")
	}
	return given
}

// trees are what was given and what was understood, the latter with all of its fields: one that was
// given its default would not be told from one that is unknown otherwise.
func trees(raw []byte, message proto.Message) (given, known any, err error) {
	all, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(message)
	if err != nil {
		return nil, nil, fmt.Errorf("encode %T: %w", message, err)
	}
	if err := k8sjson.Unmarshal(all, &known); err != nil {
		return nil, nil, fmt.Errorf("decode %T: %w", message, err)
	}
	if err := k8sjson.Unmarshal(raw, &given); err != nil {
		return nil, nil, fmt.Errorf("decode %q: %w", raw, err)
	}
	return given, known, nil
}

// unknown is the path of the first field that was given and that the message does not have: `.tls.mod`.
func unknown(given, known any) string {
	switch g := given.(type) {
	case map[string]any:
		k, _ := known.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(g)) {
			field, there := k[name]
			if !there {
				return "." + name
			}
			if path := unknown(g[name], field); path != "" {
				return "." + name + path
			}
		}
	case []any:
		k, _ := known.([]any)
		// As many entries are understood as were given; the bound is for a message that would not keep to that.
		for i := range min(len(g), len(k)) {
			if path := unknown(g[i], k[i]); path != "" {
				return fmt.Sprintf("[%d]%s", i, path)
			}
		}
	}
	return ""
}

// set puts a value into a map unless there is none.
func set(m map[string]any, key string, value any) {
	if value != nil {
		m[key] = value
	}
}

// problem is the first thing wrong with a spec.
type problem struct {
	scope string // what fields are part of, spec.service. unless given
	err   error
}

// note keeps the first problem, so that a spec with several always shows the same one.
func (p *problem) note(field, what string) {
	if p.err == nil {
		p.err = &rollout.InvalidError{Field: cmp.Or(p.scope, "spec.service.") + field, Problem: what}
	}
}
