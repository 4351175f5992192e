package analysis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// File measure.go is the way of one metric from the question to the finding; compare.go has what baseline adds.

// measure asks for one metric and says what it means.
func (a *Analyst) measure(ctx context.Context, r *round, c *v1beta1.Canary, q rollout.Question) (f rollout.Finding) {
	m := *q.Metric
	s, o := &source{kind: cmp.Or(kindOf(m), &inline)}, outcome{}
	defer func() {
		if err := panicked(ctx, recover()); err != nil {
			f = o.lacking(m, err, s.kind.failed(m, err)).finding(s.secrets, a.now())
		}
	}()
	s, err := a.source(ctx, r, c, q)
	o.limit = accepted(m, s.kind)
	switch {
	case err != nil:
		o = s.unasked(o, err)
	case s.window != nil:
		o = a.compare(ctx, s, o)
	default:
		o = a.evaluate(ctx, s, o)
	}
	return o.finding(s.secrets, a.now())
}

// unasked is the outcome of a metric that nobody was asked for.
func (s *source) unasked(o outcome, err error) outcome {
	// A template that is not there may come, or its Secret, and so the metric's policy counts. A query that cannot be
	// rendered is the same at each check.
	var why *setupError
	if errors.As(err, &why) && why.final {
		return o.decided(v1beta1.Failed, why.text)
	}
	return o.lacking(s.metric, err, err.Error())
}

// unanswered is the outcome of a query that was asked and came to nothing.
func (s *source) unanswered(o outcome, err error) outcome {
	if errors.Is(err, metric.ErrNoData) {
		return o.lacking(s.metric, err, s.kind.silent(s, err))
	}
	// No data is an answer. Only what was not answered is counted against the system.
	if s.failed != nil {
		s.failed(s.vendor)
	}
	return o.lacking(s.metric, err, s.kind.failed(s.metric, err))
}

// evaluate holds a value against what the metric accepts.
func (a *Analyst) evaluate(ctx context.Context, s *source, o outcome) outcome {
	query, err := s.query(s.canary.Spec.TargetRef.Name)
	if err != nil {
		return s.unasked(o, err)
	}
	o.query = query
	values, err := s.values(ctx, query)
	if err != nil {
		return s.unanswered(o, err)
	}
	o.value = numbers(values)
	a.observe(s, values[len(values)-1])
	v, told := s.verdict(ctx, values)
	if told != "" {
		told = s.halt(told)
	}
	// A number does not say why: the log of a failed Job does.
	if e, ok := s.system.(metric.Explainer); ok && told != "" && e.Explain() != "" {
		told += ": " + e.Explain()
	}
	return o.decided(v, told)
}

// observe tells of a value in the unit that it is exported in.
func (a *Analyst) observe(s *source, value float64) {
	if a.Observe == nil {
		return
	}
	if s.kind == &latency { // seconds in the interface, as Prometheus has durations
		value /= 1000
	}
	a.Observe(s.canary, s.metric.Name, value)
}

// values are all that a query returns. Systems that know one number return that.
func (s *source) values(ctx context.Context, query string) ([]float64, error) {
	sampler, ok := s.system.(metric.Sampler)
	if !ok {
		v, err := s.system.Query(ctx, query)
		switch {
		case err == nil && math.IsNaN(v):
			err = metric.ErrNaN
		case errors.Is(err, metric.ErrNoRecords) && s.metric.OnNoData == "": // as the interface has it
			v, err = 0, nil
		}
		return []float64{v}, err
	}
	found, err := sampler.Samples(ctx, query, s.at)
	if err != nil {
		return nil, err
	}
	values := make([]float64, len(found))
	for i, f := range found {
		values[i] = f.Value
	}
	// In a list that only conditions look at a NaN is theirs to judge. A range holds all values or none, so that one
	// that is out of it is enough to know.
	if slices.ContainsFunc(values, math.IsNaN) && (len(values) == 1 || s.limited() && s.outside(values) == "") {
		return nil, metric.ErrNaN
	}
	return values, nil
}

// outside says in the metric's unit which value is out of its range, or nothing. A NaN is no value.
func (s *source) outside(values []float64) string {
	limits := s.kind.limits(s.metric)
	for _, v := range values {
		if told := violation(v, limits, s.kind.unit); told != "" && !math.IsNaN(v) {
			return told
		}
	}
	return ""
}

// verdict is about all values: the range and the conditions have to hold of each. Which of several is meant nobody
// could say, as their order is the system's. A failure is one, whatever else holds.
func (s *source) verdict(ctx context.Context, values []float64) (v1beta1.Verdict, string) {
	// Not asked without limits: in a list that only conditions look at, infinity is theirs to judge as well.
	if s.limited() {
		if told := s.outside(values); told != "" {
			return v1beta1.Failed, told
		}
	}
	// Failure is looked at before success: where both hold, the canary is not let through.
	success, failure := s.metric.SuccessCondition, s.metric.FailureCondition
	value := numbers(values)
	failed, err := s.met(ctx, failure, values)
	if err != nil {
		return v1beta1.Failed, fmt.Sprintf("%s failureCondition %s: %v", value, failure, err)
	}
	if failed {
		return v1beta1.Failed, fmt.Sprintf("%s meets failureCondition %s", value, failure)
	}
	passed, err := s.met(ctx, success, values)
	switch {
	case err != nil:
		return v1beta1.Failed, fmt.Sprintf("%s successCondition %s: %v", value, success, err)
	case passed, success == "":
		return v1beta1.Passed, ""
	case failure == "":
		return v1beta1.Failed, fmt.Sprintf("%s does not meet successCondition %s", value, success)
	}
	return v1beta1.Inconclusive, fmt.Sprintf("%s meets neither successCondition %s nor failureCondition %s", value, success, failure)
}

// met says whether a condition is given and holds.
func (s *source) met(ctx context.Context, expression string, values []float64) (bool, error) {
	if expression == "" {
		return false, nil
	}
	all, err := sharedConditions()
	if err != nil {
		return false, err
	}
	return all.find(s.canary.Namespace, expression).holds(ctx, values)
}

// limited says that values have a range to be in, beside what conditions say.
func (s *source) limited() bool {
	limits := s.kind.limits(s.metric)
	return limits.Min != nil || limits.Max != nil
}

// conditional says that more than a range judges the value.
func conditional(m v1beta1.CanaryMetric) bool { return m.SuccessCondition+m.FailureCondition != "" }

// halt words why a rollout does not go on.
func (s *source) halt(told string) string {
	return fmt.Sprintf("Halt %s.%s advancement %s %s", s.canary.Name, s.canary.Namespace, s.kind.title(s.metric), told)
}
