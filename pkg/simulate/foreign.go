package simulate

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// SetForeign puts the world into a state that another controller of this API left it in: v1 or v2 on its primary, v2 on
// its target while a rollout is under way, and weight percent routed to that, whatever the status says.
func (w *World) SetForeign(phase v1beta1.CanaryPhase, weight, iterations int) {
	st := v1beta1.CanaryStatus{Phase: phase, LastAppliedSpec: "5d89f7c6b4", LastPromotedSpec: "5d89f7c6b4", Iterations: iterations}
	st.Conditions = []metav1.Condition{{Type: v1beta1.ConditionPromoted, Status: metav1.ConditionTrue, Reason: string(phase)}}
	size, copied := int32(0), "v1"
	if weight > 0 || !phase.AtRest() {
		st.LastAppliedSpec, size = "7c96dd5f8", 2
	}
	switch phase {
	case v1beta1.PhaseProgressing:
		st.CanaryWeight = weight
	case v1beta1.PhasePromoting, v1beta1.PhaseFinalising:
		st.CanaryWeight, copied = weight, "v2"
	case v1beta1.PhaseFailed:
		if weight > 0 { // its promotion failed, so the primary has it
			copied = "v2"
		}
	default: // the status has no weight, and the primary what it had
	}
	if w.plan.Strategy == rollout.ABTesting {
		st.CanaryWeight = 0 // as it is written for a test of some users
	}
	w.status, w.copied = st, rollout.RevisionPrefix+copied
	w.passed[w.copied] = true
	w.version++
	w.placeWorkloads(size, weight, phase)
}

// placeWorkloads places the two sides and the routes. Pods serve, but for those that have a reason not to.
func (w *World) placeWorkloads(size int32, weight int, phase v1beta1.CanaryPhase) {
	w.primary.set(w, "", 2)
	w.net = network{split: split{apex: rollout.PrimarySide, routes: !w.plan.Swap, weight: weight}}
	w.net.matched = w.plan.Matched && weight > 0 && phase != v1beta1.PhaseFailed
	w.net.seen = []split{w.net.split}
	if size > 0 || phase == v1beta1.PhaseWaiting {
		w.target.revision = rollout.RevisionPrefix + "v2"
	}
	w.target.set(w, w.target.revision, size)
	for _, s := range []*workload{&w.primary, &w.target} {
		s.trim()
		for i := range s.pods {
			s.pods[i].revision = s.revision
			s.pods[i].ready = w.troubleOf(s.name, s.revision) == ""
		}
	}
}
