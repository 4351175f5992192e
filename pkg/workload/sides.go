package workload

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// Workloads are the workloads of a Canary's two sides, as far as they are there, and what their Services select now.
type Workloads struct {
	Target, Primary Object
	// Previous is the pod template that the primary is about to return to; nil: it is not.
	Previous *corev1.PodTemplateSpec
	// TargetSelected and PrimarySelected are the live selectors of each side's Service; empty: there is none.
	TargetSelected, PrimarySelected map[string]string
	// ClusterIPs are those of the Services that are there, by name.
	ClusterIPs map[string]string
}

// Sides are how the pods of a Canary's two sides are found, and told apart.
//
// The selector of a Deployment or DaemonSet can not be changed, and its target can be made again with another one. So what a primary
// selects is read from the primary; only of one that is still to be made it follows from the target and the flags. The pods of a
// primary always have the labels of its selector, beside those of the target.
type Sides struct {
	label   labelChange       // of the label that differs, among those that the target selects by
	target  map[string]string // that a Service of the target's side selects
	primary map[string]string // that a Service of the primary's side selects
	own     map[string]string // that the primary itself selects
	labels  map[string]string // that tell pods of the primary from the target's
}

// Sides tells the two sides apart. A target whose pods cannot be told from the primary's is refused by a
// *rollout.InvalidError. Without a target, what the primary tells of it counts.
func (r LabelRules) Sides(w Workloads) (Sides, error) {
	selected := r.targetSelector(w)
	s := Sides{target: selected, labels: map[string]string{}}
	if w.Primary != nil {
		s.own = maps.Clone(matchLabels(w.Primary))
		maps.Copy(s.labels, s.own)
	}
	key, ok := r.differing(selected, s.labels)
	if !ok {
		// None of what the primary selects by tells its pods from the target's: another label has to.
		if key, ok = r.listed(selected, s.own); !ok {
			return Sides{}, r.indistinguishable(w)
		}
		s.labels[key] = selected[key] + v1beta1.PrimarySuffix
	}
	s.label = labelChange{key: key, from: selected[key], to: s.labels[key]}
	whole := merge(selected, s.labels)
	if w.Primary == nil {
		s.own, s.primary = whole, whole
		return s, nil
	}
	s.primary = s.primarySelector(w, whole)
	return s, nil
}

// primarySelector is the whole selector where it loses no endpoint, and else what the primary itself selects: pods of a
// template from before the target had these labels lack them.
func (s Sides) primarySelector(w Workloads, whole map[string]string) map[string]string {
	pods := SummaryOf(w.Primary).Template.Labels
	now := w.PrimarySelected
	switch {
	case w.Target == nil && contains(now, s.own) && contains(pods, now):
		return now // nothing tells what else the target selected by
	case !contains(pods, whole), w.Previous != nil && !contains(w.Previous.Labels, whole):
		return s.own
	// Every pod had these labels when they were first selected by, and each template since.
	case maps.Equal(now, whole), replaced(w.Primary):
		return whole
	}
	return s.own
}

// targetSelector is what the target selects its pods by.
func (r LabelRules) targetSelector(w Workloads) map[string]string {
	if w.Target != nil {
		return maps.Clone(matchLabels(w.Target))
	}
	// What its Service selects was told by the target itself.
	if len(w.TargetSelected) > 0 && !contains(SummaryOf(w.Primary).Template.Labels, w.TargetSelected) {
		return w.TargetSelected
	}
	own := maps.Clone(matchLabels(w.Primary))
	if keys := r.suffixed(own); len(keys) > 0 {
		own[keys[0]] = strings.TrimSuffix(own[keys[0]], v1beta1.PrimarySuffix)
	}
	return own
}

// suffixed are the labels of a primary's selector whose values end with -primary, in the order of the flag, then by name.
func (r LabelRules) suffixed(own map[string]string) (keys []string) {
	for _, k := range append(slices.Clone(r.SelectorLabels), slices.Sorted(maps.Keys(own))...) {
		if v, ok := own[k]; ok && strings.HasSuffix(v, v1beta1.PrimarySuffix) && !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	return keys
}

// differing is the label that tells the sides apart, of those that both select by: the primary has the target's value with
// -primary behind it. A target that was made again may have another value; then the label with that ending comes first.
func (r LabelRules) differing(selected, own map[string]string) (key string, ok bool) {
	keys := r.suffixed(own)
	for _, k := range keys {
		if v, ok := selected[k]; ok && own[k] == v+v1beta1.PrimarySuffix {
			return k, true
		}
	}
	for _, k := range append(keys, slices.Sorted(maps.Keys(own))...) {
		if v, ok := selected[k]; ok && own[k] != v {
			return k, true
		}
	}
	return "", false
}

// listed is the first label of the flag that a target selects by and its primary does not.
func (r LabelRules) listed(selected, own map[string]string) (key string, ok bool) {
	for _, l := range r.SelectorLabels {
		// By the selector and not by the pods' labels: only what is in it is on every pod for good.
		_, there := selected[l]
		if _, taken := own[l]; there && !taken {
			return l, true
		}
	}
	return "", false
}

func (r LabelRules) indistinguishable(w Workloads) error {
	of := w.Target
	if of == nil {
		of = w.Primary
	}
	summary := SummaryOf(of)
	problem := fmt.Sprintf("%s %s.%s spec.selector.matchLabels must contain one of [%s]",
		strings.ToLower(summary.Kind), of.GetName(), of.GetNamespace(), strings.Join(r.SelectorLabels, " "))
	if w.Primary != nil {
		problem += fmt.Sprintf(" that %s selects by another value", w.Primary.GetName())
	}
	return &rollout.InvalidError{Field: "spec.targetRef", Problem: problem}
}

// ofPrimary are the labels of pods with these labels when they are the primary's.
func (s Sides) ofPrimary(pods map[string]string) map[string]string { return merge(pods, s.labels) }

// mark is the label that tells the sides apart, with the primary's value.
func (s Sides) mark() map[string]string { return map[string]string{s.label.key: s.label.to} }

// selector is what a Service selects that leads to a side.
func (s Sides) selector(side rollout.Side, c *v1beta1.Canary) map[string]string {
	switch side {
	case rollout.PrimarySide:
		return s.primary
	case rollout.BothSides:
		return map[string]string{ApexLabel: c.ApexName()}
	default:
		return s.target
	}
}

// replaced says that all pods of a workload are of its newest template, whether or not they serve.
func replaced(o Object) bool {
	switch w := o.(type) {
	case *appsv1.Deployment:
		return w.Status.ObservedGeneration >= w.Generation && w.Status.Replicas == w.Status.UpdatedReplicas
	case *appsv1.DaemonSet:
		return w.Status.ObservedGeneration >= w.Generation && w.Status.CurrentNumberScheduled <= w.Status.UpdatedNumberScheduled
	}
	return false
}

// Selects says that a Service leads to the pods of a workload.
func Selects(s *corev1.Service, o Object) bool {
	return contains(SummaryOf(o).Template.Labels, s.Spec.Selector)
}

// SelectsByExpressions says that a workload selects its pods by more than labels and their values, which no Service does.
func SelectsByExpressions(o Object) bool {
	s := SummaryOf(o).Selector
	return s != nil && len(s.MatchExpressions) > 0
}

func matchLabels(o Object) map[string]string {
	if s := SummaryOf(o).Selector; s != nil {
		return s.MatchLabels
	}
	return nil
}

// contains says that a map has all entries of another one, which has any.
func contains(all, some map[string]string) bool {
	for k, v := range some {
		if has, ok := all[k]; !ok || has != v {
			return false
		}
	}
	return len(some) > 0
}
