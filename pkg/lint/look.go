package lint

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// look is one object under the rules.
type look struct {
	*Linter
	set      *set
	doc      *document
	findings []Finding
}

// find notes a breach of a rule.
func (l *look) find(rule, path, format string, args ...any) {
	l.advise(rule, path, "", format, args...)
}

// advise is find with something better to do than the rule's.
func (l *look) advise(rule, path, advice, format string, args ...any) {
	line, column := place(l.doc.node, path)
	l.findings = append(l.findings, l.doc.finding(rule, line, column, path, fmt.Sprintf(format, args...), advice))
}

// object holds the object to the rules of its kind.
func (l *look) object(ctx context.Context) {
	if !l.doc.known() {
		l.target()
		return
	}
	d := l.kinds[l.doc.kind]
	if d == nil || !slices.Contains(d.versions, l.doc.apiVersion) {
		l.version(d)
		return
	}
	l.metadata()
	stored := clone(l.doc.object)
	if !l.schema(ctx, d, stored) {
		return // a typed object of it would have other values
	}
	var err error
	switch l.doc.kind {
	case "Canary":
		if c := l.set.canaries[l.doc]; c != nil {
			l.canary(c)
		}
	case "MetricTemplate":
		var t *v1beta1.MetricTemplate
		if t, err = decode[v1beta1.MetricTemplate](stored); err == nil {
			l.template(t)
		}
	case "AlertProvider":
		var p *v1beta1.AlertProvider
		if p, err = decode[v1beta1.AlertProvider](stored); err == nil {
			l.alertProvider(p)
		}
	}
	if err != nil {
		l.find("schema", "spec", "%s", err)
	}
}

func (l *look) version(d *definition) {
	if d == nil {
		l.advise("api-version", "kind", "Use one of Canary, MetricTemplate, AlertProvider", "%q is no kind of flagger.app", l.doc.kind)
		return
	}
	l.find("api-version", "apiVersion", "%q is not one of %s", l.doc.apiVersion, strings.Join(d.versions, ", "))
}

// metadata looks at what the API server checks for all kinds, and at what it writes.
func (l *look) metadata() {
	if l.doc.name == "" {
		l.advise("object-name", "metadata.name", "Add metadata.name", "is missing")
	} else if wrong := validation.IsDNS1123Subdomain(l.doc.name); len(wrong) > 0 {
		l.find("object-name", "metadata.name", "%q: %s", l.doc.name, wrong[0])
	}
	for _, path := range [][]string{{"metadata", "uid"}, {"metadata", "resourceVersion"}, {"status", "phase"}} {
		if textAt(l.doc.object, path...) != "" {
			l.find("exported", strings.Join(path, "."), "is written by the cluster")
			return
		}
	}
}

// schema has the object admitted; false: it would be refused.
func (l *look) schema(ctx context.Context, d *definition, object map[string]any) bool {
	unknown, refused, broken := d.admit(ctx, object)
	for _, path := range unknown {
		name := path[strings.LastIndex(path, ".")+1:]
		advice := ""
		if near := nearest(name, d.fields(path)); near != "" {
			advice = fmt.Sprintf("Did you mean %s? The API server drops what it does not know", near)
		}
		l.advise("unknown-field", path, advice, "is no field of a %s", l.doc.kind)
	}
	for _, e := range refused {
		l.find("schema", pathOf(e), "%s", e.ErrorBody())
	}
	if len(refused) > 0 {
		return false // rules say less clearly what the schema has said
	}
	for _, e := range broken {
		l.find("schema-rule", pathOf(e), "%s", e.ErrorBody())
	}
	return len(broken) == 0
}

func pathOf(e *field.Error) string {
	if e.Field == "<nil>" {
		return ""
	}
	return e.Field
}

// invalid notes what the operator would refuse, under a rule that may depend on the field.
func (l *look) invalid(err error, ruleOf func(*rollout.InvalidError) string) {
	var wrong *rollout.InvalidError
	if errors.As(err, &wrong) {
		l.find(ruleOf(wrong), wrong.Field, "%s", wrong.Problem)
	}
}

// remarked finds the first field that a remark is about, for its place.
var remarked = regexp.MustCompile(`spec(?:\.\w+|\[\d+\])+`)

// remark notes what is followed in another way than it says.
func (l *look) remark(r rollout.Remark) {
	rule, path := "strategy-adjusted", remarked.FindString(r.Text)
	if r.Reason == rollout.ReasonFieldIgnored {
		rule = "field-ignored"
	}
	if path == "" {
		path = "spec.analysis"
	}
	l.find(rule, path, "%s", r.Text)
}
