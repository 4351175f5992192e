// Package rollout is the state machine of a progressive delivery, and nothing else.
//
// A spec is compiled to a Plan. What the cluster looks like in one pass is a Snapshot. From these two
// everything follows by plain functions:
//
//	IntentOf   status → what must be true in the cluster
//	Decide     status and answers → what has to be known first, else the next status and what to tell people
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
	// Template is the hash of the target's pod template alone; empty: that is not known.
	Template string
	// TargetTemplate is what the cluster counts the target's pod template as; without a number: that is not known.
	TargetTemplate v1beta1.TargetTemplate
	// Configs are the checksums of the configs that the target uses, by `configmap/<name>`; nil when they are not
	// tracked. They are part of Revision.
	Configs map[string]string
	Target  Workload
	Primary Workload

	// Retargeted is the target of the spec, where the status is about another one; nil: it is about that.
	Retargeted *v1beta1.TargetName
	// Replaced is what is left of the target that status.replaces names; nil: that is not known, or it names none.
	Replaced *Replaced

	// Effective is when the routes that this status calls for were first stored as they are; zero: that is not known.
	Effective time.Time
	// Routed says that the proxies have taken the routes this status calls for; until then Settles
	// is when that may be assumed, or zero when an event will tell.
	Routed  bool
	Settles time.Time
	// Trouble names what keeps the routes from being taken, for people; empty when nothing does.
	Trouble string

	// PrimaryMatchesTarget says that the primary has the pod template that a copy of the target has, whoever made it. It is
	// looked at where hashes do not tell: of another controller's status, and of a revision that the status does not name.
	PrimaryMatchesTarget bool

	// PreviousTemplateKept says that the primary's history still holds the promoted revision, so that it can return to it
	// without the target; else NotKeptReason says why not, for people. It is looked for in Promoting alone, of a plan with
	// a rollback hook.
	PreviousTemplateKept bool
	NotKeptReason        string

	// SchemaMissing are the fields of a status that the API server does not store, such as analysis.metrics[].checks.
	SchemaMissing []string
	// Refused is what the API server does not let us do: see Refuse.
	Refused []Refusal

	// Objects are those that were made for the Canary, for its status.
	Objects []v1beta1.MadeObject

	// Recorded says that the CanaryRun which the status calls for was made, and NotRecorded why the API server does not make it,
	// for people: see RecordDue.
	Recorded    bool
	NotRecorded string

	// Requested is what a person asks for.
	Requested Requested
	// WaitedFor says that tools are to wait for rollouts: the condition Reconciling.
	WaitedFor bool

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
	Crashed   string    // how a container of it ended that had served while it baked; looked at then alone
	Most      int32     // pods that its autoscaler lets it have; zero: any number, or it has none
	Images    string    // of its containers, as `NAME, NAME`, for people; empty: they are not known
	// SizedByUser says of a target that Replicas is what somebody else than Sluice has made it.
	SizedByUser bool
}

// Replaced is what is left of a target whose place another one takes.
type Replaced struct {
	Primary Workload
	Pods    int32 // that its users have, with it or with its primary
	// Stopped says that the target is stopped, and is still to be given back.
	Stopped bool
	// Serving says that users have never left the target.
	Serving bool
}

// AtMost is a number of pods, as far as the workload can be given them.
func (w Workload) AtMost(pods int32) int32 {
	if w.Most > 0 {
		return min(pods, w.Most)
	}
	return pods
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
	Preview bool // requests that fit analysis.previewMatch, or that of a step, all go to the canary
	// PreviewOf is the step whose previewMatch that is, counted from one; zero: that of the analysis.
	PreviewOf int
	Mirror    int // percent of requests that the canary gets a copy of, and whose answers nobody sees
	Cookies   Cookies
}

// Cookies keep users on the side they have met, as `name=value`; an empty one is not in effect.
type Cookies struct {
	Canary  string // a request with it goes to the canary; set on what the canary answers
	Primary string // the same of the primary
	Expired string // of the rollout before: browsers are told to forget it
}

// Decision is what one pass concludes. It either asks or concludes: with Questions set, nothing else is but After.
type Decision struct {
	Questions Questions
	Status    v1beta1.CanaryStatus
	Notices   []Notice      // said only once Status is stored
	After     time.Duration // look again then; zero: wait for an event
}
