package analysis

import (
	"fmt"
	"math"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric"
)

// File thresholds.go has what is compared with a threshold, and the words for it. They are those of the interface, which
// alerts and scripts look for.

// violation compares a value with what is allowed, both ends included, and says in the metric's unit what
// is wrong with it, or nothing. This is the only place where anything is compared with a threshold.
func violation(value float64, allowed v1beta1.ThresholdRange, u unit) string {
	v := u.exact(value)
	if math.IsNaN(v) { // it compares with nothing, and so would pass
		return "is not a number"
	}
	if least := allowed.Min; least != nil && v < *least {
		return fmt.Sprintf("%s < %s", u.value(v), u.limit(*least))
	}
	if most := allowed.Max; most != nil && v > *most {
		return fmt.Sprintf("%s > %s", u.value(v), u.limit(*most))
	}
	if math.IsInf(v, 0) { // a division by nothing, which is within any range that is open at that end
		return u.value(v) + " is not a finite number"
	}
	return ""
}

// unit is how the numbers of a metric are read and written.
// Values of a metric are rounded in messages and not where they are compared, but for durations.
type unit struct {
	exact        func(float64) float64 // as far as they are compared
	value, limit func(float64) string
}

var (
	percent = unit{exact: same, value: decimals("%.2f%%"), limit: decimals("%v%%")}
	// The interface has durations in whole milliseconds: 500.9 are not more than 500.
	milliseconds = unit{exact: math.Trunc, value: duration, limit: duration}
	number       = unit{exact: same, value: decimals("%.2f"), limit: decimals("%v")}
)

// same is the exactness of numbers that are compared as they are.
func same(v float64) float64 { return v }

// decimals writes a value and a limit apart: values are rounded, limits look as the user wrote them.
func decimals(format string) func(float64) string {
	return func(v float64) string { return fmt.Sprintf(format, v) }
}

// duration writes milliseconds as Go does. A quantile beyond the last bucket is infinite, and others can be
// longer than a time.Duration holds.
func duration(ms float64) string {
	if math.IsInf(ms, 1) {
		return "above the last bucket"
	}
	if math.Abs(ms) > float64(math.MaxInt64/time.Millisecond) {
		return fmt.Sprintf("%vms", ms)
	}
	return time.Duration(ms * float64(time.Millisecond)).String()
}

// kind is a sort of metric: how it is judged and spoken of.
type kind struct {
	unit  unit
	lower bool    // its deprecated threshold is the least value allowed, not the greatest
	floor float64 // what that threshold is when it is left out
	// What differs by kind is data: the rest of this package does not ask which kind a metric is.
	title  func(m v1beta1.CanaryMetric) string
	silent func(s *source, err error) string // when there is no data
	failed func(m v1beta1.CanaryMetric, err error) string
}

var (
	successRate = kind{
		unit:  percent,
		lower: true,
		title: func(v1beta1.CanaryMetric) string { return "success rate" },
		silent: func(s *source, err error) string {
			return fmt.Sprintf("%s: %s (%v)", s.noTraffic(), s.noRequests(), err)
		},
		failed: func(_ v1beta1.CanaryMetric, err error) string { return fmt.Sprintf("Prometheus query failed: %v", err) },
	}
	latency = kind{
		unit:   milliseconds,
		title:  func(v1beta1.CanaryMetric) string { return "request duration" },
		silent: func(s *source, _ error) string { return s.noTraffic() + ": " + s.noRequests() },
		failed: successRate.failed,
	}
	inline = kind{
		unit:  number,
		title: func(m v1beta1.CanaryMetric) string { return m.Name },
		silent: func(s *source, _ error) string {
			return "Halt advancement no values found for metric: " + s.metric.Name
		},
		failed: func(m v1beta1.CanaryMetric, err error) string {
			return fmt.Sprintf("Prometheus query failed for %s: %v", m.Name, err)
		},
	}
	custom = kind{
		unit:  number,
		title: inline.title,
		silent: func(s *source, err error) string {
			return fmt.Sprintf("Halt advancement no values found for custom metric: %s: %v", s.metric.Name, err)
		},
		failed: func(m v1beta1.CanaryMetric, err error) string {
			return fmt.Sprintf("Metric query failed for %s: %v", m.Name, err)
		},
	}
	// A Job's success is a 1, its failure a 0.
	work = kind{unit: number, lower: true, floor: 1, title: custom.title, silent: custom.silent, failed: custom.failed}
)

// kindOf is nil for a metric that says nothing about what to ask.
// The order is that of the interface: a template goes before a query, and a name that is built in comes last, so that a
// user's own query may have that name.
func kindOf(m v1beta1.CanaryMetric) *kind {
	switch {
	case m.TemplateRef != nil:
		return &custom
	case m.Query != "":
		return &inline
	case m.Name == metric.SuccessRate:
		return &successRate
	case m.Name == metric.Duration:
		return &latency
	}
	return nil
}

// noTraffic is the most frequent reason for no data about requests, and worth more to people than the query.
func (s *source) noTraffic() string {
	return fmt.Sprintf("Halt advancement no values found for %s metric %s probably %s.%s is not receiving traffic",
		s.provider, s.metric.Name, s.canary.Spec.TargetRef.Name, s.canary.Namespace)
}

// noRequests says what it means that a built-in metric has no value.
func (s *source) noRequests() string { return "no requests were counted in the last " + s.interval() }

// limits are the range of a metric, or what its older threshold stands for. A metric with conditions needs neither:
// a threshold that was left out is no limit then.
func (k *kind) limits(m v1beta1.CanaryMetric) v1beta1.ThresholdRange {
	switch {
	case m.ThresholdRange != nil:
		return *m.ThresholdRange
	// Zero and left out look the same in the API. Alone it is a limit of 0, as it always was.
	case m.Threshold == 0 && conditional(m):
		return v1beta1.ThresholdRange{}
	// A success rate of at least 0 would accept everything, and so it does in the interface; a Job needs its 1.
	case k.lower && m.Threshold == 0:
		return v1beta1.ThresholdRange{Min: &k.floor}
	case k.lower:
		return v1beta1.ThresholdRange{Min: &m.Threshold}
	}
	return v1beta1.ThresholdRange{Max: &m.Threshold}
}
