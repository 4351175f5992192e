package workload

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// labelChange replaces one value of one label wherever pods are selected by it. A pod that selects its own
// kind by the old value would keep away from, or wait for, pods of the other side.
type labelChange struct{ key, from, to string }

// affinity covers both directions: pods that ask to be near their own kind would, unrenamed, wait for
// pods of the target, which is stopped most of the time.
// Pods that keep away from their own kind would keep away from the target's instead, and share nodes among themselves.
func (r labelChange) affinity(a *corev1.Affinity) {
	if a == nil {
		return
	}
	if p := a.PodAffinity; p != nil {
		r.terms(p.RequiredDuringSchedulingIgnoredDuringExecution)
		r.weighted(p.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	if p := a.PodAntiAffinity; p != nil {
		r.terms(p.RequiredDuringSchedulingIgnoredDuringExecution)
		r.weighted(p.PreferredDuringSchedulingIgnoredDuringExecution)
	}
}

func (r labelChange) terms(terms []corev1.PodAffinityTerm) {
	for i := range terms {
		r.selector(terms[i].LabelSelector)
	}
}

func (r labelChange) weighted(terms []corev1.WeightedPodAffinityTerm) {
	for i := range terms {
		r.selector(terms[i].PodAffinityTerm.LabelSelector)
	}
}

// selector is changed only where it names the label that the two sides differ in. Any other label is the
// same on both, and a new value for it would select nobody.
// Whatever the operator of an expression is: `not in` may be about one's own kind as well.
func (r labelChange) selector(s *metav1.LabelSelector) {
	if s == nil {
		return
	}
	if s.MatchLabels[r.key] == r.from {
		s.MatchLabels[r.key] = r.to
	}
	for _, e := range s.MatchExpressions {
		if i := slices.Index(e.Values, r.from); e.Key == r.key && i >= 0 {
			e.Values[i] = r.to
		}
	}
}
