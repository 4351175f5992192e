package rollout

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Request is an action that is about to be asked for: what the plugin and the page write as an annotation.
type Request struct {
	Verb     v1beta1.ActionVerb
	Revision string // that it is about: see InQuestion
	Step     int    // that it is about
	Run      int    // to roll back to; zero: the one before

	SkipStep      bool // with promote: end a step before its time
	OverrideGates bool // with promote-full: pass the gates that are left

	Reason string // why, for people
}

// Text is the annotation of an action that is asked for now, and the id by which its answer is known.
func (r Request) Text(now time.Time) (text, id string, err error) {
	id = now.UTC().Format(time.RFC3339Nano)
	words := []string{string(r.Verb), "id=" + id}
	if r.Revision != "" {
		words = append(words, "revision="+r.Revision)
	}
	words = append(words, fmt.Sprintf("step=%d", r.Step))
	if r.Run > 0 {
		words = append(words, fmt.Sprintf("run=%d", r.Run))
	}
	if r.SkipStep {
		words = append(words, "skip-step=true")
	}
	if r.OverrideGates {
		words = append(words, "override-gates=true")
	}
	if r.Reason != "" {
		words = append(words, "reason="+r.Reason)
	}
	text = strings.Join(words, " ")
	if over := len(text) - longestAction; over > 0 {
		return "", "", fmt.Errorf("the reason is %d bytes too long", over)
	}
	read, err := parseAction(text)
	if err != nil {
		return "", "", err
	}
	// Nothing of what was asked for may be read as something else: rights are looked at for what was asked for.
	if read.verb != r.Verb || read.revision != r.Revision || read.skipStep != r.SkipStep || read.override != r.OverrideGates || read.reason != r.Reason {
		return "", "", fmt.Errorf("revision %q is not one", r.Revision)
	}
	return text, id, nil
}

// InQuestion is the revision that an action on a Canary is about: where one waits to begin it is in no other place than the run.
func InQuestion(s v1beta1.CanaryStatus) string {
	if run := s.Run; s.Phase == v1beta1.PhaseWaiting && run != nil && run.Finished == nil {
		return run.Revision
	}
	return s.LastAppliedSpec
}

// Impossible says, of each verb, why it is not possible for a Canary by what its status says; without an entry it may be asked for.
// What only the cluster knows is taken to be as it should be: the operator looks at it when it is asked. Why says that the spec cannot
// be followed; nil: it can, by the plan.
func Impossible(c *v1beta1.Canary, plan Plan, why error, now time.Time) map[v1beta1.ActionVerb]string {
	s := c.Status
	revision := InQuestion(s)
	t := newTransition(Snapshot{
		Now: now, Plan: plan, Status: s, Revision: revision, Routed: true, PreviousTemplateKept: true,
		Names:   Names{UID: c.UID, Namespace: c.Namespace, Canary: c.Name, Kind: c.Spec.TargetRef.Kind, Target: c.Spec.TargetRef.Name, Primary: c.PrimaryWorkload()},
		Target:  Workload{Revision: revision, Health: Available, Replicas: 1, Available: 1},
		Primary: Workload{Revision: s.LastPromotedSpec, Health: Available, Replicas: 1, Available: 1},
		Paused:  c.Spec.Suspend, Deleting: !c.DeletionTimestamp.IsZero(),
	})
	reasons := map[v1beta1.ActionVerb]string{}
	for _, verb := range v1beta1.ActionVerbs {
		switch _, refusal := doingOf(t, action{verb: verb, at: now.Add(oldestAction), revision: revision, step: t.Status.Step}); {
		case s.Phase == "":
			reasons[verb] = "the operator has not looked at it yet"
		case why != nil:
			reasons[verb] = "the spec cannot be followed: " + why.Error()
		case refusal != "":
			reasons[verb] = refusal
		}
	}
	return reasons
}
