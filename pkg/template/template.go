// Package template fills in templates in the language of text/template, with plain data: texts, numbers, booleans,
// lists, maps and structs.
//
// The standard library reads the template, and this package follows it. The library's own way of doing that calls
// methods by names that are known only then, for which the linker has to keep every method of every type: a quarter of
// the program, and of the memory it rests in. What is left out for it are methods, functions as values, channels and
// complex numbers; the words and the errors are the same.
package template

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"text/template/parse"
)

// Func is what a template may call by a name. What comes through a pipe is the last argument.
//
// Arguments are checked by the function itself, where the library looks at its type: one that is wrong is told in the
// library's words all the same, since people look those up.
type Func func(args []any) (any, error)

// Constant is a function that takes nothing and always finds the same.
func Constant(value any) Func {
	return func(args []any) (any, error) {
		if len(args) > 0 {
			return nil, wrongNumber(0, args)
		}
		return value, nil
	}
}

// OfText is a function of one text.
func OfText(f func(string) string) Func {
	return func(args []any) (any, error) {
		return one(args, func(a any) (any, error) {
			if s, ok := a.(string); ok {
				return f(s), nil
			}
			return nil, fmt.Errorf("wrong type for value; expected string; got %T", a)
		})
	}
}

// Template is one that was read.
type Template struct {
	name      string
	trees     map[string]*parse.Tree // its own, and those that it defines
	functions map[string]Func
}

// Parse reads a template. It may call the functions of text/template, but for `call`, and those that are given.
// A function that nobody knows is an error here, with its line; a field can be wrong only when there is data.
//
// A template has at most 64 KiB, and so has each value that it makes.
func Parse(name, text string, functions map[string]Func) (*Template, error) {
	if len(text) > largest {
		return nil, fmt.Errorf("template: %s: longer than %d bytes", name, largest)
	}
	all := builtins()
	maps.Copy(all, functions) // over the built-in ones, as in the library
	known := map[string]any{}
	for word := range all {
		known[word] = true
	}
	trees, err := parse.Parse(name, text, "", "", known)
	if err != nil {
		return nil, err
	}
	return &Template{name: name, trees: trees, functions: all}, nil
}

// Root is what the template consists of, for who wants to know what it asks for before there is data.
func (t *Template) Root() *parse.ListNode { return t.trees[t.name].Root }

// Defines is the number of templates that are defined inside of it.
func (t *Template) Defines() int { return len(t.trees) - 1 }

// Execute writes the template, filled in with data. An error of out comes back as it is: who bounds what may be written
// asks for it by its type. All else tells the place in the template.
//
// What was written before an error stays written. A template may be executed by several at the same time.
func (t *Template) Execute(out io.Writer, data any) error {
	f := &filling{Template: t, out: out, tree: t.trees[t.name], steps: new(int)}
	// The place is put in once, at the end: an error on its way up passes through many nodes.
	err := f.fill(data)
	var failed *writeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &failed):
		return failed.error
	}
	where, what := f.tree.ErrorContext(f.at)
	return fmt.Errorf("template: %s: executing %q at <%s>: %w", where, f.tree.Name, what, err)
}

// writeError is of the writer, not of the template. It has a type of its own because a function may fail with the very
// error that the writer has.
type writeError struct{ error }

// filling is one execution. A template that is defined inside of another one has a filling of its own: it sees none of
// the variables of who includes it.
type filling struct {
	*Template
	out   io.Writer
	tree  *parse.Tree // that is followed now
	at    parse.Node  // how far it is: errors are about this
	vars  []variable
	depth int
	steps *int // that were taken, of all templates together
}

// variable is a `$name`. The latest of a name counts.
type variable struct {
	name  string
	value any
}

// Templates are written by users, and followed where other users wait. The library knows the first bound only.
const (
	deepest      = 1000     // templates that call each other
	longest      = 100_000  // steps: a loop that writes nothing is not ended by a full writer
	largest      = 64 << 10 // bytes of a template, and of a value that it makes
	bytesPerStep = 64       // of values: 6 MiB in all
	roughly      = 1 << 20  // bytes that a format may come to at worst; what it does come to is measured then
)

var (
	errLong  = fmt.Errorf("the template takes more than %d steps", longest)
	errLarge = fmt.Errorf("the value grows beyond %d bytes", largest)
)

// fill follows the whole tree. `$` is what it was given, whatever the dot becomes on the way.
func (f *filling) fill(data any) error {
	f.vars = []variable{{"$", data}}
	return f.walk(data, f.tree.Root)
}

// Loops end early by these. The parser lets neither stand outside of a loop, so that nobody reads their texts.
var (
	errBreak    = errors.New("break outside of a loop")
	errContinue = errors.New("continue outside of a loop")
)

// walk follows one node. Every step of an execution is one of these, so that they are counted here.
func (f *filling) walk(dot any, n parse.Node) error {
	f.at = n
	if *f.steps++; *f.steps > longest {
		return errLong
	}
	switch n := n.(type) {
	case *parse.ListNode:
		return f.each(dot, n)
	case *parse.TextNode:
		return f.write(n.Text)
	case *parse.ActionNode:
		return f.act(dot, n.Pipe)
	case *parse.IfNode:
		return f.choose(dot, n.BranchNode, false)
	case *parse.WithNode:
		return f.choose(dot, n.BranchNode, true)
	case *parse.RangeNode:
		return f.loop(dot, n)
	case *parse.TemplateNode:
		return f.include(dot, n)
	case *parse.BreakNode:
		return errBreak
	case *parse.ContinueNode:
		return errContinue
	}
	return nil // a comment
}

func (f *filling) each(dot any, list *parse.ListNode) error {
	for _, n := range list.Nodes {
		if err := f.walk(dot, n); err != nil {
			return err
		}
	}
	return nil
}

func (f *filling) write(text []byte) error {
	if _, err := f.out.Write(text); err != nil {
		return &writeError{err}
	}
	return nil
}

// act writes a value, unless it is given to a variable.
func (f *filling) act(dot any, p *parse.PipeNode) error {
	value, err := f.pipe(dot, p)
	if err != nil || len(p.Decl) > 0 {
		return err
	}
	// The library's words for what is not there, such as an element that index did not find.
	if value == nil {
		return f.write([]byte("<no value>"))
	}
	return f.write(fmt.Append(nil, value))
}

// choose follows one of two branches. What a `with` looks at is the dot of its branch.
func (f *filling) choose(dot any, b parse.BranchNode, with bool) error {
	defer f.forget(len(f.vars)) // a variable of the condition lives as long as its branches
	value, err := f.pipe(dot, b.Pipe)
	switch {
	case err != nil:
		return err
	case !truth(value) && b.ElseList == nil:
		return nil
	case !truth(value):
		return f.walk(dot, b.ElseList)
	case with:
		return f.walk(value, b.List)
	}
	return f.walk(dot, b.List)
}

// forget ends the variables that were made since there were only so many.
func (f *filling) forget(many int) { f.vars = f.vars[:many] }

// include follows a template that is defined inside of this one.
func (f *filling) include(dot any, n *parse.TemplateNode) error {
	tree := f.trees[n.Name]
	if tree == nil {
		return fmt.Errorf("template %q not defined", n.Name)
	}
	if f.depth == deepest {
		return fmt.Errorf("exceeded maximum template depth (%d)", deepest)
	}
	data, err := f.pipe(dot, n.Pipe)
	if err != nil {
		return err
	}
	inner := &filling{Template: f.Template, out: f.out, tree: tree, depth: f.depth + 1, steps: f.steps}
	if err := inner.fill(data); err != nil {
		// The error is about a place in there.
		f.tree, f.at = inner.tree, inner.at
		return err
	}
	return nil
}

// find is the variable of a name that counts. From the end, since an inner one hides an outer one of its name.
func (f *filling) find(name string) (*variable, error) {
	for i := len(f.vars) - 1; i >= 0; i-- {
		if f.vars[i].name == name {
			return &f.vars[i], nil
		}
	}
	return nil, fmt.Errorf("undefined variable: %s", name)
}

// set gives a value to the variables of a pipe: to new ones, or to those that there are.
func (f *filling) set(p *parse.PipeNode, value any) error {
	for _, v := range p.Decl {
		if !p.IsAssign {
			f.vars = append(f.vars, variable{v.Ident[0], value})
			continue
		}
		if err := f.assign(v.Ident[0], value); err != nil {
			return err
		}
	}
	return nil
}

// assign gives a value to a variable that there is, wherever it was made: a branch can change what comes after it.
func (f *filling) assign(name string, value any) error {
	v, err := f.find(name)
	if err != nil {
		return err
	}
	v.value = value
	return nil
}
