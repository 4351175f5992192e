package rollout

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// `kubectl rollout undo` goes back to the template before, whatever became of that. One that has failed is therefore known for
// some time, and not tried again by itself.

const (
	// mostFailed is how many failed revisions are known: as many as a Deployment keeps templates by default.
	mostFailed = 10
	// mostFailedCause is how many bytes of each cause are kept.
	mostFailedCause = 256
)

// failedBefore is what is known of a revision that has failed; nil: it has not.
func failedBefore(s v1beta1.CanaryStatus, revision string) *v1beta1.FailedRevision {
	for i := range s.FailedRevisions {
		if s.FailedRevisions[i].Revision == revision {
			return &s.FailedRevisions[i]
		}
	}
	return nil
}

// FailedBefore says that a revision has failed, by the status.
func FailedBefore(s v1beta1.CanaryStatus, revision string) bool {
	return failedBefore(s, revision) != nil
}

// recordFailedRevision notes the revision of a rollout that has just failed. One that users are left with is not given up.
func recordFailedRevision(t *transition) {
	s := &t.next
	if s.CanaryWeight > 0 || s.LastAppliedSpec == s.LastPromotedSpec || s.LastAppliedSpec == unknownRevision || failedBefore(*s, s.LastAppliedSpec) != nil {
		return
	}
	failed := v1beta1.FailedRevision{Revision: s.LastAppliedSpec, Time: metav1.NewTime(t.Now), Cause: cutText(s.Cause, mostFailedCause)}
	if s.LastAppliedSpec == t.Revision {
		failed.Image = cutText(ShortImages(t.Target.Images), mostImages)
	}
	s.FailedRevisions = slices.Insert(s.FailedRevisions, 0, failed)
	s.FailedRevisions = s.FailedRevisions[:min(len(s.FailedRevisions), mostFailed)]
}

// forgetPromoted has no revision be one that failed which was promoted after all.
func forgetPromoted(t *transition) {
	t.next.FailedRevisions = slices.DeleteFunc(t.next.FailedRevisions, func(f v1beta1.FailedRevision) bool {
		return f.Revision == t.next.LastPromotedSpec
	})
	if len(t.next.FailedRevisions) == 0 {
		t.next.FailedRevisions = nil
	}
}

// failedRevisionBack ends a rollout whose target was put to a revision that failed before.
func failedRevisionBack(t *transition) outcome {
	if t.targetIs != targetFailed {
		return nil
	}
	// A primary that was given a revision comes up with it first, as with any newer one.
	if t.Status.Phase.Analysing() || t.Status.Phase == v1beta1.PhasePromoting && t.primaryIs != primaryGiven && !t.returning {
		return refuseFailedRevision
	}
	return nil
}

// refuseFailedRevision leaves users with the primary: the target has what failed before.
func refuseFailedRevision(t *transition) {
	failed := failedBefore(t.Status, t.Revision)
	text := t.Names.target() + " is back at a revision that failed before, and is not tried again"
	again := "kubectl -n " + t.Names.Namespace + " rollout restart " + strings.ToLower(t.Names.Kind) + "/" + t.Names.Target
	t.cause = text + "; it failed at " + dateTime(failed.Time.Time) + because(failed.Cause)
	t.next.LastAppliedSpec = t.Revision
	t.next.FailedChecks, t.next.Iterations, t.next.Step = 0, 0, 0
	t.next.Promoting = ""
	t.routeNothingToCanary()
	t.enter(v1beta1.PhaseFailed)
	t.setSettled()
	t.warn(ReasonCalledOff, "%s; to try it all the same: %s", text, again)
	t.alert(v1beta1.SeverityWarn, "Rollout called off, a revision that failed before is back.")
	alertServes(t)
}
