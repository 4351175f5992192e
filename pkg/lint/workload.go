package lint

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// workload looks at a Canary together with its target, where the files have that.
func (l *look) workload(c *canary) {
	target, _ := l.set.target(c)
	l.autoscaler(c, c.target())
	if target == nil {
		return
	}
	summary := workload.SummaryOf(target)
	rules := workload.LabelRules{SelectorLabels: l.SelectorLabels}
	var wrong *rollout.InvalidError
	if _, err := rules.Sides(workload.Workloads{Target: target}); errors.As(err, &wrong) {
		l.find("selector-labels", wrong.Field, "%s", wrong.Problem)
	}
	if port := c.Spec.Service.TargetPort; port.Type == intstr.String && port.StrVal != "" {
		if names := portNames(summary.Template); !slices.Contains(names, port.StrVal) {
			l.find("port-name", "spec.service.targetPort", "%q is none of the ports of %s: %s", port.StrVal, c.Spec.TargetRef.Name, strings.Join(names, ", "))
		}
	}
	if needs, deadline := startsAfter(target), deadlineOf(c.Canary); needs >= deadline {
		l.find("deadline-short", "spec.progressDeadlineSeconds", "is %s, and pods of %s count as available after %s at the earliest", deadline, c.Spec.TargetRef.Name, needs)
	}
}

// autoscaler looks at the autoscalers of the target.
func (l *look) autoscaler(c *canary, target key) {
	ref := c.Spec.AutoscalerRef
	if ref == nil {
		if found := l.set.autoscalers(target); len(found) > 0 {
			l.find("autoscaler-unnamed", "spec", "%s %s scales the target, and autoscalerRef does not name it", found[0].kind, found[0].name)
		}
		return
	}
	d := l.set.find(key{ref.Kind, c.Namespace, ref.Name}, c.doc)
	if d == nil {
		return
	}
	if of := scaled(d); of != (key{target.kind, "", target.name}) {
		l.find("autoscaler-target", "spec.autoscalerRef.name", "%s %s scales %s %s", ref.Kind, ref.Name, of.kind, of.name)
	}
}

// startsAfter is how long a pod of a workload takes at least until it counts as available.
func startsAfter(o workload.Object) time.Duration {
	var least int32
	for _, c := range workload.SummaryOf(o).Template.Spec.Containers {
		if c.ReadinessProbe != nil {
			least = max(least, c.ReadinessProbe.InitialDelaySeconds)
		}
	}
	switch w := o.(type) {
	case *appsv1.Deployment:
		least += w.Spec.MinReadySeconds
	case *appsv1.DaemonSet:
		least += w.Spec.MinReadySeconds
	}
	return time.Duration(least) * time.Second
}

func deadlineOf(c *v1beta1.Canary) time.Duration {
	if s := c.Spec.ProgressDeadlineSeconds; s != nil {
		return time.Duration(*s) * time.Second
	}
	return 600 * time.Second
}

// owners are the marks that GitOps tools leave on what they apply.
func owners() []struct{ tool, place, name string } {
	return []struct{ tool, place, name string }{
		{"Flux", "labels", "kustomize.toolkit.fluxcd.io/name"},
		{"Flux", "labels", "helm.toolkit.fluxcd.io/name"},
		{"Argo CD", "annotations", "argocd.argoproj.io/tracking-id"},
		{"Argo CD", "labels", "argocd.argoproj.io/instance"},
	}
}

// target looks at the manifest of a target.
func (l *look) target() {
	for _, o := range owners() {
		if owner := textAt(l.doc.object, "metadata", o.place, o.name); owner != "" {
			l.find("gitops-owner", "metadata."+o.place, "%s says that it belongs to %s %s", o.name, o.tool, owner)
		}
	}
	var of *canary // the one of the same file, or the first
	for _, c := range l.set.targets[key{l.doc.kind, l.set.namespaceOf(l.doc), l.doc.name}] {
		if of == nil || c.doc.file == l.doc.file {
			of = c
		}
	}
	if of == nil {
		return
	}
	if target, d := l.set.target(of); d == l.doc && target != nil {
		l.manifest(of, target)
	}
}

func (l *look) manifest(c *canary, target workload.Object) {
	summary := workload.SummaryOf(target)
	if !workload.SelectorMatches(summary.Selector, summary.Template.Labels) {
		l.find("selector-mismatch", "spec.selector", "does not fit the labels of the template")
	}
	d, ok := target.(*appsv1.Deployment)
	// What reaches weights by numbers of pods needs to know how many there are.
	if !ok || d.Spec.Replicas == nil || c.Spec.Analysis != nil && c.Spec.Analysis.ReplicaRatio {
		return
	}
	who := "the operator"
	if ref := c.Spec.AutoscalerRef; ref != nil {
		who = fmt.Sprintf("%s %s", ref.Kind, ref.Name)
	}
	l.find("replicas", "spec.replicas", "is %d, and %s sets it too", *d.Spec.Replicas, who)
}
