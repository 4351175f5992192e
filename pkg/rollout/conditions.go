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
	// A rollout may begin when the cluster has the custom resource definition of this version.
	WaitSchema Wait = "SchemaOutdated"
	// The spec has to be corrected: it cannot be followed.
	WaitSpec Wait = "SpecInvalid"
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
	// The webhook of the step is not done yet.
	WaitWebhook Wait = "WebhookPending"
	// WaitEvidence is for requests, of a comparison that neither failed nor excluded that the canary is worse.
	WaitEvidence Wait = "MoreRequests"
	// A pause, at the end of a step or before the promotion, waits for a person or a time.
	WaitStepPaused      Wait = "StepPaused"
	WaitPromotionPaused Wait = "PromotionPaused"
	// The canary has all requests, and is promoted when it has lasted.
	WaitBaking Wait = "Baking"
	// A person holds the rollout by the action pause.
	WaitHeld Wait = "Held"
	// The API server does not let us make something so, or see it.
	WaitRefused Wait = "RequestRefused"
)

// ForPeople says that what is waited for is a person.
func (w Wait) ForPeople() bool {
	switch w {
	case WaitStepPaused, WaitPromotionPaused, WaitHeld, WaitResume, WaitRolloutApproval, WaitTrafficIncreaseApproval, WaitPromotionApproval, WaitClarity:
		return true
	default:
		return false
	}
}

// enter moves to another phase and says so in the condition that people and scripts wait for.
func (t *transition) enter(phase v1beta1.CanaryPhase) {
	t.next.Phase = phase
	t.next.Since = micro(t.Now)
	// What the phase before was timed by is over; whoever needs a time sets it after this.
	t.next.NextCheck, t.next.RollbackHooksAsked = nil, nil
	t.next.RollbackHook, t.next.RollbackBy, t.next.RollbackTo, t.next.RollbackImpossible = "", "", "", false
	t.next.Cause = ""
	if phase == v1beta1.PhaseFailed {
		t.next.Cause = strings.TrimSuffix(t.cause, ".")
		recordFailedRevision(t)
	}
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
		return metav1.ConditionUnknown, "Waiting for approval." + sentence(replaces(t))
	case v1beta1.PhaseProgressing:
		return metav1.ConditionUnknown, "New revision detected, progressing canary analysis." + sentence(replaces(t))
	case v1beta1.PhasePromoting:
		return metav1.ConditionUnknown, analysed(t, "completed") + ", starting primary rolling update."
	case v1beta1.PhaseFinalising:
		return metav1.ConditionUnknown, analysed(t, "completed") + ", routing all traffic to primary."
	case v1beta1.PhaseSucceeded:
		return metav1.ConditionTrue, success(t) + sentence(serves(t))
	case v1beta1.PhaseFailed:
		return metav1.ConditionFalse, t.failure()
	case v1beta1.PhaseTerminating:
		return metav1.ConditionUnknown, fmt.Sprintf("Canary is being deleted, giving the %s back.", t.Names.Kind)
	case v1beta1.PhaseTerminated:
		if t.next.CanaryWeight < everything && t.targetIs != targetMissing {
			return metav1.ConditionUnknown, "Canary is being deleted, its primary stays and serves."
		}
		return metav1.ConditionUnknown, fmt.Sprintf("Canary is being deleted, the %s serves again.", t.Names.Kind)
	default:
		return metav1.ConditionUnknown, fmt.Sprintf("New %s detected, starting initialization.", t.Names.Kind)
	}
}

// analysed says how an analysis ended, or that there was none.
func analysed(t *transition, how string) string {
	if t.Plan.Skip {
		return "Canary analysis was skipped"
	}
	return "Canary analysis " + how
}

// success says what came to a good end: nothing is promoted by putting the target back.
func success(t *transition) string {
	if t.endedBy != "" {
		return t.endedBy
	}
	return analysed(t, "completed successfully") + ", promotion finished."
}

// failure says which side serves after a failure, and what was wrong: the status is all that is left to
// read once events have expired.
func (t *transition) failure() string {
	text := "Canary analysis failed, %s scaled to zero.%s Cause: %s."
	switch {
	case t.next.CanaryWeight > 0 && t.Primary.Health == Absent && !t.primaryIs.broken():
		text = "Canary analysis failed, primary is gone: %s keeps serving all traffic.%s Cause: %s."
	case t.next.CanaryWeight > 0:
		text = "Promotion failed, primary not ready: %s keeps serving all traffic.%s Cause: %s."
	case t.next.CanaryKept:
		text = "Canary analysis failed, %s kept without traffic.%s Cause: %s."
	case t.rolledBackByHook && t.Status.RollbackTo != "":
		text = "Promotion rolled back, %s scaled to zero.%s Cause: %s."
	case t.rolledBackByHook, failedBefore(t.Status, t.next.LastAppliedSpec) != nil: // the primary is whole
	// The revision of the canary had passed: it is not what failed, although it could not stand in for the primary.
	case t.Status.Phase == v1beta1.PhasePromoting || t.primaryIs.broken() && t.primaryIs != primaryRecovered:
		text = "Promotion failed, primary not ready: %s scaled to zero.%s Cause: %s."
	}
	return fmt.Sprintf(text, t.Names.Kind, sentence(serves(t)), t.next.Cause)
}

// setWaiting keeps the phase and says what for. After zero an event will wake the rollout.
// A condition whose text stays the same costs no write: conclude compares.
func (t *transition) setWaiting(why Wait, after time.Duration, format string, args ...any) {
	t.condition(v1beta1.ConditionWaiting, metav1.ConditionTrue, string(why), fmt.Sprintf(format, args...))
	t.noteWaiting(why)
	t.after = max(after, 0)
}

// setSettled says that nothing is waited for.
func (t *transition) setSettled() {
	t.condition(v1beta1.ConditionWaiting, metav1.ConditionFalse, string(WaitNothing), "Nothing is being rolled out.")
	t.noteWaiting(WaitNothing)
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
