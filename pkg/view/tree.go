package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Node is an object, or a run, and what belongs to it.
type Node struct {
	Kind     string    `json:"kind"` // Canary, Run, ReplicaSet, DaemonSet, Pod or Job
	Name     string    `json:"name"`
	State    State     `json:"state,omitempty"`
	Status   string    `json:"status,omitempty"` // in a word
	Created  time.Time `json:"created,omitzero"`
	Info     []string  `json:"info,omitempty"`
	Children []Node    `json:"children,omitempty"`

	ready, wanted int
	newest        bool
}

// treeOf is a Canary with its runs: that of the canary, that of the primary, and those that ended before.
func treeOf(o Objects, v View) Node {
	root := Node{Kind: "Canary", Name: v.Name, State: v.State, Status: v.Word(), Created: v.Created}
	for _, what := range o.Unread {
		root.Info = append(root.Info, clean(what, mostText))
	}
	c := o.Canary
	canary, primary := o.workload(c.Spec.TargetRef.Name), o.workload(c.PrimaryWorkload())
	shown := map[int64]bool{}
	serves := servingRun(&c.Status)
	if run := v.Run; run != nil && run.Number != serves && (run.Finished == nil || running(canary)) {
		node := runNode(run.Number, "canary")
		node.State, node.Status, node.Created = outcomeState(run.Outcome), string(run.Outcome), run.Started
		node.Children = append(labelled(canary, "canary", share(v, v.Weight)), o.jobs(run)...)
		root.Children = append(root.Children, node)
		shown[run.Number] = true
	} else if running(canary) { // at its first start, and while it is stopped
		root.Children = append(root.Children, Node{Kind: "Run", Name: "target", Info: []string{"target"}, Children: labelled(canary, "target", "")})
	}
	if len(primary) > 0 {
		node := runNode(serves, "primary")
		if past := v.Ended(serves); past != nil {
			node.Created = past.Started
		}
		node.Children = labelled(primary, "primary", share(v, 100-v.Weight))
		if run := v.Run; run != nil && run.Number == serves {
			node.Children = append(node.Children, o.jobs(run)...)
		}
		root.Children = append(root.Children, node)
		shown[serves] = true
	}
	for _, past := range v.Runs {
		if shown[past.Number] {
			continue
		}
		node := runNode(past.Number, past.Images)
		node.State, node.Status, node.Created = outcomeState(past.Outcome), string(past.Outcome), past.Started
		if past.By != "" {
			node.Info = append(node.Info, "by:"+past.By)
		}
		root.Children = append(root.Children, node)
	}
	return root
}

// servingRun is the number of the run that promoted what the primary runs; zero: that is not known.
func servingRun(s *v1beta1.CanaryStatus) int64 {
	if run := s.Run; run != nil && run.Outcome == v1beta1.RunPromoted && run.Revision == s.LastPromotedSpec {
		return run.Number
	}
	if run := s.Run; run != nil && run.From != nil && run.From.Revision == s.LastPromotedSpec && run.From.Run > 0 {
		return run.From.Run
	}
	for _, past := range s.History {
		if past.Outcome == v1beta1.RunPromoted && past.Revision == s.LastPromotedSpec {
			return past.Number
		}
	}
	return 0
}

func runNode(number int64, info string) Node {
	name := "first revision"
	if number > 0 {
		name = fmt.Sprintf("run:%d", number)
	}
	n := Node{Kind: "Run", Name: name}
	if info != "" {
		n.Info = []string{info}
	}
	return n
}

// running says that a workload has pods, or is to have some.
func running(nodes []Node) bool {
	for _, n := range nodes {
		if n.State != Stopped {
			return true
		}
	}
	return false
}

// labelled are the nodes of a workload with what they are to users.
func labelled(nodes []Node, side, weight string) []Node {
	for i := range nodes {
		info := []string{side}
		switch {
		case !nodes[i].newest:
			info = append(info, "former")
		case weight != "":
			info = append(info, weight)
		}
		nodes[i].Info = append(info, nodes[i].Info...)
	}
	return nodes
}

// share is a weight as it is shown; empty before anything is divided.
func share(v View, weight int) string {
	if v.Phase == "" || v.Phase == v1beta1.PhaseInitializing || v.Phase.Leaving() {
		return ""
	}
	text := fmt.Sprintf("weight:%d", weight)
	if v.Matched {
		text += " of those that fit"
	}
	return text
}

// outcomeState is how a run went.
func outcomeState(outcome v1beta1.RunOutcome) State {
	switch outcome {
	case "":
		return ""
	case v1beta1.RunPromoted:
		return Healthy
	case v1beta1.RunSuperseded, v1beta1.RunCalledOff, v1beta1.RunTerminated:
		return Stopped
	default:
		return Degraded
	}
}

// Word is the state of a Canary in a word.
func (v *View) Word() string {
	switch {
	case v.State == Degraded && v.Phase == v1beta1.PhaseFailed:
		return "Failed"
	case v.State == Degraded:
		return "Invalid"
	case v.State == Progressing && v.Phase != v1beta1.PhaseProgressing && v.Phase != "":
		return string(v.Phase)
	case v.State == Unknown:
		return "Unknown"
	}
	return strings.TrimSpace(string(v.State))
}
