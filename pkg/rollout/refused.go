package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// What the API server refuses keeps a rollout from starting, from its next step and from its promotion. Checks, deadlines
// and rollbacks stay as they are: a canary that fails has to be left whatever else is wrong.

// Refusal is a request that the API server refuses, or a write that must not be made.
type Refusal struct {
	Object string // kind and name: `Service podinfo`
	Verb   string // as in a right: create, patch, delete, get, list
	Text   string // why, in the server's words
	// MovesTraffic says that users are not where the status wants them because of it.
	MovesTraffic bool
}

// Refuse adds what was refused. Routes of which something was are not in effect, and nobody knows when they will be.
func (s *Snapshot) Refuse(refused ...Refusal) {
	for _, r := range refused {
		same := func(o Refusal) bool { return o.Object == r.Object && o.Verb == r.Verb }
		if i := slices.IndexFunc(s.Refused, same); i >= 0 {
			s.Refused[i].MovesTraffic = s.Refused[i].MovesTraffic || r.MovesTraffic
			continue
		}
		s.Refused = append(s.Refused, r)
	}
	if s.trafficRefused() {
		s.Routed, s.Settles, s.Trouble = false, time.Time{}, s.refusedText()
	}
}

func (s *Snapshot) trafficRefused() bool {
	for _, r := range s.Refused {
		if r.MovesTraffic {
			return true
		}
	}
	return false
}

// What is shown of refusals is bounded: a condition is no log.
const (
	mostRefusals = 3
	mostWords    = 300 // bytes
)

// refusedText says what was refused, for people.
func (s *Snapshot) refusedText() string {
	var texts []string
	for _, r := range s.Refused[:min(len(s.Refused), mostRefusals)] {
		texts = append(texts, fmt.Sprintf("%s %s: %s", r.Verb, r.Object, shortened(r.Text)))
	}
	if more := len(s.Refused) - mostRefusals; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, "; ")
}

// shortened is the beginning of a text, on one line.
func shortened(text string) string {
	text = strings.TrimSuffix(strings.Join(strings.Fields(text), " "), ".")
	if len(text) <= mostWords {
		return text
	}
	end := mostWords
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + " ..."
}

// Fail is the decision of a pass that could not see what it would decide about: it says why, and leaves everything where
// it was.
func Fail(s Snapshot, why string) Decision {
	t := newTransition(s)
	t.next = *s.Status.DeepCopy()
	tellUnreconciled(t, ReasonReconcileFailed, shortened(why))
	if t.next = storable(t.next, s.SchemaMissing); equality.Semantic.DeepEqual(t.next, storable(s.Status, s.SchemaMissing)) {
		return Decision{Status: s.Status}
	}
	t.next.LastTransitionTime = metav1.NewTime(t.Now)
	return Decision{Status: t.next, Notices: t.notices}
}

// recordReconciled says what was refused, once, and takes it back when nothing is. A Canary that never met a refusal gets
// no condition for it.
func recordReconciled(t *transition) {
	switch {
	case !t.trafficRefused():
		t.next.RoutesRefused = nil
	case t.next.RoutesRefused == nil:
		t.next.RoutesRefused = micro(t.Now)
	}
	t.Status.RoutesRefused = t.next.RoutesRefused // the deadline counts by it from now on
	switch {
	case len(t.Refused) > 0 && t.trafficRefused() && rolledBack(t.Status):
		tellUnreconciled(t, ReasonRollbackRefused, t.refusedText())
	case len(t.Refused) > 0:
		tellUnreconciled(t, ReasonRequestRefused, t.refusedText())
	case t.NotRecorded != "":
		tellUnreconciled(t, ReasonRunNotRecorded, shortened(t.NotRecorded))
	case t.Status.Unreconciled == string(ReasonRunNotRecorded) && !t.Recorded && t.Plan.Records > 0:
		// So it is until one is made: where no kind is installed it is not told with every rollout.
	case t.Status.Unreconciled != "":
		t.next.Unreconciled = ""
		t.condition(v1beta1.ConditionReconciled, metav1.ConditionTrue, string(ReasonReconciled), "All objects are as the Canary calls for.")
	}
}

// rolledBack says that users are to be with the primary because the canary, or its promotion, was given up.
func rolledBack(s v1beta1.CanaryStatus) bool {
	return s.CanaryWeight == 0 && (s.Phase == v1beta1.PhaseFailed || ReturningToPrevious(s))
}

func tellUnreconciled(t *transition, why Reason, text string) {
	t.next.Unreconciled = string(why)
	t.condition(v1beta1.ConditionReconciled, metav1.ConditionFalse, string(why), text+".")
	switch {
	case t.Status.Unreconciled == t.next.Unreconciled:
	case why == ReasonRollbackRefused:
		text = fmt.Sprintf("%s was rolled back and may still get requests: %s", t.Names.target(), text)
		t.warn(why, "%s", text)
		t.alert(v1beta1.SeverityError, text)
	default:
		t.warn(why, "%s", text)
	}
}

// blockedByRefusal is blocked for a rollout of which something was refused. Neither routes nor sizes are waited for: it
// goes on being judged by the requests that it gets, if it gets any.
func blockedByRefusal(t *transition) outcome {
	switch {
	case !ready(t.Target, t.Status.LastAppliedSpec):
		return awaitCanary
	case t.Plan.Skip, t.beforeFirstRound():
		return func(t *transition) { awaitRefused(t, 0) }
	case t.trafficRefused() && !t.askedBefore():
		return func(t *transition) { awaitRefused(t, t.remaining()) }
	}
	return nil
}

// askedBefore says that the canary got requests, or copies of them, before the step that is in effect: it goes on
// getting those while the routes of that step are refused.
func (f *facts) askedBefore() bool {
	before := f.Status.Step - 1
	if f.canaryOnly || before > f.Plan.Length() {
		return true
	}
	return before > 0 && f.Plan.Step(before).share() > 0
}

// heldByRefusal keeps a step whose checks passed.
func heldByRefusal(t *transition) outcome {
	if len(t.Refused) == 0 {
		return nil
	}
	return func(t *transition) { repeat(t, WaitRefused, refusedWait(t)) }
}

// awaitRefused waits for what was refused. It is tried again by itself, or when an event tells.
func awaitRefused(t *transition, after time.Duration) {
	t.setWaiting(WaitRefused, after, "%s.", refusedWait(t))
}

func refusedWait(t *transition) string {
	return fmt.Sprintf("The API server keeps %s from going on: %s", t.Names.target(), t.refusedText())
}

// blameRefusal has a wait say that it is for what was refused. When to look again stays.
func blameRefusal(t *transition, blamed bool) {
	if len(t.Refused) > 0 && blamed {
		awaitRefused(t, t.after)
	}
}

// routesDue is since when the routes of the step in effect are waited for. A step whose routes are refused gets a new check
// again and again, by which no deadline can count.
func (f *facts) routesDue() time.Time {
	if refused := f.Status.RoutesRefused; refused != nil {
		return later(f.since(), refused.Time)
	}
	return f.checkDue()
}
