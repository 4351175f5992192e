// Package announce tells people and programs what a decision changed: events, chat messages, webhooks, metrics and
// traces.
//
// It is called once a decision is stored, so that what it tells has happened, and is told once. Nothing it does can
// hold up or fail a rollout: messages and calls go through queues, and what cannot be delivered is logged and counted.
// It writes no object but events.
package announce

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/notify"
	"github.com/sluice-cd/sluice/pkg/outbound"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// Announcer tells of decisions that are stored.
type Announcer struct {
	Events    record.EventRecorder
	Queue     *notify.Queue
	Telemetry *Telemetry
	Providers client.Reader // reads AlertProviders, from the cache
	Secrets   client.Reader // reads their Secrets, live: secrets are kept nowhere
	Default   notify.Notifier
	Cluster   string          // said in every message, where it is set
	Console   string          // address of the page that links lead to; empty: there is none
	Local     bool            // references to other namespaces are refused
	Threads   *notify.Threads // of Slack bots; nil: they make none

	Hooks     Hooks               // calls webhooks that are told; nil: none are
	Calls     *notify.Queue       // of those calls, so that a slow hook delays no alert; nil: Queue
	Addresses *outbound.Addresses // that AlertProviders may have dialled; nil: all
	EventURL  string              // is told of the events of Canaries without event hooks; empty: nobody is
	Tracer    *Tracer             // nil: nothing is traced

	history rolloutHistory
}

// News is what one decision made of a Canary.
type News struct {
	Before  v1beta1.CanaryStatus
	Canary  *v1beta1.Canary // as it was stored
	Plan    rollout.Plan
	Notices []rollout.Notice

	Revision string                  // of the target, as it is
	Target   *corev1.PodTemplateSpec // nil: there is none
	Primary  *corev1.PodTemplateSpec
}

// Announce tells of what one decision changed.
func (h *Announcer) Announce(ctx context.Context, n News) {
	after := n.Canary.Status
	if n.Before.Phase != after.Phase {
		about := []any{"from", n.Before.Phase, "to", after.Phase, "revision", after.LastAppliedSpec, "image", after.Image, "weight", after.CanaryWeight}
		if after.Cause != "" {
			about = append(about, "cause", after.Cause)
		}
		log.FromContext(ctx).Info("phase changed", about...)
	}
	// Once for each decision, and first: all that follows is about the rollouts that it tells apart.
	was, is := h.history.recordDecision(n)
	h.Telemetry.count(n, was)
	h.Tracer.record(ctx, n, was)
	for _, said := range limitFailedChecks(withFailureAlert(n)) {
		h.record(n.Canary, said)
		if said.Alert != nil {
			h.alert(n, is, *said.Alert)
		}
	}
	h.callPostRolloutHooks(n)
}

// withFailureAlert are the notices of a decision. A rollout that ends badly always alerts, whatever the path it took there.
func withFailureAlert(n News) []rollout.Notice {
	if n.Canary.Status.Phase != v1beta1.PhaseFailed || n.Before.Phase == v1beta1.PhaseFailed {
		return n.Notices
	}
	for _, said := range n.Notices {
		if said.Alert != nil {
			return n.Notices
		}
	}
	text := strings.TrimSuffix(condition(n.Canary.Status, v1beta1.ConditionPromoted), ".")
	return append(append([]rollout.Notice{}, n.Notices...), rollout.Notice{
		Warning: true, Reason: rollout.ReasonFailed, Message: text,
		Alert: &rollout.Alert{Severity: v1beta1.SeverityError, Text: text},
	})
}

// maxFailedChecks is how many events of failed checks one decision may have. The recorder lets only so many of one object
// through, and drops what matters with what does not.
const maxFailedChecks = 4

// limitFailedChecks keeps the first failed checks of a round, and only counts the others. All of them are in the status.
func limitFailedChecks(notices []rollout.Notice) []rollout.Notice {
	kept, failed, at := make([]rollout.Notice, 0, len(notices)+1), 0, 0
	for _, said := range notices {
		// One with an alert is what people are to hear of, and is never left out.
		if said.Reason == rollout.ReasonCheckFailed && said.Alert == nil {
			if failed++; failed > maxFailedChecks {
				continue
			}
			at = len(kept) + 1
		}
		kept = append(kept, said)
	}
	if failed <= maxFailedChecks {
		return kept
	}
	// In the place of what it stands for: what follows from the failed checks is said after them.
	more := rollout.Notice{Warning: true, Reason: rollout.ReasonCheckFailed, Message: moreFailed(failed - maxFailedChecks)}
	return slices.Insert(kept, at, more)
}

func moreFailed(n int) string {
	if n == 1 {
		return "1 more check failed"
	}
	return fmt.Sprintf("%d more checks failed", n)
}

// record is the only way an event leaves: whoever is told of events hears of it as well.
func (h *Announcer) record(c *v1beta1.Canary, n rollout.Notice) {
	h.Events.Event(c, eventType(n), string(n.Reason), n.Message)
	h.callEventHooks(c, n)
}

// Drifted tells of an object that somebody else had changed and that is as it should be again. It belongs to no
// decision: nothing about the rollout has changed.
func (h *Announcer) Drifted(c *v1beta1.Canary, object string) {
	if h.history.driftToldRecently(c, object, time.Now()) {
		return
	}
	h.record(c, rollout.Notice{
		Warning: true, Reason: rollout.ReasonDriftCorrected, Message: object + " was changed by somebody else, put back",
	})
}

func eventType(n rollout.Notice) string {
	if n.Warning {
		return corev1.EventTypeWarning
	}
	return corev1.EventTypeNormal
}

// condition is what one of the conditions says.
func condition(s v1beta1.CanaryStatus, kind string) string {
	if c := meta.FindStatusCondition(s.Conditions, kind); c != nil {
		return c.Message //nolint:forbidigo // shown to people as it is
	}
	return ""
}
