// Package lint looks at manifests before a cluster does.
//
// It reads files, with the line of each field, and holds Canaries, MetricTemplates and AlertProviders to what the API server
// and the operator would say of them, by the same code: the schema and its CEL rules, the compiled plan, conditions, rendered
// templates. Beside that it looks at what neither can refuse: references among the files, the target's own manifest, weights
// that numbers of pods cannot reach. Objects of other kinds are passed over, and counted.
//
// A rule is an entry of Rules; everything that breaks one is a Finding. Nothing is read but the files.
package lint

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-cd/sluice/pkg/router"
)

// Options are what the operator is told by its flags, and the files do not say.
type Options struct {
	Provider       string        // of Canaries that name none
	Namespace      string        // of objects that name none
	SelectorLabels []string      // that may tell a target's pods from its primary's
	ScrapeInterval time.Duration // of Prometheus
	Complete       bool          // the files have everything that Canaries refer to
	LocalRefs      bool          // the operator refuses references to other namespaces
}

// Linter holds manifests to the rules. It may be used again, by one goroutine at a time.
type Linter struct {
	Options
	kinds map[string]*definition // of the API, by name
	apis  router.Options
}

// New prepares the rules.
func New(o Options) (*Linter, error) {
	o.Provider, o.Namespace = cmp.Or(o.Provider, "istio"), cmp.Or(o.Namespace, "default")
	o.ScrapeInterval = cmp.Or(o.ScrapeInterval, 15*time.Second)
	if len(o.SelectorLabels) == 0 {
		o.SelectorLabels = []string{"app", "name", "app.kubernetes.io/name"}
	}
	kinds, err := definitions()
	if err != nil {
		return nil, fmt.Errorf("prepare the schemas: %w", err)
	}
	l := &Linter{Options: o, kinds: kinds, apis: router.Options{APIVersions: router.EveryAPI()}}
	if _, _, err := router.New(o.Provider, l.apis); err != nil {
		return nil, err
	}
	return l, nil
}

// Level is how bad a finding is.
type Level string

// The levels. An error is refused, or fails in a rollout; a warning is followed in another way than most people mean it.
const (
	Error   Level = "error"
	Warning Level = "warning"
)

// Finding is one breach of a rule.
type Finding struct {
	Rule   string `json:"rule"`
	Level  Level  `json:"level"`
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Object string `json:"object,omitempty"` // Canary test/podinfo
	Field  string `json:"field,omitempty"`  // spec.analysis.stepWeight
	Found  string `json:"found"`
	Advice string `json:"advice"` // what to do
}

// Report is all that was found.
type Report struct {
	Findings []Finding      `json:"findings"`
	Files    int            `json:"files"`
	Objects  int            `json:"objects"`    // that were looked at
	Passed   map[string]int `json:"passedOver"` // objects of other kinds, by kind
}

// Count is how many findings have a level.
func (r *Report) Count(level Level) int {
	n := 0
	for _, f := range r.Findings {
		if f.Level == level {
			n++
		}
	}
	return n
}

// Lint looks at all documents of some files.
func (l *Linter) Lint(ctx context.Context, files *Files) *Report {
	r := &Report{Findings: slices.Clone(files.findings), Files: files.count, Passed: map[string]int{}}
	set := newSet(l, files)
	var held []*look
	for _, d := range files.documents {
		if !d.known() && !set.related(d) {
			r.Passed[cmp.Or(d.kind, "no object")]++
			continue
		}
		held = append(held, &look{Linter: l, set: set, doc: d})
	}
	r.Objects = len(held)
	each(len(held), func(i int) { held[i].object(ctx) })
	for _, h := range held {
		r.Findings = append(r.Findings, h.findings...)
	}
	for kind, n := range files.passed {
		r.Passed[kind] += n
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Rule, b.Rule))
	})
	return r
}
