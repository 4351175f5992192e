package rollout

import (
	"encoding/json"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Of a run that has ended there is a CanaryRun: the status calls for it until it is noted there that it was made. No decision waits
// for it, and where it is not made before the next run begins it never is.

const (
	defaultRecords = 3
	mostRecord     = 16 << 10 // bytes of a record in JSON
	mostRunSteps   = 120
	mostRunMetrics = 64
)

// recordsOf is how many runs have a CanaryRun.
func recordsOf(spec v1beta1.CanarySpec) int {
	if spec.History == nil || spec.History.Records == nil {
		return defaultRecords
	}
	return int(min(max(*spec.History.Records, 0), mostHistory))
}

// callForRecord has a run that ends call for its CanaryRun. That of a Canary which is deleted would go with it.
func callForRecord(t *transition, run *v1beta1.Run) {
	if t.Plan.Records > 0 && !t.Deleting && !t.next.Phase.Leaving() {
		run.Recorded = new(false)
	}
}

// RecordDue is the run whose CanaryRun a status calls for; nil: none.
func RecordDue(s v1beta1.CanaryStatus) *v1beta1.Run {
	switch {
	case s.Phase.Leaving():
		return nil
	case s.Superseded != nil:
		return s.Superseded
	case s.Run != nil && s.Run.Finished != nil && s.Run.Recorded != nil && !*s.Run.Recorded:
		return s.Run
	}
	return nil
}

// recordRecorded notes that the CanaryRun was made which the status calls for.
func recordRecorded(t *transition) {
	due := RecordDue(t.next)
	switch {
	case due == nil || !t.Recorded:
	case t.next.Superseded != nil:
		t.next.Superseded = nil
	default:
		due.Recorded = new(true)
	}
}

// RecordOf is what a CanaryRun says of a run: what the status has of it at its end.
func RecordOf(p Plan, s v1beta1.CanaryStatus, run v1beta1.Run) v1beta1.RunRecord {
	run = *run.DeepCopy()
	run.Recorded = nil
	r := v1beta1.RunRecord{Run: run, Plan: runPlan(p, run)}
	if s.Run != nil && s.Run.Number == run.Number && s.Analysis != nil {
		for _, m := range s.Analysis.Metrics[:min(len(s.Analysis.Metrics), mostRunMetrics)] {
			r.Metrics = append(r.Metrics, *m.DeepCopy())
		}
	}
	for _, reduce := range recordReductions {
		if sizeOfRecord(r) <= mostRecord {
			break
		}
		reduce(&r)
	}
	return r
}

// runPlan is what a run was to go through, in the words of its record.
func runPlan(p Plan, run v1beta1.Run) *v1beta1.RunPlan {
	if p.Strategy == "" { // the spec cannot be followed any more
		return nil
	}
	if run.Fast && p.fast != nil {
		p = unjudged(p)
	}
	plan := &v1beta1.RunPlan{Provider: p.Provider, Strategy: string(p.Strategy), Threshold: int32(min(p.Threshold, 1<<30)), Iterations: int32(min(p.Iterations, 1<<30))}
	if p.Interval > 0 {
		plan.Interval = p.Interval.String()
	}
	for _, step := range p.Steps[:min(len(p.Steps), mostRunSteps)] {
		one := v1beta1.RunStep{Name: step.Name, Weight: int32(step.Weight), Mirror: int32(step.Mirror), Pause: len(step.Until.Pauses) > 0, Bake: step.Bake}
		if step.Until.Duration > 0 {
			one.Duration = step.Until.Duration.String()
		}
		plan.Steps = append(plan.Steps, one)
	}
	return plan
}

// recordReductions are what is left out of a record, in this order, until it is small enough: what is missed least first.
var recordReductions = []func(*v1beta1.RunRecord){
	eachOfRecord(func(m *v1beta1.Measurement) { m.Query = "" }),
	eachOfRecord(func(m *v1beta1.Measurement) { m.Message = cutText(m.Message, mostRunReason) }),
	func(r *v1beta1.RunRecord) {
		for i := range r.Metrics {
			m := &r.Metrics[i]
			m.Measurements = m.Measurements[:min(len(m.Measurements), 1)]
		}
	},
	eachOfRecord(func(m *v1beta1.Measurement) { m.Message = "" }),
	func(r *v1beta1.RunRecord) { r.Plan.Steps = nil },
	func(r *v1beta1.RunRecord) { r.Run.Track = nil },
	func(r *v1beta1.RunRecord) { r.Run.Actions = nil },
	func(r *v1beta1.RunRecord) { r.Metrics = nil },
}

func eachOfRecord(change func(*v1beta1.Measurement)) func(*v1beta1.RunRecord) {
	return func(r *v1beta1.RunRecord) {
		for i := range r.Metrics {
			for k := range r.Metrics[i].Measurements {
				change(&r.Metrics[i].Measurements[k])
			}
		}
	}
}

// sizeOfRecord is how many bytes a record has in JSON.
func sizeOfRecord(r v1beta1.RunRecord) int {
	text, err := json.Marshal(r)
	if err != nil { // it has no values that JSON lacks
		return 0
	}
	return len(text)
}
