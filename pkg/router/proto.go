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

// message is one of Istio's types.
type message[T any] interface {
	*T
	proto.Message
}

// settings are fields of the spec that go into an object of Istio's: decoded into Istio's types, and as they were given.
type settings struct {
	problem
	given map[string]any
}

// setting decodes a field and keeps it as it was given. Nil stays nil.
func setting[T any, M message[T]](s *settings, field string, from any) M {
	to, given := decoded[T, M](&s.problem, field, from)
	if given == nil {
		return nil
	}
	s.keep(field, given)
	return to
}

func (s *settings) keep(field string, given any) {
	if s.given == nil {
		s.given = map[string]any{}
	}
	s.given[field] = given
}

// decoded is a field as Istio's own type, and as it was given. Nil stays nil.
//
// Istio's decoder passes over what it does not know, which would turn a slip of the pen into a setting
// that is silently missing. So each field that was given has to be one of the message's.
func decoded[T any, M message[T]](first *problem, field string, from any) (to M, given any) {
	raw, err := json.Marshal(from)
	if err == nil {
		err = k8sjson.Unmarshal(raw, &given)
	}
	if err != nil {
		first.note(field, err.Error())
		return nil, nil
	}
	to = M(new(T))
	if path, err := undecodable(given, func(part any) error { return decode(part, M(new(T))) }); err != nil {
		first.note(field+path, err.Error())
		return nil, nil
	}
	known, err := understood(given, to)
	if err != nil {
		first.note(field, err.Error())
		return nil, nil
	}
	if path := unknown(given, known); path != "" {
		first.note(field+path, "unknown to Istio here")
	}
	return to, given
}

// decode goes by the rules of proto JSON, by which Istio's types decode themselves: these refuse wrong types and
// enumerations.
func decode(given any, to proto.Message) error {
	raw, err := json.Marshal(given)
	if err != nil {
		return fmt.Errorf("encode %v: %w", given, err)
	}
	return json.Unmarshal(raw, to)
}

// understood is what a message makes of what was given, with all of its fields: one that was given its default would not be
// told from one that is unknown otherwise.
func understood(given any, to proto.Message) (known any, err error) {
	if err := decode(given, to); err != nil {
		return nil, err
	}
	all, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(to)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", to, err)
	}
	if err := k8sjson.Unmarshal(all, &known); err != nil {
		return nil, fmt.Errorf("decode %T: %w", to, err)
	}
	return known, nil
}

// undecodable is the path of the smallest part that cannot be decoded: `.tls.mode`. Decoders name none.
func undecodable(given any, decode func(any) error) (path string, err error) {
	whole := decode(given)
	if whole == nil {
		return "", nil
	}
	switch g := given.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(g)) {
			alone := func(part any) error { return decode(map[string]any{name: part}) }
			if path, err := undecodable(g[name], alone); err != nil {
				return "." + name + path, err
			}
		}
	case []any:
		for i, entry := range g {
			alone := func(part any) error { return decode([]any{part}) }
			if path, err := undecodable(entry, alone); err != nil {
				return fmt.Sprintf("[%d]%s", i, path), err
			}
		}
	}
	return "", whole
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
