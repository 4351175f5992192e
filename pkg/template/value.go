package template

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	std "text/template"
	"text/template/parse"
)

// pipe is the value of one or more commands, each of which gets what the one before it found.
func (f *filling) pipe(dot any, p *parse.PipeNode) (value any, err error) {
	if p == nil {
		return nil, nil // a template that is included without data
	}
	f.at = p
	var piped []any
	for _, c := range p.Cmds {
		if value, err = f.command(dot, c, piped); err != nil {
			return nil, err
		}
		piped = []any{value} // also where it is nil: an argument it is all the same
	}
	return value, f.set(p, value)
}

// command is a function with its arguments, or a single word.
func (f *filling) command(dot any, c *parse.CommandNode, piped []any) (any, error) {
	first := c.Args[0]
	if n, ok := first.(*parse.IdentifierNode); ok {
		f.at = n
		return f.call(dot, n.Ident, c, c.Args[1:], piped)
	}
	f.at = first
	// Only functions take arguments: a field of data that could be called is what this package does without.
	if len(c.Args) > 1 || len(piped) > 0 {
		return nil, noFunction(first)
	}
	if _, ok := first.(*parse.NilNode); ok {
		return nil, errors.New("nil is not a command")
	}
	return f.value(dot, first)
}

// noFunction is about a word that was given arguments.
func noFunction(n parse.Node) error {
	if field, ok := n.(*parse.FieldNode); ok {
		return fmt.Errorf("%s has arguments but cannot be invoked as function", field.Ident[len(field.Ident)-1])
	}
	return fmt.Errorf("can't give argument to non-function %s", n)
}

// value is what a single word stands for.
func (f *filling) value(dot any, n parse.Node) (any, error) {
	f.at = n
	switch n := n.(type) {
	case *parse.DotNode:
		return dot, nil
	case *parse.NilNode:
		return nil, nil
	case *parse.BoolNode:
		return n.True, nil
	case *parse.StringNode:
		return n.Text, nil
	case *parse.NumberNode:
		return number(n)
	case *parse.FieldNode:
		return fields(dot, n.Ident)
	case *parse.VariableNode:
		v, err := f.find(n.Ident[0])
		if err != nil {
			return nil, err
		}
		return fields(v.value, n.Ident[1:])
	case *parse.IdentifierNode:
		return f.call(dot, n.Ident, n, nil, nil)
	case *parse.PipeNode:
		return f.pipe(dot, n)
	case *parse.ChainNode:
		value, err := f.value(dot, n.Node)
		if err != nil {
			return nil, err
		}
		return fields(value, n.Field)
	}
	return nil, fmt.Errorf("can't evaluate %q", n)
}

// number is a constant, of the kind that it is written as: 1 is whole, 1.0 and 1e3 are not, and 0x1e3 is. The parser
// has found out what it could be, which for 1.0 is both.
func number(n *parse.NumberNode) (any, error) {
	hexadecimal := len(n.Text) > 2 && n.Text[0] == '0' && strings.ContainsRune("xX", rune(n.Text[1]))
	switch {
	case n.IsComplex: // 0i is a whole number to the parser as well
		return nil, fmt.Errorf("%s is not a number that can be used", n.Text)
	case n.IsFloat && !hexadecimal && n.Text[0] != '\'' && strings.ContainsAny(n.Text, ".eEpP"):
		return n.Float64, nil
	case n.IsInt:
		return int(n.Int64), nil
	case n.IsFloat:
		return n.Float64, nil
	}
	return nil, fmt.Errorf("%s is not a number that can be used", n.Text)
}

// call follows a function. `and` and `or` look no further than they have to: what comes after may not be there, as in
// `and .metric .metric.name`.
func (f *filling) call(dot any, name string, whole parse.Node, words []parse.Node, piped []any) (any, error) {
	var args []any
	for _, w := range words {
		value, err := f.value(dot, w)
		if err != nil {
			return nil, err
		}
		args = append(args, value)
		if decided(name, value) {
			return value, nil
		}
	}
	f.at = whole // the arguments have moved it on
	value, err := f.functions[name](append(args, piped...))
	if err != nil {
		return nil, fmt.Errorf("error calling %s: %w", name, err)
	}
	return value, f.pay(name, value)
}

// pay counts a text that a function has made. Steps are charged for its length as well, since many texts may be kept in
// variables at the same time.
func (f *filling) pay(name string, value any) error {
	made, _ := value.(string)
	if len(made) > largest {
		return fmt.Errorf("error calling %s: %w", name, errLarge)
	}
	if *f.steps += len(made) / bytesPerStep; *f.steps > longest {
		return errLong
	}
	return nil
}

// decided says that no further argument matters.
func decided(name string, value any) bool {
	return name == "and" && !truth(value) || name == "or" && truth(value)
}

// truth is the library's: zero, empty and nothing are false.
func truth(value any) bool {
	is, ok := std.IsTrue(value)
	return is && ok
}

// fields goes from a value to a part of a part of it.
func fields(value any, names []string) (any, error) {
	for _, name := range names {
		var err error
		if value, err = field(value, name); err != nil {
			return nil, err
		}
	}
	return value, nil
}

// field is a part of a value. A key that a map lacks is an error, where the library by default has `<no value>`: a
// query in which a variable is misspelt must not be sent.
func field(value any, name string) (any, error) {
	v := reflect.Indirect(reflect.ValueOf(value))
	switch v.Kind() {
	case reflect.Invalid:
		return nil, fmt.Errorf("nil data; no entry for key %q", name)
	case reflect.Map:
		if found := v.MapIndex(reflect.ValueOf(name)); found.IsValid() {
			return found.Interface(), nil
		}
		return nil, fmt.Errorf("map has no entry for key %q", name)
	case reflect.Struct:
		if found := v.FieldByName(name); found.IsValid() && found.CanInterface() { // one without a capital is nobody's
			return found.Interface(), nil
		}
	default: // nothing else has parts with names
	}
	return nil, fmt.Errorf("can't evaluate field %s in type %T", name, value)
}

// loop goes through a number, a list, or a map in the order of its keys.
func (f *filling) loop(dot any, n *parse.RangeNode) error {
	defer f.forget(len(f.vars))
	over, err := f.pipe(dot, n.Pipe)
	if err != nil {
		return err
	}
	many, item, err := items(over)
	if err != nil {
		return err
	}
	if many == 0 && n.ElseList != nil {
		return f.walk(dot, n.ElseList)
	}
	// How much is said before the first time: what a template writes changes nothing of what it goes through.
	for i := range many {
		err := f.once(n, i, item)
		if errors.Is(err, errBreak) {
			return nil
		}
		if err != nil && !errors.Is(err, errContinue) {
			return err
		}
	}
	return nil
}

// once goes through the loop one time.
func (f *filling) once(n *parse.RangeNode, i int, item func(int) (key, value any)) error {
	defer f.forget(len(f.vars)) // what was made inside ends with each time
	key, value := item(i)
	if err := f.hand(n.Pipe.Decl, key, value); err != nil {
		return err
	}
	return f.walk(value, n.List)
}

// hand gives the variables of a loop their values: one has the item, two have its key as well.
func (f *filling) hand(vars []*parse.VariableNode, key, value any) error {
	switch {
	case len(vars) == 0:
		return nil
	case len(vars) == 1:
		return f.assign(vars[0].Ident[0], value)
	case key == nil:
		return fmt.Errorf("can't use %v to iterate over more than one variable", value)
	}
	if err := f.assign(vars[0].Ident[0], key); err != nil {
		return err
	}
	return f.assign(vars[1].Ident[0], value)
}

// items are the parts of a value: how many, and each with its key. Of a number they have none. By an index, so that a
// loop over a large number costs nothing before it has begun.
func items(over any) (many int, item func(int) (key, value any), err error) {
	v := reflect.Indirect(reflect.ValueOf(over))
	switch v.Kind() {
	case reflect.Invalid:
		return 0, nil, nil
	case reflect.Int:
		return int(v.Int()), func(i int) (any, any) { return nil, i }, nil
	case reflect.Slice, reflect.Array:
		return v.Len(), func(i int) (any, any) { return i, v.Index(i).Interface() }, nil
	case reflect.Map:
		if v.Type().Key().Kind() == reflect.String {
			keys := v.MapKeys()
			// The same text each time, whatever order the map has today.
			slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
			return len(keys), func(i int) (any, any) { return keys[i].Interface(), v.MapIndex(keys[i]).Interface() }, nil
		}
	default: // nothing else has parts
	}
	return 0, nil, fmt.Errorf("range can't iterate over %v", over)
}
