package metric

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"k8s.io/client-go/third_party/forked/golang/template" //nolint:depguard // it compares values, and knows nothing of a cluster
	"k8s.io/client-go/util/jsonpath"                      //nolint:depguard // it reads paths, and knows nothing of a cluster
)

// File jsonpath.go finds values in JSON. Paths are read by the library that kubectl has. They are followed here: the
// library has no limits, panics on some answers, and a path of 21 unions makes it look at two million values.

const (
	maxPath  = 1024    // bytes: the library reads each in a call of its own
	maxSteps = 500_000 // values that are looked at: more than an answer of usual size has
)

var errSteps = fmt.Errorf("the path looks at more than %d values", maxSteps)

// jsonPath is a path that was read.
type jsonPath struct{ actions []jsonpath.Node }

// parsePath reads a path in braces. Loops are refused: they are for printing, and one value is wanted.
func parsePath(text string) (*jsonPath, error) {
	if len(text) > maxPath {
		return nil, fmt.Errorf("longer than %d bytes", maxPath)
	}
	p, err := jsonpath.Parse("answer", text)
	if err != nil {
		return nil, err
	}
	for _, action := range p.Root.Nodes {
		list, _ := action.(*jsonpath.ListNode)
		for i := 0; list != nil && i < len(list.Nodes); i++ {
			if word, ok := list.Nodes[i].(*jsonpath.IdentifierNode); ok && (word.Name == "range" || word.Name == "end") {
				return nil, fmt.Errorf("%s is for several values, and one is wanted", word.Name)
			}
		}
	}
	return &jsonPath{actions: p.Root.Nodes}, nil
}

// find returns the values at the path. A field or key that is missing has none.
func (p *jsonPath) find(answer any) ([]any, error) {
	s := &search{}
	var found []any
	for _, action := range p.actions {
		values, err := s.walk([]any{answer}, action)
		if err != nil {
			return nil, err
		}
		found = append(found, values...)
	}
	return found, nil
}

// search follows one path through one answer. What it does means the same as in the library.
type search struct{ steps int }

// look counts values that are looked at.
func (s *search) look(many int) error {
	if s.steps += many; s.steps > maxSteps {
		return errSteps
	}
	return nil
}

// walk goes one step from each of the values.
func (s *search) walk(from []any, n jsonpath.Node) ([]any, error) {
	// For the node as well, since a filter follows its paths for each value, whether they lead anywhere or not.
	if err := s.look(1 + len(from)); err != nil {
		return nil, err
	}
	switch n := n.(type) {
	case *jsonpath.ListNode:
		return s.list(from, n)
	case *jsonpath.TextNode:
		return []any{n.Text}, nil
	case *jsonpath.IntNode:
		return slices.Repeat([]any{n.Value}, len(from)), nil
	case *jsonpath.FloatNode:
		return slices.Repeat([]any{n.Value}, len(from)), nil
	case *jsonpath.BoolNode:
		return slices.Repeat([]any{n.Value}, len(from)), nil
	case *jsonpath.FieldNode:
		return fieldsOf(from, n.Value), nil
	case *jsonpath.WildcardNode:
		return s.all(from)
	case *jsonpath.RecursiveNode:
		var found []any
		err := s.descend(&found, from)
		return found, err
	case *jsonpath.ArrayNode:
		return s.slice(from, n.Params)
	case *jsonpath.UnionNode:
		return s.union(from, n)
	case *jsonpath.FilterNode:
		return s.filter(from, n)
	case *jsonpath.IdentifierNode:
		return nil, fmt.Errorf("unrecognized identifier %v", n.Name)
	}
	return nil, fmt.Errorf("unexpected Node %v", n)
}

// list takes several steps, one after the other.
func (s *search) list(from []any, steps *jsonpath.ListNode) (_ []any, err error) {
	for _, n := range steps.Nodes {
		if from, err = s.walk(from, n); err != nil {
			return nil, err
		}
	}
	return from, nil
}

// union takes several ways from the same values.
func (s *search) union(from []any, ways *jsonpath.UnionNode) ([]any, error) {
	var found []any
	for _, way := range ways.Nodes {
		values, err := s.list(from, way)
		if err != nil {
			return nil, err
		}
		found = append(found, values...)
	}
	return found, nil
}

func fieldsOf(from []any, name string) []any {
	var found []any
	for _, value := range from {
		if object, ok := value.(map[string]any); ok {
			if at, has := object[name]; has {
				found = append(found, at)
			}
		}
	}
	return found
}

// parts are what a value consists of, those of an object in the order of its keys. A text consists of bytes, as the
// library has it.
func parts(value any) []any {
	switch v := value.(type) {
	case []any:
		return v
	case map[string]any:
		found := make([]any, 0, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			found = append(found, v[key])
		}
		return found
	case string:
		found := make([]any, 0, len(v))
		for _, b := range []byte(v) {
			found = append(found, b)
		}
		return found
	}
	return nil
}

// size is how many parts a value has.
func size(value any) int {
	switch v := value.(type) {
	case []any:
		return len(v)
	case map[string]any:
		return len(v)
	case string:
		return len(v)
	}
	return 0
}

// all are the parts of all values.
func (s *search) all(from []any) ([]any, error) {
	var found []any
	for _, value := range from {
		if err := s.look(size(value)); err != nil { // before they are taken apart
			return nil, err
		}
		found = append(found, parts(value)...)
	}
	return found, nil
}

// descend adds each value that has parts, and what is below it.
func (s *search) descend(found *[]any, from []any) error {
	for _, value := range from {
		if err := s.look(1 + size(value)); err != nil {
			return err
		}
		below := parts(value)
		if len(below) == 0 {
			continue
		}
		*found = append(*found, value)
		if err := s.descend(found, below); err != nil {
			return err
		}
	}
	return nil
}

// slice takes `[start:end:step]` of lists. A start below zero counts from the end, and so does an end.
func (s *search) slice(from []any, params [3]jsonpath.ParamsEntry) ([]any, error) {
	var found []any
	for _, value := range from {
		if value == nil {
			continue
		}
		list, ok := value.([]any)
		if !ok {
			return nil, fmt.Errorf("%T is not array or slice", value)
		}
		start, end, err := bounds(params, len(list))
		if err != nil {
			return nil, err
		}
		if start == end { // nothing is asked for
			return found, nil
		}
		step := 1
		if params[2].Known {
			step = params[2].Value
		}
		if step <= 0 {
			return nil, errors.New("step must be > 0")
		}
		if err := s.look(end - start); err != nil {
			return nil, err
		}
		for i := start; i < end; i += min(step, end) { // an end is never beyond what an int holds
			found = append(found, list[i])
		}
	}
	return found, nil
}

// bounds are the ends of a slice of a list.
func bounds(params [3]jsonpath.ParamsEntry, length int) (start, end int, err error) {
	if params[0].Known {
		start = params[0].Value
	}
	if start < 0 {
		start += length
	}
	end = params[1].Value
	if !params[1].Known {
		end = length
	}
	if end < 0 || end == 0 && params[1].Derived {
		end += length
	}
	switch {
	case start == end:
		return start, end, nil
	case start >= length || start < 0:
		return 0, 0, fmt.Errorf("array index out of bounds: index %d, length %d", start, length)
	case end > length || end < 0:
		return 0, 0, fmt.Errorf("array index out of bounds: index %d, length %d", end-1, length)
	case start > end:
		return 0, 0, fmt.Errorf("starting index %d is greater than ending index %d", start, end)
	}
	return start, end, nil
}

// filter takes those elements of lists for which a comparison holds, or that have something at a path.
func (s *search) filter(from []any, n *jsonpath.FilterNode) ([]any, error) {
	var found []any
	for _, value := range from {
		list, ok := value.([]any)
		if !ok {
			return nil, fmt.Errorf("%s is not array or slice and cannot be filtered", shown(value))
		}
		for _, element := range list {
			passes, err := s.passes(element, n)
			if err != nil {
				return nil, err
			}
			if passes {
				found = append(found, element)
			}
		}
	}
	return found, nil
}

// passes says whether a filter takes an element.
func (s *search) passes(element any, n *jsonpath.FilterNode) (bool, error) {
	left, err := s.list([]any{element}, n.Left)
	switch {
	case errors.Is(err, errSteps):
		return false, err
	case n.Operator == "exists":
		return len(left) > 0, nil
	case err != nil || len(left) == 0:
		return false, err
	}
	right, err := s.list([]any{element}, n.Right)
	switch {
	case err != nil:
		return false, err
	case len(left) > 1 || len(right) > 1:
		return false, errors.New("can only compare one element at a time")
	case len(right) == 0:
		return false, nil
	}
	return compare(left[0], n.Operator, right[0])
}

func compare(a any, operator string, b any) (bool, error) {
	switch operator {
	case "<":
		return template.Less(a, b)
	case ">":
		return template.Greater(a, b)
	case "==":
		return template.Equal(a, b)
	case "!=":
		return template.NotEqual(a, b)
	case "<=":
		return template.LessEqual(a, b)
	case ">=":
		return template.GreaterEqual(a, b)
	}
	return false, fmt.Errorf("unrecognized filter operator %s", operator)
}
