package rollout

import (
	"fmt"
	"strings"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Reason is the machine-readable cause of an event. Texts may be reworded, reasons are not.
type Reason string

// The reasons of events.
// Some are also those of conditions. docs/operations/troubleshooting.md has a line for each.
const (
	// The primary serves, and users have moved to it.
	ReasonInitialized Reason = "Initialized"
	// A rollout begins, or begins anew because the target has moved on.
	ReasonNewRevision Reason = "NewRevision"
	ReasonRestarted   Reason = "Restarted"
	// The target is back at a revision that was tried before: nothing is left to roll out.
	ReasonCalledOff Reason = "CalledOff"
	// The spec names another target: it takes the place of the one before, or that is returned to.
	ReasonRetargeted Reason = "Retargeted"
	// The status of another controller was taken over where it stood.
	ReasonAdopted         Reason = "Adopted"
	ReasonAnalysisStarted Reason = "AnalysisStarted"
	// The target is back at a revision that was promoted not long ago, which is not judged again.
	ReasonRollbackWindow Reason = "RollbackWindow"
	// A hook agreed, which of a rollback hook means that it asks for one; a gate did not agree.
	ReasonHookPassed Reason = "HookPassed"
	ReasonGateClosed Reason = "GateClosed"
	// What a person asked for was done, or is not possible.
	ReasonActionAccepted Reason = "ActionAccepted"
	ReasonActionRefused  Reason = "ActionRefused"
	// A step, or the promotion, waits for a person.
	ReasonPaused Reason = "Paused"

	// Asked once, before the first rollout; nothing is held up by the answer.
	ReasonMetricsReachable   Reason = "MetricsReachable"
	ReasonMetricsUnreachable Reason = "MetricsUnreachable"

	ReasonInconclusive Reason = "Inconclusive"
	// A step was taken, also on the way back to the primary.
	ReasonAdvanced    Reason = "Advanced"
	ReasonCheckFailed Reason = "CheckFailed"
	// The canary lost its pods, and with them its traffic.
	ReasonDrained Reason = "Drained"
	// The primary is given what passed, or, after a failure, goes on with it.
	ReasonPromotionStarted Reason = "PromotionStarted"
	ReasonPromotionFailed  Reason = "PromotionFailed"
	// The target changed while it was being promoted, so that its pods are unproven ones.
	ReasonTargetMoved     Reason = "TargetMoved"
	ReasonRoutedToPrimary Reason = "RoutedToPrimary"
	// All users are with the canary, since the primary has no pods while it is updated.
	ReasonRoutedToCanary Reason = "RoutedToCanary"
	ReasonPromoted       Reason = "Promoted"
	// Why a rollout ends, and, in another event, that the canary is stopped for it.
	ReasonRolledBack Reason = "RolledBack"
	ReasonFailed     Reason = "Failed"
	// The Canary goes, or rests because a person wants it to.
	ReasonTerminating Reason = "Terminating"
	ReasonSuspended   Reason = "Suspended"
	// Pods are in a trouble that waiting does not end, or the primary was deleted.
	ReasonWorkloadNotReady Reason = "WorkloadNotReady"
	ReasonTargetMissing    Reason = "TargetMissing"
	// What the spec asks for cannot be done as it says; what is done instead is told.
	ReasonStrategyAdjusted Reason = "StrategyAdjusted"
	// The reasons of the condition Valid. The first two are events as well.
	ReasonInvalid        Reason = "Invalid"
	ReasonSchemaOutdated Reason = "SchemaOutdated"
	ReasonAccepted       Reason = "Accepted"
	// The reasons of the condition Reconciled. All but Reconciled are events as well: the API server refuses something; it
	// refuses to take users away from a revision that was rolled back; nothing can be decided, since something cannot be
	// read.
	ReasonRequestRefused  Reason = "RequestRefused"
	ReasonRollbackRefused Reason = "RollbackRefused"
	ReasonReconcileFailed Reason = "ReconcileFailed"
	ReasonReconciled      Reason = "Reconciled"
	// The record of a rollout that has ended is not made. Nothing waits for that.
	ReasonRunNotRecorded Reason = "RunNotRecorded"
	// Somebody else changed an object of ours; it is as it was.
	ReasonDriftCorrected Reason = "DriftCorrected"
	// A part of the spec, or an alert, that has no effect.
	ReasonFieldIgnored Reason = "FieldIgnored"
	ReasonAlertUnsent  Reason = "AlertUnsent"
	// Objects of the user's have names that are called for.
	ReasonTakenOver Reason = "TakenOver"
	// A part of the spec that is followed, and that hardly anybody means.
	ReasonLikelyMistake Reason = "LikelyMistake"
)

// Notice is something people are told once the decision it belongs to is stored.
type Notice struct {
	Warning bool
	Reason  Reason
	Message string
	Alert   *Alert // sent to chat as well; nil: an event only
}

// Alert is the chat message of a Notice.
type Alert struct {
	Severity v1beta1.AlertSeverity
	Text     string
	Detailed bool // carries the plan's figures
	Approval *Approval
}

// Approval is what a person is asked to approve by an alert; nil: nothing.
type Approval struct {
	Verb     v1beta1.ActionVerb // of the action that does
	Revision string             // that waits
	Step     int                // that it waits at; zero: before the first
	Command  string             // that does it
}

// asksFor has the last chat message of this decision say how a person approves what waits.
func asksFor(t *transition, verb v1beta1.ActionVerb) {
	revision := t.next.LastAppliedSpec
	if t.next.Phase == v1beta1.PhaseWaiting { // it is applied once it may be
		revision = t.Revision
	}
	t.notices[len(t.notices)-1].Alert.Approval = &Approval{
		Verb: verb, Revision: revision, Step: t.next.Step, Command: actionCommand(t.Names, verb, revision, t.next.Step),
	}
}

func (t *transition) say(r Reason, format string, args ...any) {
	t.notices = append(t.notices, Notice{Reason: r, Message: fmt.Sprintf(format, args...)})
}

func (t *transition) warn(r Reason, format string, args ...any) {
	t.say(r, format, args...)
	t.notices[len(t.notices)-1].Warning = true
}

// alert adds a chat message to the notice said last.
func (t *transition) alert(severity v1beta1.AlertSeverity, text string) {
	t.notices[len(t.notices)-1].Alert = &Alert{Severity: severity, Text: text}
}

// alertServes has the last chat message of this decision say which version serves.
func alertServes(t *transition) {
	for i := len(t.notices) - 1; i >= 0; i-- {
		a := t.notices[i].Alert
		if a == nil {
			continue
		}
		if serves := serves(t); serves != "" {
			a.Text = strings.TrimSuffix(a.Text, ".") + ". " + serves + "."
		}
		return
	}
}

// report is alert with the plan's figures in it.
func (t *transition) report(text string) {
	t.alert(v1beta1.SeverityInfo, text)
	t.notices[len(t.notices)-1].Alert.Detailed = true
}

// Events name objects as `podinfo.test`: that is how the API's other controllers do, and what people search for.
func (n Names) target() string { return n.Target + "." + n.Namespace }

func (n Names) primary() string { return n.Primary + "." + n.Namespace }

func (n Names) canary() string { return n.Canary + "." + n.Namespace }
