package rollout

import (
	"strconv"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// lookAgain is how soon pods that do not come up are looked at once more: a Deployment's status does not
// change when an image cannot be pulled.
const lookAgain = 5 * time.Second

// Every wait names what it waits for, without counts and times: a condition that changes with every pod
// would cost a write for each, and tell nobody more.

func (t *transition) awaitTarget() {
	if t.waiting() != WaitTarget {
		t.warn(ReasonTargetMissing, "%s %s not found, waiting for it", t.Names.Kind, t.Names.target())
	}
	t.setWaiting(WaitTarget, 0, "%s %s does not exist.", t.Names.Kind, t.Names.target())
}

func (t *transition) awaitPrimary() {
	primary := t.Primary
	if primary.Revision != t.wanted() {
		primary = Workload{Health: Starting} // what is wrong with the revision before is nobody's concern now
	}
	what := t.describe(t.Names.primary(), primary)
	// Once for each trouble: the condition has what was said.
	if primary.Health == Stuck && message(t.Status, v1beta1.ConditionWaiting) != what+"." {
		t.warn(ReasonWorkloadNotReady, "%s", what)
	}
	t.setWaiting(WaitPrimary, t.remaining(), "%s.", what)
	if t.next.Phase == v1beta1.PhaseInitializing {
		t.after = lookAgain // no deadline: users are served by the target all the same
	}
}

// wanted is the revision that the primary is to come up with.
func (t *transition) wanted() string {
	if t.next.Promoting != "" {
		return t.next.Promoting
	}
	return t.next.LastAppliedSpec
}

func (t *transition) awaitCanary() {
	if t.Target.Health == Absent {
		t.awaitTarget()
		// A target that is gone in mid-rollout has the deadline; its own event may come before.
		t.after = t.remaining()
		return
	}
	t.setWaiting(WaitCanary, t.remaining(), "%s.", t.describe(t.Names.target(), t.Target))
}

func (t *transition) awaitCapacity() {
	t.setWaiting(WaitCapacity, t.remaining(), "%s needs more available pods for the share of the next step.", t.Names.target())
}

func (t *transition) awaitRoutes() {
	if t.Trouble != "" {
		t.setWaiting(WaitRoutes, t.untilSettled(), "Routes of %s are not taken: %s.", t.Names.canary(), t.Trouble)
		return
	}
	// The condition says so already. Writing the same in other words would be a write for each look.
	if t.waiting() == WaitRoutes {
		t.after = t.untilSettled()
		return
	}
	t.setWaiting(WaitRoutes, t.untilSettled(), "Routes of %s are being taken by the proxies.", t.Names.canary())
}

// awaitCheck leaves the condition as it is: it says since the step began, or since the last failed check, what
// is being waited for.
func (t *transition) awaitCheck() {
	switch t.waiting() {
	case WaitInterval, WaitRetry, WaitTrafficIncreaseApproval, WaitPromotionApproval, WaitValue, WaitClarity, WaitProof:
		t.after = t.untilCheck()
	default:
		t.awaitStep()
		t.after = t.untilCheck()
	}
}

func (t *transition) awaitStep() {
	if mirror := mirrored(t.Plan, t.next); mirror > 0 && t.next.CanaryWeight == 0 {
		t.setWaiting(WaitInterval, t.Plan.Interval, "Step %d of %d: copies of %d%% of %s go to %s, judged after %s.",
			t.next.Step, t.Plan.Length(), mirror, t.requests(), t.Names.target(), t.Plan.Interval)
		return
	}
	t.setWaiting(WaitInterval, t.Plan.Interval, "Step %d of %d: %d%% of %s go to %s, judged after %s.",
		t.next.Step, max(t.Plan.Length(), t.next.Step), t.next.CanaryWeight, t.requests(), t.Names.target(), t.Plan.Interval)
}

// requests are those that the weight is a share of, for people.
func (t *transition) requests() string {
	if t.next.Matched {
		return "the requests that fit spec.analysis.match"
	}
	return "requests"
}

// waiting is what the stored status says is waited for.
func (t *transition) waiting() Wait {
	for _, c := range t.Status.Conditions {
		if c.Type == v1beta1.ConditionWaiting {
			return Wait(c.Reason)
		}
	}
	return ""
}

func (t *transition) describe(name string, w Workload) string {
	if w.Reason == "" {
		return name + " not ready: waiting for its new pods to become available"
	}
	return name + " not ready: " + w.Reason
}

func itoa(n int) string { return strconv.Itoa(n) }
