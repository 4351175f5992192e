package rollout

import (
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// told is an answer to the question about a hook or a metric of a name; without one, about the monitoring systems.
type told struct {
	name    string
	verdict v1beta1.Verdict
	message string
}

// decide decides once the questions that are asked were answered, each by the first of the answers of its name that was
// not given yet. A question without one stays unanswered.
func decide(s Snapshot, answers []told) Decision {
	f := Findings{Answers: map[string]Finding{}}
	d := Decide(s, f)
	for known := -1; !d.Questions.Empty() && len(f.Answers) > known; d = Decide(s, f) {
		f.Round, known = d.Questions.Round, len(f.Answers)
		for _, q := range d.Questions.Asked {
			for i, a := range answers {
				if a.name != (answered{Question: q}).name() {
					continue
				}
				f.Answers[q.Key] = Finding{Verdict: a.verdict, Message: a.message}
				answers = append(append([]told{}, answers[:i]...), answers[i+1:]...)
				break
			}
		}
	}
	return d
}

// asked are the names of the hooks and metrics that a decision asks for.
func asked(d Decision) (names []string) {
	for _, q := range d.Questions.Asked {
		names = append(names, answered{Question: q}.name())
	}
	return names
}

// message is that of a condition.
func message(s v1beta1.CanaryStatus, kind string) string {
	if c := meta.FindStatusCondition(s.Conditions, kind); c != nil {
		return c.Message
	}
	return ""
}
