package rollout

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Mistake is what a metric asks for and hardly anybody means.
type Mistake struct {
	Rule  string // that it breaks: metric-never-asked
	Field string // path of the metric: spec.analysis.metrics[0]
	Name  string // of the metric
	Text  string // that goes on behind the name
}

// Mistakes are those of all metrics. A spec with some is followed all the same.
func (p *Plan) Mistakes() []Mistake {
	if p.Skip {
		return nil
	}
	var found []Mistake
	for i, m := range p.Metrics {
		for _, look := range []struct{ rule, text string }{
			{"metric-limit", limitMistake(m)},
			{"metric-delay", p.delayMistake(m)},
			{"comparison-never-made", p.comparisonMistake(m)},
			{"query-counts", countMistake(m)},
			{"metric-never-asked", p.neverAsked(m)},
		} {
			if look.text != "" {
				found = append(found, Mistake{look.rule, fmt.Sprintf("spec.analysis.metrics[%d]", i), m.Name, look.text})
			}
		}
	}
	return found
}

func (p *Plan) likelyMistakes() []Remark {
	var remarks []Remark
	for _, m := range p.Mistakes() {
		remarks = append(remarks, Remark{ReasonLikelyMistake, fmt.Sprintf("Metric %s (%s) %s", m.Name, m.Field, m.Text)})
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
	whole := p.atLeast()
	switch {
	case m.Inline, m.InitialDelay == "" || delay <= whole:
		return ""
	case m.DryRun:
		return fmt.Sprintf("is never asked: its initialDelay is %s, and all steps take %s", m.InitialDelay, whole)
	}
	return fmt.Sprintf("keeps the last step until its initialDelay of %s is over: all steps take %s", m.InitialDelay, whole)
}

// atLeast is how long all steps take where nothing holds them up.
func (p *Plan) atLeast() time.Duration {
	whole := time.Duration(max(p.Iterations-1, 0)) * p.Interval
	for _, s := range p.Steps {
		whole += max(s.Until.Duration, p.Interval)
	}
	return whole
}

// neverAsked is about a metric that judges no step.
func (p *Plan) neverAsked(m v1beta1.CanaryMetric) string {
	if slices.ContainsFunc(p.Steps, func(s Step) bool { return s.judgedBy(m) }) {
		return ""
	}
	if m.Inline {
		return "is never asked: it is inline, and no step names it"
	}
	return "is never asked: all steps name others"
}

// comparisonMistake is about a comparison that is never made.
func (p *Plan) comparisonMistake(m v1beta1.CanaryMetric) string {
	if !compared(m) || p.lastCompared(m) > 0 {
		return ""
	}
	return "compares with a primary that has no requests: all of them go to the canary in every step"
}

// ignoredByComparisons are the fields of metrics that a comparison over the whole rollout has no use for.
func (p *Plan) ignoredByComparisons() []Remark {
	if p.Skip {
		return nil
	}
	var remarks []Remark
	for i, m := range p.Metrics {
		counts := m.Test == "proportions" || m.TemplateRef == nil && m.Query == "" // and buckets: no single values
		for _, f := range []struct {
			name, why string
			set       bool
		}{
			{"interval", "what is new since the check before is compared", m.Interval != ""},
			{"minSamples", "a comparison of counts needs no least number", m.MinSamples > 0 && counts},
			{"count", "a comparison is made at every check", m.Count > 0},
		} {
			if compared(m) && f.set {
				remarks = append(remarks, Remark{ReasonFieldIgnored, fmt.Sprintf("Metric %s (spec.analysis.metrics[%d]) has no use for %s: %s", m.Name, i, f.name, f.why)})
			}
		}
	}
	return remarks
}

// countMistake is about events that a query of the user's does not count, or counts in several checks. In a comparison
// `increase(X[{{ interval }}])` is counted exactly, and elsewhere a query is sent as it is written.
func countMistake(m v1beta1.CanaryMetric) string {
	if m.TemplateRef != nil || m.Query == "" {
		return ""
	}
	query := comments.ReplaceAllString(m.Query, "")
	if !compared(m) {
		// What is only watched lets nothing through.
		if m.DryRun || !errorsCounted.MatchString(query) {
			return ""
		}
		return "does not see errors with which a series begins: to rate and increase it begins with its second value, so that nothing " +
			"has failed where each pod failed once; ((X - X offset 1m) >= 0 or X) counts them, and so does baseline"
	}
	// Single values are no counts.
	if m.Test != "proportions" && !ofBuckets.MatchString(query) || !counted.MatchString(countedExactly.ReplaceAllString(query, "")) {
		return ""
	}
	return "compares what is no count of the time since the check before; ask for increase(X[{{ interval }}])"
}

var (
	comments = regexp.MustCompile(`(?m)#.*$`)
	// ofBuckets finds a histogram.
	ofBuckets = regexp.MustCompile(`_bucket\b|\ble\b`)
	// counted finds where PromQL makes one number of how a counter grew.
	counted = regexp.MustCompile(`\b(?:rate|irate|increase|delta|idelta)\s*\(`)
	// countedExactly finds where a comparison counts each event once.
	countedExactly = regexp.MustCompile(`(?s)\bincrease\s*\([^\[\]]*\[\{\{-?\s*interval\s*-?\}\}\]\s*\)`)
	// errorsCounted finds a counter of errors, or one that has series of its own for them, by its name or by a label.
	errorsCounted = regexp.MustCompile(`(?i)\b(?:rate|irate|increase)\s*\(\s*(?:\w*(?:error|fail)\w*\s*[{\[]|[\w:]*\{[^}]*(?:=|!=|=~|!~)\s*["'][^"'}]*(?:\b5(?:\d|\.|x|\[|\*)|error|fail))`)
)
