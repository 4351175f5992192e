package template

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	std "text/template"
)

// builtins are the functions that every template may call. Escaping is left to the library: what has to be escaped, and
// how, changes with what is found out about browsers.
func builtins() map[string]Func {
	return map[string]Func{
		"and":      last,
		"or":       last,
		"not":      func(args []any) (any, error) { return one(args, func(a any) (any, error) { return !truth(a), nil }) },
		"len":      func(args []any) (any, error) { return one(args, length) },
		"index":    index,
		"slice":    slice,
		"print":    written(fmt.Sprint),
		"println":  written(fmt.Sprintln),
		"printf":   printf,
		"html":     written(std.HTMLEscaper),
		"js":       written(std.JSEscaper),
		"urlquery": written(std.URLQueryEscaper),
		"eq":       equal,
		"ne":       differ,
		"lt":       ordered(func(order int) bool { return order < 0 }),
		"le":       ordered(func(order int) bool { return order <= 0 }),
		"gt":       ordered(func(order int) bool { return order > 0 }),
		"ge":       ordered(func(order int) bool { return order >= 0 }),
	}
}

// last is what `and` and `or` come to when no argument before it has decided.
func last(args []any) (any, error) {
	if len(args) == 0 {
		return nil, errors.New("wrong number of args: want at least 1 got 0")
	}
	return args[len(args)-1], nil
}

// one calls a function of one argument.
func one(args []any, of func(any) (any, error)) (any, error) {
	if len(args) != 1 {
		return nil, wrongNumber(1, args)
	}
	return of(args[0])
}

// length counts bytes of a text, as Go does.
func length(of any) (any, error) {
	switch v := reflect.Indirect(reflect.ValueOf(of)); v.Kind() {
	case reflect.String, reflect.Slice, reflect.Array, reflect.Map:
		return v.Len(), nil
	default:
		return nil, fmt.Errorf("len of type %T", of)
	}
}

// written is a function that writes all its arguments one after the other.
func written(by func(...any) string) Func {
	return func(args []any) (any, error) {
		// Measured before: the text of a thousand long arguments must not be made first.
		total := 0
		for _, a := range args {
			if total += size(a); total > largest {
				return nil, errLarge
			}
		}
		return by(args...), nil
	}
}

// size is how many bytes a value takes when it is written.
func size(value any) int {
	if s, ok := value.(string); ok {
		return len(s)
	}
	return len(fmt.Sprint(value))
}

// verb is a verb of a format up to its letter: flags, width and precision, each of which may be an argument, `*`.
var verb = regexp.MustCompile(`%[-+# 0]*(?:\[\d*\])?(\*|\d*)(?:\.(?:\[\d*\])?(\*|\d*))?`)

// formatted is no less than the size of what a format makes of its arguments, but for quoting: each verb may write the
// longest of them, and fill it up to the width.
func formatted(format string, args []any) int {
	longestArg, star := 0, 0
	for _, a := range args {
		longestArg = max(longestArg, size(a))
		if n, ok := a.(int); ok && n != math.MinInt {
			star = max(star, n, -n)
		}
	}
	total := len(format) + len(args)*longestArg
	for _, v := range verb.FindAllStringSubmatch(format, -1) {
		total += longestArg
		for _, width := range v[1:] {
			n, err := strconv.Atoi(width)
			switch {
			case width == "*":
				n = star
			case err != nil: // none, or one that fmt refuses
				n = 0
			}
			total += min(n, largest+1)
		}
	}
	return total
}

// printf has its format checked by nobody: what does not fit shows in the text, as %!d(string=x).
func printf(args []any) (any, error) {
	if len(args) == 0 {
		return nil, errors.New("wrong number of args: want at least 1 got 0")
	}
	format, ok := args[0].(string)
	if !ok {
		return nil, fmt.Errorf("wrong type for value; expected string; got %T", args[0])
	}
	// Before it is made: a width makes a few letters a megabyte.
	if formatted(format, args[1:]) > roughly {
		return nil, errLarge
	}
	return fmt.Sprintf(format, args[1:]...), nil
}

// index takes a part of a part. What a map does not have is nothing of its kind.
func index(args []any) (any, error) {
	if len(args) == 0 || args[0] == nil {
		return nil, errors.New("index of untyped nil")
	}
	v := reflect.Indirect(reflect.ValueOf(args[0]))
	for _, key := range args[1:] {
		for v.Kind() == reflect.Interface { // what was read from JSON is made of them
			v = v.Elem()
		}
		next, err := part(v, key)
		if err != nil {
			return nil, err
		}
		v = next
	}
	if !v.IsValid() || v.Kind() == reflect.Interface && v.IsNil() {
		return nil, nil
	}
	return v.Interface(), nil
}

// part is one element, by its place or its key. Unlike a field, a key that is not there is no error: to ask whether it is
// there, templates use index.
func part(v reflect.Value, key any) (reflect.Value, error) {
	switch v.Kind() {
	case reflect.Slice, reflect.Array, reflect.String:
		i, ok := key.(int)
		if !ok {
			return reflect.Value{}, fmt.Errorf("cannot index slice/array with type %T", key)
		}
		if i < 0 || i >= v.Len() {
			return reflect.Value{}, fmt.Errorf("index out of range: %d", i)
		}
		return v.Index(i), nil
	case reflect.Map:
		k := reflect.ValueOf(key)
		if !k.IsValid() || !k.Type().AssignableTo(v.Type().Key()) {
			return reflect.Value{}, fmt.Errorf("value has type %T; should be %s", key, v.Type().Key())
		}
		if found := v.MapIndex(k); found.IsValid() {
			return found, nil
		}
		return reflect.Zero(v.Type().Elem()), nil
	case reflect.Invalid:
		return reflect.Value{}, errors.New("index of nil pointer")
	default:
		return reflect.Value{}, fmt.Errorf("can't index item of type %s", v.Type())
	}
}

// slice takes a range of a text or a list.
func slice(args []any) (any, error) {
	if len(args) == 0 || args[0] == nil {
		return nil, errors.New("slice of untyped nil")
	}
	v := reflect.Indirect(reflect.ValueOf(args[0]))
	if k := v.Kind(); k != reflect.String && k != reflect.Slice {
		return nil, fmt.Errorf("can't slice item of type %s", v.Type())
	}
	if len(args) > 3 {
		return nil, fmt.Errorf("too many slice indexes: %d", len(args)-1)
	}
	bounds := []int{0, v.Len()} // one that is not given is the end on its side
	for k, a := range args[1:] {
		i, ok := a.(int)
		if !ok {
			return nil, fmt.Errorf("cannot index slice/array with type %T", a)
		}
		if i < 0 || i > v.Len() {
			return nil, fmt.Errorf("index out of range: %d", i)
		}
		bounds[k] = i
	}
	if bounds[0] > bounds[1] {
		return nil, fmt.Errorf("invalid slice index: %d > %d", bounds[0], bounds[1])
	}
	return v.Slice(bounds[0], bounds[1]).Interface(), nil
}

// equal says whether the first argument is any of the others.
func equal(args []any) (any, error) {
	if len(args) < 2 {
		return nil, errors.New("missing argument for comparison")
	}
	for _, other := range args[1:] {
		_, same, _, err := compare(args[0], other)
		// The first that is the same decides, before one that could not be compared is looked at.
		if err != nil || same {
			return same, err
		}
	}
	return false, nil
}

// differ says whether two arguments are not the same. They need no order.
func differ(args []any) (any, error) {
	if len(args) != 2 {
		return nil, wrongNumber(2, args)
	}
	_, same, _, err := compare(args[0], args[1])
	if err != nil {
		return nil, err
	}
	return !same, nil
}

// ordered compares two arguments by their order, which some do not have.
func ordered(is func(order int) bool) Func {
	return func(args []any) (any, error) {
		if len(args) != 2 {
			return nil, wrongNumber(2, args)
		}
		order, _, has, err := compare(args[0], args[1])
		if err == nil && !has {
			err = errors.New("invalid type for comparison")
		}
		if err != nil {
			return nil, err
		}
		return is(order), nil
	}
}

func wrongNumber(want int, args []any) error {
	return fmt.Errorf("wrong number of args: want %d got %d", want, len(args))
}

// compare takes texts, whole numbers, others, and booleans, each with its like only: 1 and 1.0 are not.
func compare(a, b any) (order int, same, ordered bool, err error) {
	if a == nil || b == nil { // nothing is like nothing alone, and to ask is no mistake
		return 0, a == nil && b == nil, false, nil
	}
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	switch {
	case x.Kind() == reflect.String && y.Kind() == reflect.String:
		order = cmp.Compare(x.String(), y.String())
		return order, order == 0, true, nil
	case x.CanInt() && y.CanInt():
		order = cmp.Compare(x.Int(), y.Int())
		return order, order == 0, true, nil
	case x.CanFloat() && y.CanFloat():
		// By ==, for what is not a number is not even like itself.
		return cmp.Compare(x.Float(), y.Float()), x.Float() == y.Float(), true, nil
	case x.Kind() == reflect.Bool && y.Kind() == reflect.Bool:
		return 0, x.Bool() == y.Bool(), false, nil
	case basic(x) && basic(y):
		return 0, false, false, errors.New("incompatible types for comparison")
	}
	return 0, false, false, fmt.Errorf("non-comparable types %T and %T", a, b)
}

// basic says that a value can be compared with some others.
func basic(v reflect.Value) bool {
	return v.Kind() == reflect.String || v.Kind() == reflect.Bool || v.CanInt() || v.CanFloat()
}
