package rollout

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Tools that wait for objects, as Flux and `kubectl wait` do, read three conditions. Ready says whether a whole workload serves
// users: that is so all through a rollout, which may take days. Stalled is there where nothing gets on before somebody changes
// something, and Reconciling, of a Canary that is annotated so, for the time of a rollout.

// The reasons of these conditions, beside the phases.
const (
	reasonServing     = "Serving"
	reasonUnavailable = "PrimaryUnavailable"
)

// mostReadyMessage is how many bytes of another condition's message are said again in these.
const mostReadyMessage = 256

// toolState is what these conditions say.
type toolState struct {
	ready   bool
	stalled bool
	reason  string
	message string
}

// toolStateOf is that of the status that a decision leads to.
func toolStateOf(t *transition) toolState {
	phase, primary := t.next.Phase, t.Primary
	switch {
	case t.refused:
		return toolState{stalled: true, reason: string(ReasonInvalid), message: saidBy(t, v1beta1.ConditionValid)}
	case phase == "" || phase == v1beta1.PhaseInitializing:
		return toolState{reason: string(v1beta1.PhaseInitializing), message: "The primary does not serve yet."}
	case phase == v1beta1.PhaseFailed:
		return toolState{stalled: true, reason: string(phase), message: saidBy(t, v1beta1.ConditionPromoted)}
	// In a rollout users may be with either side, and the phase says what comes of that. A single pod that is replaced is no loss.
	case phase.AtRest() && (primary.Health == Absent || primary.Health == Stuck):
		return toolState{stalled: true, reason: reasonUnavailable, message: t.Names.primary() + " is not available."}
	case phase.AtRest() && primary.Health == Starting && primary.Available == 0:
		return toolState{reason: reasonUnavailable, message: t.Names.primary() + " is not available."}
	}
	return toolState{ready: true, reason: reasonServing, message: "A whole workload serves users."}
}

// saidBy is what another condition says, in short.
func saidBy(t *transition, kind string) string {
	if c := meta.FindStatusCondition(t.next.Conditions, kind); c != nil {
		return cutText(c.Message, mostReadyMessage) //nolint:forbidigo // shown to people as it is
	}
	return ""
}

// recordReady sets the conditions that tools read. Those that are there for a while only are not kept as False: ten thousand
// statuses have them in memory.
func recordReady(t *transition) {
	if t.Deleting || t.next.Phase.Leaving() {
		return
	}
	r := toolStateOf(t)
	status := metav1.ConditionFalse
	if r.ready {
		status = metav1.ConditionTrue
	}
	t.condition(v1beta1.ConditionReady, status, r.reason, r.message)
	conditionWhile(t, r.stalled, v1beta1.ConditionStalled, r.reason, r.message)
	conditionWhile(t, t.WaitedFor && t.next.Phase.Unfinished(), v1beta1.ConditionReconciling, string(t.next.Phase), "A rollout is under way.")
}

// saysReady says that a status has these conditions. One of an older version gets them with the next decision that is stored.
func saysReady(s v1beta1.CanaryStatus) bool {
	return meta.FindStatusCondition(s.Conditions, v1beta1.ConditionReady) != nil
}

func conditionWhile(t *transition, there bool, kind, reason, message string) {
	if there {
		t.condition(kind, metav1.ConditionTrue, reason, message)
		return
	}
	meta.RemoveStatusCondition(&t.next.Conditions, kind)
}
