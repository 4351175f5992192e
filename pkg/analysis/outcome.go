package analysis

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric"
	"github.com/sluice-cd/sluice/pkg/outbound"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// File outcome.go makes a finding of what came of a metric: its verdict, and a measurement for the status.

// What a finding may hold, in bytes: it is stored in a status, several times over, and goes into events.
const (
	maxMessage = 1024
	maxQuery   = 2048 // the longest of the built-in ones has 1600
	maxValue   = 256
	maxLimit   = 512
)

// outcome is what came of one metric.
type outcome struct {
	query, value, limit string
	verdict             v1beta1.Verdict
	message             string // of anything but a value that is accepted
	stratum             *rollout.Stratum
	final               bool // this was the one look
}

// decided is an outcome with a verdict.
func (o outcome) decided(v v1beta1.Verdict, message string) outcome {
	o.verdict, o.message = v, message
	return o
}

// lacking is an outcome without a usable value. What that means is the metric's choice.
func (o outcome) lacking(m v1beta1.CanaryMetric, err error, message string) outcome {
	policy := m.OnError
	switch {
	// First, since ErrNaN is an ErrNoData as well: left out, onNaN is what onNoData says.
	case errors.Is(err, metric.ErrNaN) && m.OnNaN != "":
		policy = m.OnNaN
	case errors.Is(err, metric.ErrNoData):
		policy = m.OnNoData
	}
	return o.decided(policy.Verdict(), message)
}

// finding is what the rollout is told. Everything in it is bounded, on one line, and shows no secret.
func (o outcome) finding(secrets outbound.Secrets, at time.Time) rollout.Finding {
	// Hidden before it is cut, or half a secret would be left at the end.
	clean := func(text string, most int) string { return bounded(line(secrets.Hide(text)), most) }
	f := rollout.Finding{
		Verdict: o.verdict,
		Measurement: &v1beta1.Measurement{
			Time:    metav1.NewTime(at),
			Value:   clean(o.value, maxValue),
			Limit:   clean(o.limit, maxLimit),
			Query:   clean(o.query, maxQuery),
			Verdict: o.verdict,
			Message: clean(o.message, maxMessage),
		},
		Stratum: o.stratum, Final: o.final,
	}
	if o.verdict != v1beta1.Passed {
		f.Message = f.Measurement.Message
	}
	return f
}

// line makes one line of several, also of a query.
func line(text string) string {
	return outbound.Line(text, len(text))
}

// bounded cuts a text off, at the end of a character.
func bounded(text string, most int) string {
	const more = "…"
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-len(more)], "") + more
}

// numbers writes values as short as they can be without losing anything.
func numbers(values []float64) string {
	texts := make([]string, 0, len(values))
	for _, v := range values[:min(len(values), maxValue)] { // more would be cut off anyway
		texts = append(texts, strconv.FormatFloat(v, 'g', -1, 64))
	}
	if len(values) == 1 {
		return texts[0]
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// accepted is what a metric accepts, in the order in which that is looked at.
func accepted(m v1beta1.CanaryMetric, k *kind) string {
	if m.Baseline != "" {
		p := rollout.Promise(m, nil)
		return fmt.Sprintf("not worse than the primary, confidence %v, margin %v", p.Confidence, p.Margin)
	}
	var parts []string
	limits := k.limits(m)
	if limits.Min != nil {
		parts = append(parts, fmt.Sprintf(">= %v", *limits.Min))
	}
	if limits.Max != nil {
		parts = append(parts, fmt.Sprintf("<= %v", *limits.Max))
	}
	if m.SuccessCondition != "" {
		parts = append(parts, m.SuccessCondition)
	}
	if m.FailureCondition != "" {
		parts = append(parts, "not ("+m.FailureCondition+")")
	}
	return strings.Join(parts, " and ")
}
