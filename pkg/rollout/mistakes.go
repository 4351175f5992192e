package rollout

import (
	"fmt"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// likelyMistakes are what the metrics of a spec ask for and hardly anybody means. It is followed all the same.
func (p *Plan) likelyMistakes() []Remark {
	if p.Skip {
		return nil
	}
	var remarks []Remark
	for i, m := range p.Metrics {
		for _, text := range []string{limitMistake(m), p.delayMistake(m), p.overlapMistake(m)} {
			if text != "" {
				remarks = append(remarks, Remark{ReasonLikelyMistake, fmt.Sprintf("Metric %s (spec.analysis.metrics[%d]) %s", m.Name, i, text)})
			}
		}
	}
	return remarks
}

// limitMistake is about a limit in another unit than the metric's, and about one that is at the wrong end.
func limitMistake(m v1beta1.CanaryMetric) string {
	// Conditions say what is accepted, a query has a unit of its own, and what is only watched lets nothing through.
	if m.DryRun || m.Baseline != "" || m.SuccessCondition+m.FailureCondition != "" || m.TemplateRef != nil || m.Query != "" {
		return ""
	}
	least, most := limitsOf(m)
	switch {
	case m.Name == successRate && least == nil:
		return "has no min, so that no request has to succeed"
	case m.Name == successRate && *least > 0 && *least <= 1:
		return fmt.Sprintf("accepts %v of a hundred requests; its unit is percent", *least)
	case m.Name == requestDuration && most == nil:
		return "has no max, so that no request is too slow"
	case m.Name == requestDuration && *most > 0 && *most < 1:
		return fmt.Sprintf("accepts %v milliseconds at most; its unit is milliseconds", *most)
	}
	return ""
}

// limitsOf are those of a built-in metric, by its range or by the older threshold.
func limitsOf(m v1beta1.CanaryMetric) (least, most *float64) {
	switch {
	case m.ThresholdRange != nil:
		return m.ThresholdRange.Min, m.ThresholdRange.Max
	case m.Name == successRate:
		return &m.Threshold, nil
	}
	return nil, &m.Threshold
}

// delayMistake is about a metric that is first asked when the rollout could have ended.
func (p *Plan) delayMistake(m v1beta1.CanaryMetric) string {
	delay, _ := time.ParseDuration(m.InitialDelay) // checked before
	whole := time.Duration(p.Length()) * p.Interval
	switch {
	case m.InitialDelay == "" || delay <= whole:
		return ""
	case m.DryRun:
		return fmt.Sprintf("is never asked: its initialDelay is %s, and all steps take %s", m.InitialDelay, whole)
	}
	return fmt.Sprintf("keeps the last step until its initialDelay of %s is over: all steps take %s", m.InitialDelay, whole)
}

// overlapMistake is about requests that are compared at several checks, each time as if they were others.
func (p *Plan) overlapMistake(m v1beta1.CanaryMetric) string {
	back := time.Minute // left out
	if d, err := time.ParseDuration(m.Interval); err == nil {
		back = d
	}
	if m.Baseline == "" || back <= p.Interval {
		return ""
	}
	return fmt.Sprintf("compares the same requests more than once: it looks %s back every %s", back, p.Interval)
}
