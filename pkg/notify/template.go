package notify

import (
	"bytes"
	"errors"
	"fmt"
	"text/template/parse"

	"github.com/sluice-cd/sluice/pkg/template"
)

// File template.go is for texts of users' own. A template comes from an AlertProvider, whose author need not be trusted
// with the operator's time and memory: what it may do is a list, not the whole language.

// Facts are what the template of an AlertProvider may name.
// Names of it are an interface. It has no methods and no pointers, so that nothing but values is within reach.
type Facts struct {
	Canary    string  // name of the Canary
	Namespace string  // that it is in
	Cluster   string  // -cluster-name of the operator; empty where that is not set
	Target    string  // Example: `Deployment/podinfo`
	Phase     string  // Example: `Progressing`
	Severity  string  // info, warn or error
	Text      string  // what would be sent without a template
	Reason    string  // of a failure or a wait; empty where there is none
	Weight    int     // percent of requests that the canary gets
	Revision  string  // that is rolled out
	Metric    Metric  // that failed last; its parts are empty where none did
	Link      string  // where an approval that is asked for is given; empty where none is, or there is no page for it
	Images    []Image // that the revision changes
	Fields    []Field // details, as they are shown below the text
}

// maxText bounds the text that a template makes, in bytes: more than any service shows of it.
const maxText = 4 << 10

// functions are those that a template may call. Formatting is left out: a width makes a few letters a megabyte.
func functions() map[string]bool {
	return map[string]bool{
		"and": true, "or": true, "not": true, "len": true, "index": true, "print": true,
		"eq": true, "ne": true, "lt": true, "le": true, "gt": true, "ge": true,
	}
}

// CheckTemplate says what is wrong with a template; an empty one is fine. It is tried on facts of which none is
// missing, so that a name that there is not is found before the first message.
//
// One image and one field are enough to go into each loop once. What only fails at other facts is not found.
func CheckTemplate(text string) error {
	if text == "" {
		return nil
	}
	t, err := parseTemplate(text)
	if err != nil {
		return err
	}
	_, err = execute(t, Facts{Images: []Image{{}}, Fields: []Field{{}}})
	return err
}

func parseTemplate(text string) (*template.Template, error) {
	t, err := template.Parse("template", text, nil)
	if err != nil {
		return nil, err
	}
	// Templates that call each other have no end that could be seen beforehand.
	if t.Defines() > 0 {
		return nil, errors.New("template: define and block are not allowed")
	}
	return t, checkNode(t.Root(), false)
}

// checkNode refuses what could run for long: loops over anything but the lists, loops in loops, and templates that
// call each other.
func checkNode(n parse.Node, looping bool) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil { // no else
			return nil
		}
		return checkNodes(n.Nodes, looping)
	case *parse.ActionNode:
		return checkPipe(n.Pipe)
	case *parse.IfNode:
		return checkBranch(n.BranchNode, looping)
	case *parse.WithNode:
		return checkBranch(n.BranchNode, looping)
	case *parse.RangeNode:
		// Behind a bar there may be anything, as a number.
		if list := n.Pipe.Cmds[0].String(); looping || len(n.Pipe.Cmds) > 1 || list != ".Images" && list != ".Fields" {
			return fmt.Errorf("template: range over %s is not allowed, only over .Images and .Fields, one in the other neither", n.Pipe)
		}
		return checkBranch(n.BranchNode, true)
	case *parse.TemplateNode:
		return errors.New("template: define and block are not allowed")
	}
	return nil
}

func checkNodes(nodes []parse.Node, looping bool) error {
	for _, n := range nodes {
		if err := checkNode(n, looping); err != nil {
			return err
		}
	}
	return nil
}

func checkBranch(b parse.BranchNode, looping bool) error {
	// The first only, and not joined: what joins errors puts them on lines of their own, and this ends in a condition.
	if err := checkPipe(b.Pipe); err != nil {
		return err
	}
	if err := checkNode(b.List, looping); err != nil {
		return err
	}
	return checkNode(b.ElseList, looping)
}

// checkPipe looks into parentheses, and behind them: `(index .Images 0).New` is a chain around a pipe.
func checkPipe(p *parse.PipeNode) error {
	for _, c := range p.Cmds {
		for _, arg := range c.Args {
			switch arg := arg.(type) {
			case *parse.IdentifierNode:
				if !functions()[arg.Ident] {
					return fmt.Errorf("template: function %q is not allowed", arg.Ident)
				}
			case *parse.PipeNode:
				if err := checkPipe(arg); err != nil {
					return err
				}
			case *parse.ChainNode:
				if inner, ok := arg.Node.(*parse.PipeNode); ok {
					if err := checkPipe(inner); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// limited is a buffer that has an end.
// It refuses while it is written to, so that a long text is never there.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxText {
		return 0, fmt.Errorf("the text is longer than %d bytes", maxText)
	}
	return l.Buffer.Write(p)
}

func execute(t *template.Template, f Facts) (string, error) {
	var out limited
	if err := t.Execute(&out, f); err != nil {
		return "", err
	}
	return out.String(), nil
}

// factsOf makes values plain text in the service's markup; the template's own text may use that markup.
// Names of Kubernetes objects need no escaping: they have letters, digits, dashes and dots.
func factsOf(m Message, escape func(string) string) Facts {
	f := Facts{
		Canary: m.Canary, Namespace: m.Namespace, Cluster: escape(m.Cluster), Target: m.Target, Phase: m.Phase,
		Severity: string(m.Severity), Text: m.text(escape), Reason: escape(m.Reason),
		Weight: m.Weight, Revision: m.Revision, Images: m.Images, Link: escape(m.link()),
	}
	if m.Metric != nil {
		f.Metric = Metric{Name: escape(m.Metric.Name), Value: escape(m.Metric.Value), Limit: escape(m.Metric.Limit)}
	}
	for _, d := range m.Fields {
		f.Fields = append(f.Fields, Field{Name: d.Name, Value: escape(d.Value)})
	}
	return f
}
