package announce

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/notify"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// What an alert says beside its text: what somebody on call wants to know before opening anything else.

// message is an alert with all that is known about it.
func (h *Announcer) message(n News, is rolloutRecord, a rollout.Alert) notify.Message {
	c := n.Canary
	m := notify.Message{
		Severity:  notify.Severity(a.Severity),
		Canary:    c.Name,
		Namespace: c.Namespace,
		Text:      a.Text,
		Time:      time.Now(),
		Cluster:   h.Cluster,
		Target:    c.Spec.TargetRef.Kind + "/" + c.Spec.TargetRef.Name,
		Phase:     string(c.Status.Phase),
		Revision:  is.revision,
		Weight:    c.Status.CanaryWeight,
		Images:    is.images,
		Reason:    reasonOf(c.Status, a),
		Final:     is.outcome != "",
	}
	// Made of what outlives this process: receivers know a rollout again after a restart.
	if is.revision != "" {
		m.Rollout = string(c.UID) + "/" + is.revision
	}
	// A metric that failed once in a rollout that goes well is no news.
	failures := failing(c.Status.Analysis)
	if a.Severity != v1beta1.SeverityError {
		failures = nil
	}
	if len(failures) > 0 {
		m.Metric = &failures[0]
	}
	m.Fields = append(h.fields(c, n.Plan, a), details(n, m, failures)...)
	if a.Approval != nil {
		h.askApproval(&m, n, *a.Approval)
	}
	return m
}

// askApproval has a message say what a person is to approve, and how.
func (h *Announcer) askApproval(m *notify.Message, n News, a rollout.Approval) {
	m.Approval = &notify.Approval{Verb: string(a.Verb), Revision: a.Revision, Step: a.Step, Command: a.Command}
	if a.Step == 0 && n.Plan.Length() > 0 {
		m.Fields = append(m.Fields, notify.Field{Name: "Step", Value: fmt.Sprintf("before the first of %d", n.Plan.Length())})
	}
	m.Fields = append(m.Fields, notify.Field{Name: "Command", Value: a.Command})
	if h.Console != "" {
		m.Approval.URL = fmt.Sprintf("%s/ns/%s/%s?do=%s&revision=%s&step=%d", h.Console,
			url.PathEscape(n.Canary.Namespace), url.PathEscape(n.Canary.Name), a.Verb, url.QueryEscape(a.Revision), a.Step)
		m.Fields = append(m.Fields, notify.Field{Name: notify.ApproveField, Value: m.Approval.URL})
	}
}

// fields are the details whose names and places dashboards and filters of this API know.
func (h *Announcer) fields(c *v1beta1.Canary, p rollout.Plan, a rollout.Alert) []notify.Field {
	var fields []notify.Field
	if h.Cluster != "" {
		fields = append(fields, notify.Field{Name: "Cluster", Value: h.Cluster})
	}
	// An alert that is not about the plan carries none of it.
	if !a.Detailed {
		return fields
	}
	ref := c.Spec.TargetRef
	return append(fields,
		notify.Field{Name: "Target", Value: fmt.Sprintf("%s/%s.%s", ref.Kind, ref.Name, c.Namespace)},
		notify.Field{Name: "Failed checks threshold", Value: fmt.Sprint(p.Threshold)},
		notify.Field{Name: "Progress deadline", Value: fmt.Sprintf("%vs", p.Deadline.Seconds())},
		notify.Field{Name: "Traffic routing", Value: p.Routing},
	)
}

// details are what comes after those: what changed, how far it got, and what was wrong.
func details(n News, m notify.Message, failures []notify.Metric) []notify.Field {
	all := []notify.Field{
		{Name: "Images", Value: imageLines(m.Images)},
		{Name: "Revision", Value: m.Revision},
		{Name: "Weight", Value: weightLine(n.Before, n.Canary.Status)},
		{Name: "Step", Value: stepLine(n)},
		{Name: "Failed metrics", Value: metricLines(failures)},
		{Name: "Reason", Value: m.Reason},
	}
	// What is not known is left out: an empty field would look like a fault of the message.
	said := all[:0]
	for _, f := range all {
		if f.Value != "" {
			said = append(said, f)
		}
	}
	return said
}

func imageLines(images []notify.Image) string {
	lines := make([]string, 0, len(images))
	for _, i := range images {
		switch {
		case i.Old == "":
			// There was no such container, or nothing was rolled out before.
			lines = append(lines, i.Container+": "+i.New)
		case i.New == "":
			lines = append(lines, i.Container+": "+i.Old+" → none")
		default:
			lines = append(lines, i.Container+": "+i.Old+" → "+i.New)
		}
	}
	return strings.Join(lines, "\n")
}

// weightLine is the canary's share; where this very decision took it, the share before as well.
func weightLine(before, after v1beta1.CanaryStatus) string {
	if before.CanaryWeight == after.CanaryWeight {
		return fmt.Sprintf("%d%%", after.CanaryWeight)
	}
	return fmt.Sprintf("%d%% → %d%%", before.CanaryWeight, after.CanaryWeight)
}

// stepLine is how many steps were taken; a rollout that ends sets them to none.
func stepLine(n News) string {
	step := max(n.Before.Step, n.Canary.Status.Step)
	// What begins with this decision has nothing to do with how far the one before came.
	if begins(n.Before, n.Canary.Status) {
		step = n.Canary.Status.Step
	}
	if n.Plan.Length() == 0 || step == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d", min(step, n.Plan.Length()), n.Plan.Length())
}

// failing are the metrics whose last measurement was not accepted.
func failing(a *v1beta1.AnalysisStatus) []notify.Metric {
	if a == nil {
		return nil
	}
	var all []notify.Metric
	for _, m := range a.Metrics {
		// The newest comes first.
		if len(m.Measurements) > 0 && m.Measurements[0].Verdict == v1beta1.Failed {
			all = append(all, notify.Metric{Name: m.Name, Value: m.Measurements[0].Value, Limit: m.Measurements[0].Limit})
		}
	}
	return all
}

func metricLines(metrics []notify.Metric) string {
	lines := make([]string, 0, len(metrics))
	for _, m := range metrics {
		line := m.Name + ": "
		if m.Value == "" {
			line += "no value"
		}
		line += rollout.Rounded(m.Value, m.Limit)
		if m.Limit != "" {
			line += ", accepted " + m.Limit
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// reasonOf is why a rollout failed, or what it waits for. Good news needs no reason.
func reasonOf(s v1beta1.CanaryStatus, a rollout.Alert) string {
	switch {
	case a.Severity == v1beta1.SeverityInfo:
		return ""
	case s.Phase == v1beta1.PhaseFailed:
		// What comes before the cause says that it failed, which the alert says itself.
		return s.Cause
	}
	return strings.TrimSuffix(condition(s, v1beta1.ConditionWaiting), ".")
}
