package view

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// Lines are a View as a person reads it: a header, and the tree.
func (s Style) Lines(v View) []string {
	header := s.header(v)
	root := limited(v.Tree, s.Runs)
	rows := s.tree(root)
	if s.Height > 0 && len(header)+len(rows) > s.Height {
		rows = s.tree(folded(root))
	}
	var out []string
	for _, l := range append(header, rows...) {
		out = append(out, s.write(l))
	}
	if s.Height > 1 && len(out) > s.Height {
		more := len(out) - s.Height + 1
		out = append(out[:s.Height-1], s.write(line{{fmt.Sprintf("… %d more lines", more), faint}}))
	}
	return out
}

func label(text string) segment { return segment{fmt.Sprintf("%-12s", text+":"), bold} }

func (s Style) header(v View) []line {
	first := line{label("Name"), {text: v.Name + "   "}, {"Namespace: ", bold}, {text: v.Namespace + "   "}, {"Status: ", bold}, status(v.State, v.Word())}
	if w := v.Waiting; w != nil {
		text := "  " + w.Reason
		if w.For != "" {
			text += ": " + w.For
		}
		if !w.Since.IsZero() && w.Person {
			text += " since " + s.age(w.Since)
		}
		first = append(first, segment{text: text})
	}
	lines := []line{first}
	if v.Problem != "" {
		lines = append(lines, line{label("Problem"), {v.Problem, red}})
	}
	if v.Run != nil {
		lines = append(lines, s.run(v))
	}
	if checks := s.checks(v); checks != nil {
		lines = append(lines, checks)
	}
	return lines
}

func (s Style) run(v View) line {
	run := v.Run
	age := s.age(run.Started)
	if run.Finished != nil {
		age = s.age(*run.Finished) + " ago"
	}
	l := line{label("Run"), {text: fmt.Sprintf("%d  %s  %s", run.Number, run.Revision, age)}}
	if run.Outcome != "" {
		l = append(l, segment{text: "  "}, status(outcomeState(run.Outcome), string(run.Outcome)))
	}
	if upgrade := run.Upgrade(); upgrade != "" {
		l = append(l, segment{text: "  " + upgrade})
	}
	if run.Attempt > 1 {
		l = append(l, segment{text: fmt.Sprintf("  attempt %d", run.Attempt)})
	}
	if v.Step.Number > 0 || v.Step.Of > 0 {
		l = append(l, segment{"   Step: ", bold}, segment{text: v.Step.String()})
	}
	if v.Phase.Unfinished() {
		weight := strconv.Itoa(v.Weight)
		if v.Actual != nil {
			weight += fmt.Sprintf(" (actual %d)", *v.Actual)
		}
		l = append(l, segment{"   Weight: ", bold}, segment{text: weight})
	}
	return l
}

// String is a step as `3/6`; one with a name as `3/6 smoke`.
func (s Step) String() string {
	of := "?"
	if s.Of > 0 {
		of = strconv.Itoa(s.Of)
	}
	return strings.TrimSpace(fmt.Sprintf("%d/%s %s", s.Number, of, s.Name))
}

func (s Style) checks(v View) line {
	if len(v.Checks.Metrics) == 0 && v.Checks.Failed == 0 && !v.Phase.UnderWay() {
		return nil
	}
	l := line{label("Checks"), {text: fmt.Sprintf("%d of %d failed", v.Checks.Failed, v.Checks.Threshold)}}
	for _, m := range v.Checks.Metrics {
		value := rollout.Rounded(m.Value, m.Limit)
		if value == "" {
			value = "no value"
		}
		l = append(l, segment{text: "   " + strings.TrimSpace(m.Name+" "+value+" "+m.Limit) + " "}, verdict(m.Verdict))
	}
	return l
}

func verdict(v v1beta1.Verdict) segment {
	switch v {
	case v1beta1.Passed:
		return segment{"✔", green}
	case v1beta1.Failed:
		return segment{"✖", red}
	default:
		return segment{string(v), yellow}
	}
}

// limited is a tree without the runs beyond a number.
func limited(root Node, runs int) Node {
	if runs > 0 && len(root.Children) > runs {
		root.Children = root.Children[:runs:runs]
	}
	return root
}

// folded is a tree whose healthy pods are told by their number.
func folded(n Node) Node {
	var kept []Node
	for _, child := range n.Children {
		if child.Kind != "Pod" || child.State != Healthy {
			kept = append(kept, folded(child))
		}
	}
	if n.wanted > 0 || len(kept) < len(n.Children) {
		n.Info = append(n.Info[:len(n.Info):len(n.Info)], fmt.Sprintf("pods:%d/%d", n.ready, n.wanted))
	}
	n.Children = kept
	return n
}

// row is a node as a row of the table.
type row struct {
	name line
	node Node
}

func (s Style) tree(root Node) []line {
	rows := []row{{name: named("", root), node: root}}
	rows = append(rows, below("", root)...)
	columns := [][]line{}
	for _, r := range rows {
		kind := r.node.Kind
		if kind == "Run" {
			kind = ""
		}
		columns = append(columns, []line{r.name, {{text: kind}}, {status(r.node.State, r.node.Status)}, {{text: s.age(r.node.Created)}}, {{text: strings.Join(r.node.Info, ",")}}})
	}
	return table([]string{"NAME", "KIND", "STATUS", "AGE", "INFO"}, columns)
}

// table has columns as wide as they need to be.
func table(head []string, rows [][]line) (lines []line) {
	all := make([][]line, 0, len(rows)+1)
	titles := make([]line, len(head))
	for i, title := range head {
		titles[i] = line{{title, bold}}
	}
	all = append(append(all, titles), rows...)
	widths := make([]int, len(head))
	for _, cells := range all {
		for i, cell := range cells {
			widths[i] = max(widths[i], cell.width())
		}
	}
	for _, cells := range all {
		var l line
		for i, cell := range cells {
			if i < len(cells)-1 {
				cell = cell.padded(widths[i] + 2)
			}
			l = append(l, cell...)
		}
		lines = append(lines, l)
	}
	return lines
}

// below are the rows of what belongs to a node.
func below(indent string, n Node) (rows []row) {
	for i, child := range n.Children {
		branch, further := "├──", "│  "
		if i == len(n.Children)-1 {
			branch, further = "└──", "   "
		}
		rows = append(rows, row{name: named(indent+branch, child), node: child})
		rows = append(rows, below(indent+further, child)...)
	}
	return rows
}

func named(branch string, n Node) line {
	sign := map[string]string{"Canary": "⟳ ", "Run": "# ", "ReplicaSet": "⧉ ", "DaemonSet": "⧉ ", "Pod": "□ ", "Job": "⊞ "}[n.Kind]
	return line{{branch, faint}, {sign, cyan}, {text: n.Name}}
}
