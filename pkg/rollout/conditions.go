package rollout

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Wait is the reason of the condition Waiting: what a rollout waits for.
type Wait string

// What a rollout can wait for.
const (
	// The reason of a condition that is False: no rollout is under way.
	WaitNothing Wait = "Settled"
	// The workload of spec.targetRef does not exist; when it does, its event wakes the rollout.
	WaitTarget Wait = "TargetMissing"
	// The primary is to come up with a revision: the first one, a promoted one, or the one before.
	WaitPrimary Wait = "PrimaryStarting"
	// The target is to come up with the new revision, or, on the way out, at full size.
	WaitCanary Wait = "CanaryStarting"
	// The canary serves, and has too few pods for the share that it would get next.
	WaitCapacity Wait = "CanaryScaling"
	// The proxies have not taken the routes, as far as is known.
	WaitRoutes Wait = "RoutesSettling"
	// A step is in effect and judged later.
	WaitInterval Wait = "StepRunning"
	// A check failed, and is made again after an interval.
	WaitRetry Wait = "CheckRetry"
	// A person has to take spec.suspend back.
	WaitResume Wait = "Suspended"
	// A gate is closed: before a rollout, before a step, before the promotion.
	WaitRolloutApproval         Wait = "RolloutApproval"
	WaitTrafficIncreaseApproval Wait = "TrafficIncreaseApproval"
	WaitPromotionApproval       Wait = "PromotionApproval"
	// A metric has no value yet, says neither yes nor no, or has not passed often enough in a row.
	WaitValue   Wait = "MetricPending"
	WaitClarity Wait = "MetricInconclusive"
	WaitProof   Wait = "MetricUnproven"
)

// enter moves to another phase and says so in the condition that people and scripts wait for.
func (t *transition) enter(phase v1beta1.CanaryPhase) {
	t.next.Phase = phase
	t.next.Since = micro(t.Now)
	// What the phase before was timed by is over; whoever needs a time sets it after this.
	t.next.NextCheck = nil
	status, message := t.promoted(phase)
	t.condition(v1beta1.ConditionPromoted, status, string(phase), message)
}

// promoted words the condition Promoted. Its status and texts are an interface that dashboards and
// `kubectl wait` rely on.
func (t *transition) promoted(phase v1beta1.CanaryPhase) (metav1.ConditionStatus, string) {
	switch phase {
	case v1beta1.PhaseInitialized:
		return metav1.ConditionTrue, t.Names.Kind + " initialization completed."
	case v1beta1.PhaseWaiting, v1beta1.PhaseWaitingPromotion:
		return metav1.ConditionUnknown, "Waiting for approval."
	case v1beta1.PhaseProgressing:
		return metav1.ConditionUnknown, "New revision detected, progressing canary analysis."
	case v1beta1.PhasePromoting:
		return metav1.ConditionUnknown, "Canary analysis completed, starting primary rolling update."
	case v1beta1.PhaseFinalising:
		return metav1.ConditionUnknown, "Canary analysis completed, routing all traffic to primary."
	case v1beta1.PhaseSucceeded:
		return metav1.ConditionTrue, "Canary analysis completed successfully, promotion finished."
	case v1beta1.PhaseFailed:
		return metav1.ConditionFalse, t.failure()
	case v1beta1.PhaseTerminating:
		return metav1.ConditionUnknown, fmt.Sprintf("Canary is being deleted, giving the %s back.", t.Names.Kind)
	case v1beta1.PhaseTerminated:
		return metav1.ConditionUnknown, fmt.Sprintf("Canary is being deleted, the %s serves again.", t.Names.Kind)
	default:
		return metav1.ConditionUnknown, fmt.Sprintf("New %s detected, starting initialization.", t.Names.Kind)
	}
}

// failure says which side serves after a failure, and what was wrong: the status is all that is left to
// read once events have expired.
func (t *transition) failure() string {
	text := "Canary analysis failed, %s scaled to zero. Cause: %s."
	switch {
	case t.next.CanaryWeight > 0 && t.Primary.Health == Absent && !t.primaryBroken():
		text = "Canary analysis failed, primary is gone: %s keeps serving all traffic. Cause: %s."
	case t.next.CanaryWeight > 0:
		text = "Promotion failed, primary not ready: %s keeps serving all traffic. Cause: %s."
	case t.rolledBackByHook: // the primary is whole
	// The revision of the canary had passed: it is not what failed, although it could not stand in for the primary.
	case t.Status.Phase == v1beta1.PhasePromoting || t.primaryBroken() && !t.primaryRecovered():
		text = "Promotion failed, primary not ready: %s scaled to zero. Cause: %s."
	}
	return fmt.Sprintf(text, t.Names.Kind, strings.TrimSuffix(t.cause, "."))
}

// setWaiting keeps the phase and says what for. After zero an event will wake the rollout.
// A condition whose text stays the same costs no write: conclude compares.
func (t *transition) setWaiting(why Wait, after time.Duration, format string, args ...any) {
	t.condition(v1beta1.ConditionWaiting, metav1.ConditionTrue, string(why), fmt.Sprintf(format, args...))
	t.after = max(after, 0)
}

// setSettled says that nothing is waited for.
func (t *transition) setSettled() {
	t.condition(v1beta1.ConditionWaiting, metav1.ConditionFalse, string(WaitNothing), "Nothing is being rolled out.")
}

func (t *transition) condition(kind string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&t.next.Conditions, metav1.Condition{
		Type:               kind,
		Status:             status,
		Reason:             reason,
		Message:            message,
		ObservedGeneration: t.Generation,
		// Left out, it would be taken from the machine's clock, and two looks at the same facts would differ.
		LastTransitionTime: metav1.NewTime(t.Now),
	})
}

func micro(at time.Time) *metav1.MicroTime {
	m := metav1.NewMicroTime(at)
	return &m
}
