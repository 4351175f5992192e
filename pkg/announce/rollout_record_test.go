package announce

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/notify"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// stands is a status that began some minutes after noon, in a rollout that began at noon.
func stands(phase v1beta1.CanaryPhase, revision string, minute int) v1beta1.CanaryStatus {
	return v1beta1.CanaryStatus{
		Phase: phase, LastAppliedSpec: revision, Since: new(metav1.NewMicroTime(noon.Add(time.Duration(minute) * time.Minute))),
		Conditions: []metav1.Condition{{Type: v1beta1.ConditionPromoted, Status: metav1.ConditionUnknown, LastTransitionTime: metav1.NewTime(noon)}},
	}
}

// pods is a template of containers, given as `name=image`.
func pods(containers ...string) *corev1.PodTemplateSpec {
	t := &corev1.PodTemplateSpec{}
	for _, c := range containers {
		name, image, _ := strings.Cut(c, "=")
		t.Spec.Containers = append(t.Spec.Containers, corev1.Container{Name: name, Image: image})
	}
	return t
}

func newsOf(before, after v1beta1.CanaryStatus) News {
	c := &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Namespace: "test", Name: "podinfo", UID: "u1"}, Status: after}
	c.Spec.TargetRef = v1beta1.TargetRef{Kind: "Deployment", Name: "podinfo"}
	return News{Before: before, Canary: c, Target: pods("app=podinfo:2"), Primary: pods("app=podinfo:1")}
}

func TestPastFollowsARollout(t *testing.T) {
	var p rolloutHistory
	idle, begun := stands(v1beta1.PhaseSucceeded, "r1-a", 0), stands(v1beta1.PhaseProgressing, "r1-b", 1)
	was, is := p.recordDecision(newsOf(idle, begun))
	require.Equal(t, "r1-a", was.revision)
	require.Empty(t, was.outcome, "What ended long ago does not end again.")
	images := []notify.Image{{Container: "app", Old: "podinfo:1", New: "podinfo:2"}}
	require.Equal(t, rolloutRecord{revision: "r1-b", began: noon.Add(time.Minute), images: images}, is)

	finalising := stands(v1beta1.PhaseFinalising, "r1-b", 9)
	over := newsOf(finalising, stands(v1beta1.PhaseSucceeded, "r1-b", 10))
	over.Primary = pods("app=podinfo:2")
	was, is = p.recordDecision(over)
	require.Equal(t, rolloutRecord{revision: "r1-b", began: noon.Add(time.Minute), images: images, outcome: succeeded}, was, "The primary runs it by now; what it ran is remembered.")
	require.Equal(t, was, is)
}

func TestPastAfterARestart(t *testing.T) {
	var p rolloutHistory
	was, is := p.recordDecision(newsOf(stands(v1beta1.PhaseProgressing, "r1-b", 5), stands(v1beta1.PhaseFailed, "r1-b", 6)))
	require.Equal(t, noon, was.began, "The condition knows when it began.")
	require.Equal(t, []notify.Image{{Container: "app", Old: "podinfo:1", New: "podinfo:2"}}, was.images, "The primary is as it was.")
	require.Equal(t, failed, was.outcome)
	require.Equal(t, was, is)
}

func TestPastOfANewerRevision(t *testing.T) {
	var p rolloutHistory
	p.recordDecision(newsOf(stands(v1beta1.PhaseSucceeded, "r1-a", 0), stands(v1beta1.PhaseProgressing, "r1-b", 1)))
	was, is := p.recordDecision(newsOf(stands(v1beta1.PhaseProgressing, "r1-b", 1), stands(v1beta1.PhaseProgressing, "r1-c", 4)))
	require.Equal(t, "r1-b", was.revision)
	require.Equal(t, superseded, was.outcome)
	require.Equal(t, "r1-c", is.revision)
	require.Equal(t, noon.Add(4*time.Minute), is.began)
	require.Empty(t, is.outcome)
}

func TestPastOfAWait(t *testing.T) {
	var p rolloutHistory
	seen := func(before, after v1beta1.CanaryStatus, revision string) (rolloutRecord, rolloutRecord) {
		n := newsOf(before, after)
		n.Revision = revision
		return p.recordDecision(n)
	}
	idle, waits := stands(v1beta1.PhaseSucceeded, "r1-a", 0), stands(v1beta1.PhaseWaiting, "r1-a", 1)
	_, is := seen(idle, waits, "r1-b")
	require.Equal(t, "r1-b", is.revision, "What waits is what messages are about, though it is not applied.")
	_, is = seen(waits, waits, "r1-c")
	require.Equal(t, "r1-c", is.revision, "The newest waits.")
	was, is := seen(waits, stands(v1beta1.PhaseProgressing, "r1-c", 5), "r1-c")
	require.Equal(t, "r1-c", was.revision)
	require.Empty(t, was.outcome)
	require.Equal(t, rolloutRecord{revision: "r1-c", began: noon.Add(time.Minute), images: was.images}, is, "It began when it had to wait.")

	p = rolloutHistory{}
	was, is = seen(waits, stands(v1beta1.PhaseProgressing, "r1-c", 5), "r1-c")
	require.Equal(t, noon, was.began, "After a restart the condition knows.")
	require.Equal(t, was, is)
}

func TestPastOfAWithdrawal(t *testing.T) {
	var p rolloutHistory
	idle, waits := stands(v1beta1.PhaseSucceeded, "r1-a", 0), stands(v1beta1.PhaseWaiting, "r1-a", 1)
	n := newsOf(idle, waits)
	n.Revision = "r1-b"
	p.recordDecision(n)
	n = newsOf(waits, stands(v1beta1.PhaseSucceeded, "r1-a", 2))
	n.Revision = "r1-a"
	was, is := p.recordDecision(n)
	require.Equal(t, "r1-b", was.revision, "It was the one that waited that was called off.")
	require.Equal(t, calledOff, was.outcome)
	require.Equal(t, was, is)
}

func TestOutcomes(t *testing.T) {
	cases := map[string]struct {
		reason       string
		from, to     v1beta1.CanaryPhase
		before, next string
		want         outcome
	}{
		"Promoted":    {reason: "All traffic came back.", from: v1beta1.PhaseFinalising, to: v1beta1.PhaseSucceeded, want: succeeded},
		"Failed":      {reason: "It did not pass.", from: v1beta1.PhaseProgressing, to: v1beta1.PhaseFailed, want: failed},
		"Stranded":    {reason: "The primary did not come up.", from: v1beta1.PhasePromoting, to: v1beta1.PhaseFailed, want: failed},
		"Revert":      {reason: "The target was put back.", from: v1beta1.PhaseProgressing, to: v1beta1.PhaseSucceeded, want: calledOff},
		"RevertWaits": {reason: "Before it was allowed to begin, too.", from: v1beta1.PhaseWaiting, to: v1beta1.PhaseSucceeded, want: calledOff},
		"OldFailure":  {reason: "Nothing new was tried.", from: v1beta1.PhaseWaiting, to: v1beta1.PhaseFailed, want: calledOff},
		"Recalled":    {reason: "A hook ended it before it began.", from: v1beta1.PhaseWaiting, to: v1beta1.PhaseFailed, next: "r1-c", want: failed},
		"Allowed":     {reason: "What waits is applied once it may be.", from: v1beta1.PhaseWaiting, to: v1beta1.PhaseProgressing, next: "r1-c"},
		"Renamed":     {reason: "The rollout of another controller goes on under our name.", from: v1beta1.PhaseProgressing, to: v1beta1.PhaseProgressing, before: "5d89f7", next: "r1-c"},
		"First":       {reason: "There was nothing to roll out.", from: v1beta1.PhaseInitializing, to: v1beta1.PhaseInitialized, want: initialised},
		"Deleted":     {reason: "The Canary went.", from: v1beta1.PhaseProgressing, to: v1beta1.PhaseTerminating, want: terminated},
		"GoesOn":      {reason: "A phase is no end.", from: v1beta1.PhaseProgressing, to: v1beta1.PhasePromoting},
		"Newer":       {reason: "The target moved on.", from: v1beta1.PhaseProgressing, to: v1beta1.PhaseProgressing, next: "r1-c", want: superseded},
		"FirstName":   {reason: "A revision that gets its name is no other one.", from: v1beta1.PhaseInitializing, to: v1beta1.PhaseInitializing, before: " ", next: "r1-c"},
		"AtRest":      {reason: "What is over does not end.", from: v1beta1.PhaseFailed, to: v1beta1.PhaseSucceeded},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			before, after := stands(tc.from, "r1-b", 0), stands(tc.to, "r1-b", 1)
			if tc.next != "" {
				after.LastAppliedSpec = tc.next
			}
			if tc.before != "" {
				before.LastAppliedSpec = strings.TrimSpace(tc.before)
			}
			require.Equal(t, tc.want, outcomeOf(before, after), tc.reason)
		})
	}
}

func TestChanges(t *testing.T) {
	cases := map[string]struct {
		reason          string
		target, primary *corev1.PodTemplateSpec
		want            []notify.Image
	}{
		"One":     {reason: "Only what differs.", target: pods("app=a:2", "proxy=p:1"), primary: pods("app=a:1", "proxy=p:1"), want: []notify.Image{{Container: "app", Old: "a:1", New: "a:2"}}},
		"Same":    {reason: "A change of the configuration changes no image.", target: pods("app=a:1"), primary: pods("app=a:1"), want: []notify.Image{}},
		"Added":   {reason: "A new container has no image before.", target: pods("app=a:1", "log=l:1"), primary: pods("app=a:1"), want: []notify.Image{{Container: "log", New: "l:1"}}},
		"Removed": {reason: "One that goes has none after.", target: pods("app=a:1"), primary: pods("app=a:1", "log=l:1"), want: []notify.Image{{Container: "log", Old: "l:1"}}},
		"First":   {reason: "Without a primary all is new.", target: pods("app=a:1"), want: []notify.Image{{Container: "app", New: "a:1"}}},
		"Gone":    {reason: "Without a target nothing is known.", primary: pods("app=a:1")},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, changes(News{Target: tc.target, Primary: tc.primary}), tc.reason)
		})
	}
}

func TestPodTemplates(t *testing.T) {
	d := &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Template: *pods("app=a:1")}}
	s := &appsv1.DaemonSet{Spec: appsv1.DaemonSetSpec{Template: *pods("app=a:2")}}
	require.Equal(t, &d.Spec.Template, PodTemplate(d))
	require.Equal(t, &s.Spec.Template, PodTemplate(s))
	require.Nil(t, PodTemplate((*appsv1.Deployment)(nil)), "One that is not there has none.")
	require.Nil(t, PodTemplate((*appsv1.DaemonSet)(nil)))
	require.Nil(t, PodTemplate(&corev1.Service{}), "Nor has one of another kind.")
}

func TestPastIsBounded(t *testing.T) {
	var p rolloutHistory
	for i := range maxRecords + 5 {
		p.of(types.UID(string(rune('a'+i%26)) + time.Duration(i).String()))
	}
	require.Equal(t, maxRecords, p.known.Len())
}

func TestCorrectionsAreToldOnce(t *testing.T) {
	var p rolloutHistory
	c := &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{UID: "u1"}}
	require.False(t, p.driftToldRecently(c, "Service podinfo", noon))
	require.True(t, p.driftToldRecently(c, "Service podinfo", noon.Add(time.Second)), "Two who disagree would fill the events.")
	require.False(t, p.driftToldRecently(c, "Service podinfo-canary", noon.Add(time.Second)), "Another object is another matter.")
	require.False(t, p.driftToldRecently(c, "Service podinfo", noon.Add(driftInterval)), "After a while it is news again.")
}

func checkFailed(n int, alert *rollout.Alert) []rollout.Notice {
	var all []rollout.Notice
	for range n {
		all = append(all, rollout.Notice{Warning: true, Reason: rollout.ReasonCheckFailed, Message: "Halt", Alert: alert})
	}
	return all
}

func TestEventsAreFew(t *testing.T) {
	rolledBack := rollout.Notice{Reason: rollout.ReasonRolledBack, Message: "Rolling back", Alert: &rollout.Alert{}}
	cases := map[string]struct {
		reason  string
		notices []rollout.Notice
		want    int
		says    string
	}{
		"Few":    {reason: "A maxFailedChecks is said as it is.", notices: checkFailed(4, nil), want: 4},
		"Five":   {reason: "More are counted.", notices: checkFailed(5, nil), want: 5, says: "1 more check failed"},
		"Many":   {reason: "However many they are, and what follows is still said.", notices: append(checkFailed(40, nil), rolledBack), want: 6, says: "36 more checks failed"},
		"Alerts": {reason: "What people are to hear of is never left out.", notices: checkFailed(9, &rollout.Alert{}), want: 9},
		"None":   {reason: "Nothing to say, nothing said.", want: 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := limitFailedChecks(tc.notices)
			require.Len(t, got, tc.want, tc.reason)
			if tc.says != "" {
				require.Equal(t, tc.says, got[maxFailedChecks].Message, tc.reason)
			}
			if name == "Many" {
				require.Equal(t, rolledBack, got[5], tc.reason)
			}
		})
	}
}

func TestFailuresAlwaysAlert(t *testing.T) {
	bad := stands(v1beta1.PhaseFailed, "r1-b", 1)
	bad.Conditions[0].Message = "Canary analysis failed, Deployment scaled to zero. Cause: a new way to fail."
	loud := rollout.Notice{Reason: rollout.ReasonRolledBack, Alert: &rollout.Alert{Severity: v1beta1.SeverityError, Text: "it failed"}}
	event := rollout.Notice{Reason: rollout.ReasonFailed, Message: "Scaling down"}
	cases := map[string]struct {
		reason  string
		from    v1beta1.CanaryPhase
		notices []rollout.Notice
		want    []string
	}{
		"Said":    {reason: "Who says it himself is not driftToldRecently.", from: v1beta1.PhaseProgressing, notices: []rollout.Notice{loud}, want: []string{"it failed"}},
		"Unsaid":  {reason: "A way to fail that says nothing is told all the same.", from: v1beta1.PhaseProgressing, want: []string{"Canary analysis failed, Deployment scaled to zero. Cause: a new way to fail"}},
		"Event":   {reason: "An event is not heard by everybody.", from: v1beta1.PhasePromoting, notices: []rollout.Notice{event}, want: []string{"Canary analysis failed, Deployment scaled to zero. Cause: a new way to fail"}},
		"Already": {reason: "What has failed long ago was told then.", from: v1beta1.PhaseFailed},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			n := newsOf(stands(tc.from, "r1-b", 0), bad)
			n.Notices = tc.notices
			var texts []string
			for _, said := range withFailureAlert(n) {
				if said.Alert != nil {
					texts = append(texts, said.Alert.Text)
				}
			}
			require.Equal(t, tc.want, texts, tc.reason)
		})
	}
}
