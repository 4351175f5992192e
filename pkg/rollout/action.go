package rollout

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Requested is what the annotations of a Canary ask for.
type Requested struct {
	Text string // of sluice.dev/action; empty: nothing
	By   string
}

// action is a wish of a person's, as it is written.
type action struct {
	verb     v1beta1.ActionVerb
	id       string
	at       time.Time // that the id names
	revision string
	step     int // -1: any
	skipStep bool
	override bool // gates that are closed
	run      int  // to roll back to; zero: the one before
	reason   string
}

// ActionPattern is the form of an action. Admission policies have the same.
const ActionPattern = `^[a-z-]{1,20}( [a-z-]{1,20}=[A-Za-z0-9:._-]{1,200})*( reason=[^\x00-\x1f\x7f]*)?$`

var actionForm = regexp.MustCompile(ActionPattern)

// The bounds of an action: its length, and how old, or how far ahead, its id may be.
const (
	longestAction = 1024
	oldestAction  = 10 * time.Minute
	actionAhead   = time.Minute
	longestAuthor = 256
)

// parseAction reads an action, or says what is wrong with it.
func parseAction(text string) (a action, err error) {
	if len(text) > longestAction || !actionForm.MatchString(text) {
		return a, fmt.Errorf("it is not of the form VERB id=TIME [revision=REVISION] [step=N] [reason=TEXT], on one line of at most %d bytes", longestAction)
	}
	text, a.reason, _ = strings.Cut(text, " reason=")
	words := strings.Split(text, " ")
	a.verb, a.step = v1beta1.ActionVerb(words[0]), -1
	if !slices.Contains(v1beta1.ActionVerbs, a.verb) {
		return a, fmt.Errorf("%q is none of %s", a.verb, joined(v1beta1.ActionVerbs))
	}
	given := map[string]bool{}
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		if given[key] {
			return a, fmt.Errorf("%s is given twice", key)
		}
		given[key] = true
		if err := a.set(key, value); err != nil {
			return a, err
		}
	}
	switch {
	case a.id == "":
		return a, fmt.Errorf("it has no id: the time, as 2006-01-02T15:04:05Z or in seconds since 1970")
	case a.revision == "" && a.verb != v1beta1.ActionPause && a.verb != v1beta1.ActionResume:
		return a, fmt.Errorf("it names no revision: that of status.lastAppliedSpec, so that a late click cannot be about a newer one")
	}
	return a, nil
}

func (a *action) set(key, value string) (err error) {
	switch key {
	case "id":
		a.id = value
		a.at, err = timeOf(value)
	case "revision":
		a.revision = value
	case "step":
		if a.step, err = strconv.Atoi(value); err != nil || a.step < 0 {
			err = fmt.Errorf("step %q is not a number", value)
		}
	case "skip-step":
		a.skipStep, err = flagOf(key, value, a.verb == v1beta1.ActionPromote)
	case "override-gates":
		a.override, err = flagOf(key, value, a.verb == v1beta1.ActionPromoteFull)
	case "run":
		if a.run, err = strconv.Atoi(value); err != nil || a.run < 1 || a.verb != v1beta1.ActionRollback {
			err = fmt.Errorf("run=%s is not possible here", value)
		}
	default:
		err = fmt.Errorf("%s is none of id, revision, step, skip-step, override-gates, run and reason", key)
	}
	return err
}

func flagOf(key, value string, known bool) (bool, error) {
	if !known || value != "true" && value != "false" {
		return false, fmt.Errorf("%s=%s is not possible here", key, value)
	}
	return value == "true", nil
}

// timeOf is the time that an id is.
func timeOf(id string) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339Nano, id); err == nil {
		return at, nil
	}
	// More digits would be no time that a clock has.
	if seconds, err := strconv.ParseFloat(id, 64); err == nil && seconds > 0 && seconds < 1e11 {
		return time.UnixMilli(int64(seconds * 1000)), nil
	}
	return time.Time{}, fmt.Errorf("id %q is no time: 2006-01-02T15:04:05Z, or seconds since 1970", id)
}

// ActionPending says that an action waits for its answer.
func ActionPending(s Snapshot) bool {
	// Where the answer is not stored, it would be given in every pass.
	if s.Requested.Text == "" || !s.stores("lastAction") {
		return false
	}
	if s.Status.Phase == "" || Foreign(s.Status) { // nothing is known of it yet, in our words
		return false
	}
	return s.Status.LastAction == nil || s.Status.LastAction.Digest != digest(s.Requested.Text)
}

// actionRequested answers what a person asks for, once.
func actionRequested(t *transition) outcome {
	if !ActionPending(t.Snapshot) {
		return nil
	}
	return func(t *transition) {
		a, err := parseAction(t.Requested.Text)
		if err != nil {
			answerAction(t, a, v1beta1.ActionRefused, err.Error())
			return
		}
		if why := expired(t, a); why != "" {
			answerAction(t, a, v1beta1.ActionExpired, why)
			return
		}
		act, why := doingOf(t, a)
		if why != "" {
			answerAction(t, a, v1beta1.ActionRefused, why)
			return
		}
		done := act()
		// First of all that is told: it is why the rest happens.
		told := t.notices
		t.notices = nil
		answerAction(t, a, v1beta1.ActionAccepted, done)
		t.notices = append(t.notices, told...)
	}
}

// refuseAction answers an action for a Canary whose spec cannot be followed.
func refuseAction(t *transition) {
	if !ActionPending(t.Snapshot) {
		return
	}
	a, err := parseAction(t.Requested.Text)
	why := "the spec cannot be followed, see the condition Valid"
	if err != nil {
		why = err.Error()
	}
	answerAction(t, a, v1beta1.ActionRefused, why)
}

// expired says why an action is too old, or from a clock that is ahead.
func expired(t *transition, a action) string {
	if age := t.Now.Sub(a.at); age > oldestAction || age < -actionAhead {
		return fmt.Sprintf("its id is of %s, and here it is %s; it has to be at most %s old, and %s ahead",
			dateTime(a.at), dateTime(t.Now), oldestAction, actionAhead)
	}
	return ""
}

// answerAction notes what came of an action, with the decision that it led to, and tells people.
func answerAction(t *transition, a action, result v1beta1.ActionResult, message string) {
	t.next.LastAction = &v1beta1.ActionRecord{
		ID: a.id, Verb: string(a.verb), By: requestedBy(&t.facts), Reason: a.reason,
		At: metav1.NewTime(t.Now), Result: result, Message: message, Digest: digest(t.Requested.Text),
	}
	by := ""
	if requestedBy(&t.facts) != "" {
		by = " by " + requestedBy(&t.facts)
	}
	verb := orElse(string(a.verb), "action")
	if a.reason != "" {
		message += " (" + a.reason + ")"
	}
	if result == v1beta1.ActionAccepted {
		t.say(ReasonActionAccepted, "%s%s of %s: %s", verb, by, t.Names.canary(), message)
		t.alert(v1beta1.SeverityInfo, fmt.Sprintf("%s%s: %s", verb, by, message))
		return
	}
	t.warn(ReasonActionRefused, "%s%s of %s is refused: %s", verb, by, t.Names.canary(), message)
}

// requestedBy is who asks, cut to what a name can be.
func requestedBy(f *facts) string {
	by := strings.ToValidUTF8(f.Requested.By, "")
	by = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, by)
	return cutText(by, longestAuthor)
}

// person is who asks, for people.
func person(f *facts) string { return orElse(requestedBy(f), "somebody") }

// actionHint is the command by which a person does something about a rollout.
func actionHint(t *transition, verb v1beta1.ActionVerb) string {
	return actionCommand(t.Names, verb, t.next.LastAppliedSpec, t.next.Step)
}

func actionCommand(n Names, verb v1beta1.ActionVerb, revision string, step int) string {
	return fmt.Sprintf(`kubectl annotate canary %s -n %s --overwrite sluice.dev/action="%s id=$(date +%%s) revision=%s step=%d"`,
		n.Canary, n.Namespace, verb, revision, step)
}
