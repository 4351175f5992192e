package rollout

import (
	"fmt"
	"strconv"
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
	// The status of another controller was taken over where it stood.
	ReasonAdopted         Reason = "Adopted"
	ReasonAnalysisStarted Reason = "AnalysisStarted"
	// A hook agreed, which of a rollback hook means that it asks for one; a gate did not agree.
	ReasonHookPassed Reason = "HookPassed"
	ReasonGateClosed Reason = "GateClosed"

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
	ReasonPromoted        Reason = "Promoted"
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
	// The two reasons of the condition Valid. The first is an event as well.
	ReasonInvalid  Reason = "Invalid"
	ReasonAccepted Reason = "Accepted"
	// Somebody else changed an object of ours; it is as it was.
	ReasonDriftCorrected Reason = "DriftCorrected"
	// A part of the spec, or an alert, that has no effect.
	ReasonFieldIgnored Reason = "FieldIgnored"
	ReasonAlertUnsent  Reason = "AlertUnsent"
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

// report is alert with the plan's figures in it.
func (t *transition) report(text string) {
	t.alert(v1beta1.SeverityInfo, text)
	t.notices[len(t.notices)-1].Alert.Detailed = true
}

// Events name objects as `podinfo.test`: that is how the API's other controllers do, and what people search for.
func (n Names) target() string  { return n.Target + "." + n.Namespace }
func (n Names) primary() string { return n.Primary + "." + n.Namespace }
func (n Names) canary() string  { return n.Canary + "." + n.Namespace }

// Routing describes how a plan moves traffic, for people.
func (p *Plan) Routing(a *v1beta1.CanaryAnalysis) string {
	switch {
	case a == nil || p.Skip:
		return "Analysis skipped"
	case p.Strategy == ABTesting:
		return "A/B Testing"
	case p.Strategy == BlueGreen:
		return "Blue/Green"
	case a.StepWeight > 0:
		return fmt.Sprintf("Weight step: %d max: %d", a.StepWeight, p.highestWeight())
	default:
		return fmt.Sprintf("Weight steps: %s max: %d", joinInts(a.StepWeights), p.highestWeight())
	}
}

// joinInts lists the numbers, the first of them where there are more than a message has room for.
func joinInts(ns []int) string {
	const most = 100
	var texts []string
	for _, n := range ns[:min(len(ns), most)] {
		texts = append(texts, strconv.Itoa(n))
	}
	if len(ns) > most {
		texts = append(texts, "...")
	}
	return strings.Join(texts, ",")
}
