package router

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// UserOwned says that an object is the user's own: only the fields in it are set, and it is never made where it is missing.
// What is ours has an owner, unless it is outside of namespaces, where it can't have one.
func (o Object) UserOwned() bool { return o.GetNamespace() != "" && len(o.GetOwnerReferences()) == 0 }

// serviceOf is the name of the Service that a backend of the Gateway API or a destination of Istio leads to, empty if
// that is none of the namespace's.
func serviceOf(backend map[string]any, namespace string) string {
	if host, _, _ := unstructured.NestedString(backend, "destination", "host"); host != "" {
		name, domain, _ := strings.Cut(host, ".")
		// Short, with its namespace, or in full with the domain of whatever cluster this is.
		if domain == "" || domain == namespace || strings.HasPrefix(domain+".", namespace+".svc.") {
			return name
		}
		return ""
	}
	name, _ := backend["name"].(string)
	if group, _ := backend["group"].(string); group != "" {
		return ""
	}
	if kind, ok := backend["kind"].(string); ok && kind != "Service" {
		return ""
	}
	// A Service of the same name elsewhere is not this Canary's.
	if other, ok := backend["namespace"].(string); ok && other != namespace {
		return ""
	}
	return name
}

// ownable refuses what only a generated route could do.
func ownable(c *v1beta1.Canary) error {
	if err := plain(c, "a route of spec.service.routeRefs", "only weights are set in it"); err != nil {
		return err
	}
	s := c.Spec.Service
	return refuse("belongs into the routes of spec.service.routeRefs, since none is generated", []asked{
		{"spec.service.gateways", len(s.Gateways) > 0},
		{"spec.service.gatewayRefs", len(s.GatewayRefs) > 0},
		{"spec.service.hosts", len(s.Hosts) > 0},
		{"spec.service.delegation", s.Delegation},
		{"spec.service.match", len(s.Match) > 0},
		{"spec.service.rewrite", s.Rewrite != nil},
		{"spec.service.timeout", s.Timeout != ""},
		{"spec.service.backendTimeout", s.BackendTimeout != ""},
		{"spec.service.retries", s.Retries != nil},
		{"spec.service.headers", s.Headers != nil},
		{"spec.service.corsPolicy", s.CorsPolicy != nil},
		{"spec.service.mirror", len(s.Mirror) > 0},
	})
}

// plain refuses all that takes more than weights.
func plain(c *v1beta1.Canary, what, advice string) error {
	a := c.Spec.Analysis
	if a == nil {
		return nil
	}
	fields := []asked{{"spec.analysis.match", len(a.Match) > 0}}
	for _, p := range previews(a) {
		fields = append(fields, asked{"spec.analysis." + p.field, len(p.match) > 0})
	}
	for i, s := range a.Steps {
		fields = append(fields, asked{fmt.Sprintf("spec.analysis.steps[%d].mirror", i), s.Mirror > 0})
	}
	return refuse("cannot be done by "+what+": "+advice, append(fields,
		asked{"spec.analysis.mirror", a.Mirror}, asked{"spec.analysis.sessionAffinity", a.SessionAffinity != nil}))
}

// asked is a field and whether it is given.
// The order of a list is the order in which people hear of its fields, one at a time.
type asked struct {
	field string
	given bool
}

// refuse is about the first field that is given.
func refuse(why string, fields []asked) error {
	for _, f := range fields {
		if f.given {
			return &rollout.InvalidError{Field: f.field, Problem: why}
		}
	}
	return nil
}
