package lint

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// references looks for what a Canary names among the files. A cluster may have what they have not: an object is missed where
// they have one with nearly the same name, or are said to have everything.
func (l *look) references(c *canary) {
	spec := c.Spec
	l.refer("target-missing", "spec.targetRef.name", key{spec.TargetRef.Kind, c.Namespace, spec.TargetRef.Name})
	if ref := spec.AutoscalerRef; ref != nil {
		l.refer("autoscaler-missing", "spec.autoscalerRef.name", key{ref.Kind, c.Namespace, ref.Name})
	}
	if ref := spec.IngressRef; ref != nil {
		l.refer("route-source-missing", "spec.ingressRef.name", key{ref.Kind, c.Namespace, ref.Name})
	}
	if ref := spec.RouteRef; ref != nil {
		l.refer("route-source-missing", "spec.routeRef.name", key{ref.Kind, c.Namespace, ref.Name})
	}
	if ref := spec.UpstreamRef; ref != nil {
		l.foreign("spec.upstreamRef.namespace", c.Namespace, ref.Namespace)
		l.refer("route-source-missing", "spec.upstreamRef.name", key{ref.Kind, cmp.Or(ref.Namespace, c.Namespace), ref.Name})
	}
	for i, ref := range spec.Service.RouteRefs {
		l.refer("route-source-missing", fmt.Sprintf("spec.service.routeRefs[%d].name", i), key{ref.Kind, c.Namespace, ref.Name})
	}
	if spec.Analysis == nil {
		return
	}
	for i, m := range spec.Analysis.Metrics {
		if m.TemplateRef != nil {
			l.shared(c, "template-missing", fmt.Sprintf("spec.analysis.metrics[%d].templateRef", i), "MetricTemplate", *m.TemplateRef)
		}
	}
	for i, a := range spec.Analysis.Alerts {
		l.shared(c, "alert-provider-missing", fmt.Sprintf("spec.analysis.alerts[%d].providerRef", i), "AlertProvider", a.ProviderRef)
	}
}

// shared is a reference that may lead to another namespace.
func (l *look) shared(c *canary, rule, path, kind string, ref v1beta1.CrossNamespaceRef) {
	at := ref.KeyFor(c.Canary)
	l.foreign(path+".namespace", c.Namespace, ref.Namespace)
	l.refer(rule, path+".name", key{kind, at.Namespace, at.Name})
}

func (l *look) foreign(path, own, named string) {
	if l.LocalRefs && named != "" && named != own {
		l.find("cross-namespace", path, "%q is not %q", named, own)
	}
}

func (l *look) refer(rule, path string, k key) {
	near, missing := l.set.missing(k)
	if !missing || k.name == "" {
		return
	}
	advice := ""
	if near != "" {
		advice = fmt.Sprintf("Did you mean %s?", near)
	}
	l.advise(rule, path, advice, "the files have no %s %s/%s", k.kind, k.namespace, k.name)
}

// overlaps looks at what another Canary has, or the user makes, that this one is to have.
func (l *look) overlaps(c *canary) {
	another := func(of *canary) bool { return of.Name != c.Name } // of one name it is the same, as another environment has it
	if all := l.set.targets[c.target()]; slices.ContainsFunc(all, another) {
		other := all[slices.IndexFunc(all, another)]
		l.find("canaries-overlap", "spec.targetRef.name", "is the target of Canary %s as well (%s)", other.Name, other.doc.file)
	} else if all := l.set.apexes[c.apex()]; slices.ContainsFunc(all, another) {
		other := all[slices.IndexFunc(all, another)]
		l.find("canaries-overlap", "spec.service.name", "%s is the Service of Canary %s as well (%s)", c.ApexName(), other.Name, other.doc.file)
	}
	for _, made := range []key{
		{c.Spec.TargetRef.Kind, c.Namespace, c.PrimaryWorkload()},
		{"Service", c.Namespace, c.PrimaryName()},
		{"Service", c.Namespace, c.CanaryName()},
	} {
		if d := l.set.find(made, c.doc); d != nil {
			line, column := place(d.node, "metadata.name")
			f := d.finding("made-by-operator", line, column, "metadata.name", "is made for Canary "+c.Name, "")
			l.findings = append(l.findings, f)
		}
	}
}
