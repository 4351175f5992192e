// Package rollout is the state machine of a progressive delivery, and nothing else.
//
// A spec is compiled to a Plan. What the cluster looks like in one pass is a Snapshot. From these two
// everything follows by plain functions:
//
//	IntentOf   status → what must be true in the cluster
//	Ask        what has to be known now, if anything
//	Decide     what was found → the next status, and what to tell people
//
// The package reads no clock, no cluster and no network, and writes nothing: time is Snapshot.Now, and
// whatever a decision would need to read must already be a fact in the Snapshot. A crash between any
// two writes is therefore just another Snapshot.
package rollout

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// RevisionPrefix starts every revision this version of Sluice computes. A status that holds a revision
// without it was written by another controller of the same API, and is adopted.
const RevisionPrefix = "r1-"

// Snapshot holds the facts that one pass read, and the plan they are judged by.
type Snapshot struct {
	Now        time.Time
	Plan       Plan
	Names      Names
	Generation int64 // of the Canary's spec
	Status     v1beta1.CanaryStatus

	// Revision of the target's pod template and tracked configs; empty while there is no target.
	Revision string
	// Configs are the checksums of the configs that the target uses, by `configmap/<name>`; nil when they are not
	// tracked. They are part of Revision.
	Configs map[string]string
	Target  Workload
	Primary Workload

	// Routed says that the proxies have taken the routes this status calls for; until then Settles
	// is when that may be assumed, or zero when an event will tell.
	Routed  bool
	Settles time.Time
	// Trouble names what keeps the routes from being taken, for people; empty when nothing does.
	Trouble string

	// PrimaryMatchesTarget says that the primary has the pod template that a copy of the target has, whoever made it. Only
	// a status of another controller is in need of it.
	PrimaryMatchesTarget bool

	// PreviousTemplateKept says that the primary's history still holds the promoted revision, so that it can return to it
	// without the target; else NotKeptReason says why not, for people. It is looked for in Promoting alone, of a plan with
	// a rollback hook.
	PreviousTemplateKept bool
	NotKeptReason        string

	Paused   bool
	Deleting bool // the Canary goes, and its target is to be given back
}

// Names are what people call the objects of a rollout.
type Names struct {
	UID       types.UID // of the Canary
	Namespace string
	Canary    string // of the Canary object
	Kind      string // of the target: Deployment
	Target    string
	Primary   string
}

// Workload is what is known of one side.
type Workload struct {
	Revision  string // that its pod template was rendered from; of the primary by its annotation
	Health    Health
	Since     time.Time // when it came into this health, where that is known
	Reason    string    // why it is not available: `ImagePullBackOff: ...`
	Replicas  int32     // pods asked for
	Available int32     // pods that serve
}

// Health is how far a workload is from serving.
type Health int

// The healths a workload can be in.
const (
	Absent    Health = iota // there is no such object
	Stopped                 // scaled to zero
	Starting                // some of its pods are not there yet
	Available               // as many pods as its threshold asks for serve the present template
	Stuck                   // it will not become available without a change
)

// Side is one of the two workloads.
type Side int

// The sides a Service can select.
const (
	TargetSide Side = iota
	PrimarySide
	BothSides // each gets requests by the number of its pods
)

// Traffic is how requests are shared out.
type Traffic struct {
	Weight  int  // percent of requests that the canary answers; where Matched, of those that fit
	Matched bool // requests that do not fit analysis.match all go to the primary
	Preview bool // requests that fit analysis.previewMatch all go to the canary
	Mirror  int  // percent of requests that the canary gets a copy of, and whose answers nobody sees
	Cookies Cookies
}

// Cookies keep users on the side they have met, as `name=value`; an empty one is not in effect.
type Cookies struct {
	Canary  string // a request with it goes to the canary; set on what the canary answers
	Primary string // the same of the primary
	Expired string // of the rollout before: browsers are told to forget it
}

// Questions are what has to be known before the next decision; empty means nothing.
type Questions struct {
	// Hooks are asked, all at once. What an answer means follows from the hook's type.
	Hooks []v1beta1.CanaryWebhook
	// Opening is told, once all of Hooks agreed, that the first step begins, so that a load test
	// runs while that step is judged. These answers do not count.
	Opening []v1beta1.CanaryWebhook
	// Metrics judge the step in effect.
	Metrics []v1beta1.CanaryMetric
	// Systems asks whether the monitoring systems can be reached, long before a rollout depends on it.
	Systems bool
}

// count is how many answers there have to be.
func (q Questions) count() int {
	if q.Systems {
		return len(q.Hooks) + len(q.Metrics) + 1
	}
	return len(q.Hooks) + len(q.Metrics)
}

// Empty says that nothing has to be asked.
func (q Questions) Empty() bool { return q.count()+len(q.Opening) == 0 }

// Findings are the answers to Questions: of Hooks, then of Metrics, in the order they were asked, then of Systems.
// Opening has none.
type Findings []Finding

// Finding is one answer.
type Finding struct {
	Name    string           // of the metric or webhook
	Moment  v1beta1.HookType // of a webhook; empty: a metric
	Verdict v1beta1.Verdict  // of a rollback hook: Passed means that it asks for one
	Message string           // when it did not pass: one line that says what was found and what is allowed
	DryRun  bool             // it decides nothing
	Limit   *int             // of a metric: how often it may fail by its own count; nil: the common threshold counts
	// Measurement is what a metric was found to be.
	Measurement *v1beta1.Measurement
}

// Decision is what one pass concludes.
type Decision struct {
	Status  v1beta1.CanaryStatus
	Notices []Notice      // said only once Status is stored
	After   time.Duration // look again then; zero: wait for an event
}
