package lint

import (
	"math"
	"slices"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// reader makes values of nodes, as kubectl would: whole numbers as such, `yes` and `on` as true, dates as text.
type reader struct {
	count    int
	tooLarge bool
	twice    []*yaml.Node // keys that are there already
}

// value is what a node stands for. Aliases are written out, within bounds: ten lines of them can be a billion values.
func (r *reader) value(n *yaml.Node, depth int) any {
	if r.count++; r.count > mostValue || depth > mostDepth {
		r.tooLarge = true
		return nil
	}
	switch n.Kind {
	case yaml.AliasNode:
		return r.value(n.Alias, depth+1)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, item := range n.Content {
			if r.tooLarge {
				break
			}
			list = append(list, r.value(item, depth+1))
		}
		return list
	case yaml.MappingNode:
		return r.mapping(n, depth)
	case yaml.ScalarNode:
		return scalar(n)
	default: // a document is opened before
		return nil
	}
}

func (r *reader) mapping(n *yaml.Node, depth int) map[string]any {
	object := make(map[string]any, len(n.Content)/2)
	own := map[string]bool{}
	for i := 0; i+1 < len(n.Content) && !r.tooLarge; i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.ShortTag() == "!!merge" {
			r.merge(object, value, depth)
			continue
		}
		if own[key.Value] {
			r.twice = append(r.twice, key)
			continue
		}
		own[key.Value] = true
		object[key.Value] = r.value(value, depth+1)
	}
	return object
}

// merge adds what a key `<<` names, where the object has no value of its own.
func (r *reader) merge(object map[string]any, n *yaml.Node, depth int) {
	sources := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		sources = n.Content
	}
	for _, s := range sources {
		from, _ := r.value(s, depth+1).(map[string]any)
		for key, value := range from {
			if _, taken := object[key]; !taken {
				object[key] = value
			}
		}
	}
}

func scalar(n *yaml.Node) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int":
		return number(n)
	case "!!float":
		var f float64
		if err := n.Decode(&f); err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return n.Value
		}
		return f
	case "!!str":
		if n.Style == 0 && slices.Contains([]string{"yes", "no", "on", "off", "y", "n"}, strings.ToLower(n.Value)) {
			return slices.Contains([]string{"yes", "on", "y"}, strings.ToLower(n.Value))
		}
	}
	return n.Value
}

func number(n *yaml.Node) any {
	var i int64
	if n.Decode(&i) == nil {
		return i
	}
	var f float64
	if n.Decode(&f) == nil {
		return f
	}
	return n.Value
}

// child is the value of a key; nil: there is none.
func child(n *yaml.Node, key string) *yaml.Node {
	_, value := entry(n, key)
	return value
}

func entry(n *yaml.Node, name string) (key, value *yaml.Node) {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

// place is where a field stands, or the innermost of those around it that is there.
func place(n *yaml.Node, path string) (line, column int) {
	line, column = n.Line, n.Column
	for _, part := range parts(path) {
		for n != nil && n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		if n != nil && n.Kind == yaml.SequenceNode {
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(n.Content) {
				return line, column
			}
			n = n.Content[i]
			line, column = n.Line, n.Column
			continue
		}
		key, value := entry(n, part)
		if key == nil {
			return line, column
		}
		n, line, column = value, key.Line, key.Column
	}
	return line, column
}

// parts splits a path such as spec.analysis.metrics[0].templateVariables[reporter].
func parts(path string) []string {
	return strings.FieldsFunc(strings.ReplaceAll(path, "].", "["), func(c rune) bool { return c == '.' || c == '[' || c == ']' })
}
