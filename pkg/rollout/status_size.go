package rollout

import (
	"encoding/json"
	"strings"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// A status that etcd refuses leaves a rollout standing at its weight: it cannot even fail. What people read and no decision
// does is therefore left out where a status grows too large, what is missed least first.
const (
	mostStatus  = 64 << 10 // bytes of a status in JSON
	mostMessage = 8 << 10  // bytes of a condition's message; there are seven conditions
	// smallText is how many bytes of text no status of more than mostStatus has: JSON writes one byte as six at most.
	smallText = 8 << 10
)

// reductions are what is left out, in this order, until a status is small enough. What a step was judged by, and all that a
// decision reads, is never left out: of each metric the counts and the newest verdict stay.
var reductions = []func(*v1beta1.CanaryStatus){
	eachMeasurement(true, func(m *v1beta1.Measurement) { m.Message = "" }),
	eachMeasurement(false, func(m *v1beta1.Measurement) { m.Message = "" }),
	eachMeasurement(true, func(m *v1beta1.Measurement) { m.Query = "" }),
	eachMeasurement(false, func(m *v1beta1.Measurement) { m.Query = "" }),
	keepNewestMeasurements,
	func(s *v1beta1.CanaryStatus) { s.Superseded = nil },
	func(s *v1beta1.CanaryStatus) { s.History = s.History[:min(len(s.History), leastHistory)] },
	func(s *v1beta1.CanaryStatus) {
		if s.Run != nil {
			s.Run.Track, s.Run.Actions = nil, nil
		}
	},
	eachMeasurement(false, func(m *v1beta1.Measurement) { m.Limit = "" }),
}

// fitted is a status that can be stored. One that fits is returned as it is.
func fitted(s v1beta1.CanaryStatus) v1beta1.CanaryStatus {
	s = cutMessages(s)
	if textOf(s) <= smallText || sizeOf(s) <= mostStatus {
		return s
	}
	s = *s.DeepCopy()
	for _, reduce := range reductions {
		if reduce(&s); sizeOf(s) <= mostStatus {
			break
		}
	}
	return s
}

// cutMessages bounds each message by itself, so that one is cut alike whatever the others say.
func cutMessages(s v1beta1.CanaryStatus) v1beta1.CanaryStatus {
	copied := false
	for i := range s.Conditions {
		if len(s.Conditions[i].Message) <= mostMessage { //nolint:forbidigo // how long it is, not what it says
			continue
		}
		if !copied {
			s, copied = *s.DeepCopy(), true
		}
		s.Conditions[i].Message = cutText(s.Conditions[i].Message, mostMessage) //nolint:forbidigo // how long it is, not what it says
	}
	s.LastFailure, s.Cause = cutText(s.LastFailure, mostMessage), cutText(s.Cause, mostMessage)
	return s
}

// cutText cuts a text off at the end of a character, and says so.
func cutText(text string, most int) string {
	const more = "…"
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-len(more)], "") + more
}

// textOf counts the bytes of text in a status, and so much for each measurement as its fields need besides: that is
// cheap, and enough for nearly all.
func textOf(s v1beta1.CanaryStatus) int {
	const fields = 32
	n := len(s.LastFailure) + len(s.Cause)
	for _, c := range s.Conditions {
		n += len(c.Message) + fields //nolint:forbidigo // how long it is, not what it says
	}
	for _, o := range s.Objects {
		n += len(o.Group) + len(o.Kind) + len(o.Name) + len(o.UID) + fields
	}
	for _, f := range s.FailedRevisions {
		n += len(f.Revision) + len(f.Image) + len(f.Cause) + 2*fields
	}
	if s.TrackedConfigs != nil {
		for name, sum := range *s.TrackedConfigs {
			n += len(name) + len(sum)
		}
	}
	n += textOfRuns(s)
	if s.Analysis == nil {
		return n
	}
	for _, m := range s.Analysis.Metrics {
		n += len(m.Name) + fields
		if e := m.Evidence; e != nil { // which is never left out: a decision reads it
			n += len(e.State) + len(e.Against) + len(e.For) + len(e.Needed) + 2*fields
		}
		for _, one := range m.Measurements {
			n += len(one.Message) + len(one.Query) + len(one.Value) + len(one.Limit) + fields
		}
	}
	return n
}

// sizeOf is how many bytes a status has in JSON.
func sizeOf(s v1beta1.CanaryStatus) int {
	text, err := json.Marshal(s)
	if err != nil { // it has no values that JSON lacks
		return 0
	}
	return len(text)
}

// eachMeasurement changes all measurements, or those that are not the newest of their metric.
func eachMeasurement(older bool, change func(*v1beta1.Measurement)) func(*v1beta1.CanaryStatus) {
	return func(s *v1beta1.CanaryStatus) {
		if s.Analysis == nil {
			return
		}
		for i := range s.Analysis.Metrics {
			for k := range s.Analysis.Metrics[i].Measurements {
				if !older || k > 0 {
					change(&s.Analysis.Metrics[i].Measurements[k])
				}
			}
		}
	}
}

func keepNewestMeasurements(s *v1beta1.CanaryStatus) {
	if s.Analysis == nil {
		return
	}
	for i := range s.Analysis.Metrics {
		m := &s.Analysis.Metrics[i]
		m.Measurements = m.Measurements[:min(len(m.Measurements), 1)]
	}
}
