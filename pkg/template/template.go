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
func Parse(name, text string, functions map[string]Func) (*Template, error) {
	all := builtins()
	maps.Copy(all, functions)
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

// Root is what the template consists of.
func (t *Template) Root() *parse.ListNode { return t.trees[t.name].Root }

// Defines is the number of templates that are defined inside of it.
func (t *Template) Defines() int { return len(t.trees) - 1 }

// Execute writes the template, filled in with data. An error of out comes back as it is.
func (t *Template) Execute(out io.Writer, data any) error {
	f := &filling{Template: t, out: out, tree: t.trees[t.name], steps: new(int)}
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

// writeError is of the writer, not of the template.
type writeError struct{ error }

// filling is one execution.
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

// Templates are written by users, and followed where other users wait.
const (
	deepest = 1000    // templates that call each other
	longest = 100_000 // steps: a loop that writes nothing is not ended by a full writer
)

var errLong = fmt.Errorf("the template takes more than %d steps", longest)

func (f *filling) fill(data any) error {
	f.vars = []variable{{"$", data}}
	return f.walk(data, f.tree.Root)
}

// Loops end early by these.
var (
	errBreak    = errors.New("break outside of a loop")
	errContinue = errors.New("continue outside of a loop")
)

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
	if value == nil {
		return f.write([]byte("<no value>"))
	}
	return f.write(fmt.Append(nil, value))
}

// choose follows one of two branches. What a `with` looks at is the dot of its branch.
func (f *filling) choose(dot any, b parse.BranchNode, with bool) error {
	defer f.forget(len(f.vars))
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
		f.tree, f.at = inner.tree, inner.at
		return err
	}
	return nil
}

// find is the variable of a name that counts.
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

func (f *filling) assign(name string, value any) error {
	v, err := f.find(name)
	if err != nil {
		return err
	}
	v.value = value
	return nil
}
