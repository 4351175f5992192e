package rollout

import (
	"fmt"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Reason is the machine-readable cause of an event. Texts may be reworded, reasons are not.
type Reason string

// The reasons of events.
const (
	ReasonInitialized     Reason = "Initialized"
	ReasonNewRevision     Reason = "NewRevision"
	ReasonRestarted       Reason = "Restarted"
	ReasonCalledOff       Reason = "CalledOff"
	ReasonAdopted         Reason = "Adopted"
	ReasonAnalysisStarted Reason = "AnalysisStarted"
	ReasonHookPassed      Reason = "HookPassed"
	ReasonGateClosed      Reason = "GateClosed"

	ReasonMetricsReachable   Reason = "MetricsReachable"
	ReasonMetricsUnreachable Reason = "MetricsUnreachable"

	ReasonInconclusive     Reason = "Inconclusive"
	ReasonAdvanced         Reason = "Advanced"
	ReasonCheckFailed      Reason = "CheckFailed"
	ReasonDrained          Reason = "Drained"
	ReasonPromotionStarted Reason = "PromotionStarted"
	ReasonPromotionFailed  Reason = "PromotionFailed"
	ReasonTargetMoved      Reason = "TargetMoved"
	ReasonRoutedToPrimary  Reason = "RoutedToPrimary"
	ReasonPromoted         Reason = "Promoted"
	ReasonRolledBack       Reason = "RolledBack"
	ReasonFailed           Reason = "Failed"
	ReasonTerminating      Reason = "Terminating"
	ReasonSuspended        Reason = "Suspended"
	ReasonWorkloadNotReady Reason = "WorkloadNotReady"
	ReasonTargetMissing    Reason = "TargetMissing"
	ReasonStrategyAdjusted Reason = "StrategyAdjusted"
	ReasonInvalid          Reason = "Invalid"
	ReasonAccepted         Reason = "Accepted"
	ReasonDriftCorrected   Reason = "DriftCorrected"
	ReasonFieldIgnored     Reason = "FieldIgnored"
	ReasonAlertUnsent      Reason = "AlertUnsent"
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

func (t *turn) say(r Reason, format string, args ...any) {
	t.notices = append(t.notices, Notice{Reason: r, Message: fmt.Sprintf(format, args...)})
}

func (t *turn) warn(r Reason, format string, args ...any) {
	t.say(r, format, args...)
	t.notices[len(t.notices)-1].Warning = true
}

// alert adds a chat message to the notice said last.
func (t *turn) alert(severity v1beta1.AlertSeverity, text string) {
	t.notices[len(t.notices)-1].Alert = &Alert{Severity: severity, Text: text}
}

// report is alert with the plan's figures in it.
func (t *turn) report(text string) {
	t.alert(v1beta1.SeverityInfo, text)
	t.notices[len(t.notices)-1].Alert.Detailed = true
}

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
		return fmt.Sprintf("Weight step: %d max: %d", a.StepWeight, p.peak())
	default:
		return fmt.Sprintf("Weight steps: %s max: %d", joinInts(a.StepWeights), p.peak())
	}
}

func joinInts(ns []int) string {
	text := ""
	for i, n := range ns {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprint(n)
	}
	return text
}
