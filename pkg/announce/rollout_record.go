package announce

import (
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/lru"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/notify"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// rolloutHistory is what is remembered of the rollouts of Canaries, for messages only. After a restart it begins anew: a
// rollout that was under way then is told to have begun when its Promoted condition says, and a promotion that is
// over by then no longer tells which images it replaced.
type rolloutHistory struct {
	mu    sync.Mutex
	known *lru.Cache // of *canaryRecord, by UID: nobody tells of Canaries that are gone
}

// maxRecords bounds what is remembered; Canaries beyond that are treated as after a restart.
const maxRecords = 16384

// canaryRecord is one Canary's.
type canaryRecord struct {
	rolloutRecord
	drifted map[string]time.Time
}

// rolloutRecord is the rollout that a decision is about.
type rolloutRecord struct {
	revision string
	began    time.Time // zero: not known
	images   []notify.Image
	outcome  outcome // empty: it goes on
}

// outcome is how a rollout ended.
type outcome string

const (
	initialised outcome = "initialized" // there was nothing to roll out yet
	succeeded   outcome = "succeeded"
	failed      outcome = "failed"
	calledOff   outcome = "called-off" // the target was put back
	superseded  outcome = "superseded" // by a newer revision
	terminated  outcome = "terminated" // with its Canary
)

// of is the record of one Canary. The lock is held.
func (p *rolloutHistory) of(uid types.UID) *canaryRecord {
	if p.known == nil {
		p.known = lru.New(maxRecords)
	}
	if found, ok := p.known.Get(uid); ok {
		if s, ok := found.(*canaryRecord); ok {
			return s
		}
	}
	s := &canaryRecord{drifted: map[string]time.Time{}}
	p.known.Add(uid, s)
	return s
}

// recordDecision returns the rollout of the status before, with how it ended if it did, and the one that the messages of a
// decision are about: the same, or the one that begins with it.
func (p *rolloutHistory) recordDecision(n News) (was, is rolloutRecord) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.of(n.Canary.UID)
	was = s.rolloutBefore(n)
	is = was
	switch after := n.Canary.Status; {
	case begins(n.Before, after):
		is = rolloutRecord{revision: after.LastAppliedSpec, began: sinceOf(after), images: changes(n)}
		if after.Phase == v1beta1.PhaseWaiting {
			is.revision = n.Revision // it is applied once it may be
		}
	case is.revision == "":
		is.revision = after.LastAppliedSpec // the first gets its name when its target is seen
	}
	s.rolloutRecord = is
	was.outcome = outcomeOf(n.Before, n.Canary.Status)
	// Else it is the former rollout that ended, which messages about the new one say nothing of.
	if is.revision == was.revision {
		is.outcome = was.outcome
	}
	return was, is
}

// rolloutBefore is what is known of the rollout before a decision, or what its status tells of it.
func (s *canaryRecord) rolloutBefore(n News) rolloutRecord {
	before, was := n.Before, s.rolloutRecord
	switch {
	case before.Phase == v1beta1.PhaseWaiting:
		// The status names what was applied last, not what waits.
		if n.Revision != "" && outcomeOf(before, n.Canary.Status) != calledOff {
			was.revision = n.Revision // the newest that waits
		}
	case was.revision != before.LastAppliedSpec:
		// This process has not seen it begin, or another was in charge meanwhile: only the status tells.
		was = rolloutRecord{revision: before.LastAppliedSpec}
	}
	// Until it is promoted, target and primary differ still, which tells the images after a restart as well.
	if before.Phase.Unfinished() && was.began.IsZero() {
		was.began, was.images = unknownSince(before), changes(n)
	}
	return was
}

// begins says that a decision took up a revision.
func begins(before, after v1beta1.CanaryStatus) bool {
	return after.Phase.Unfinished() && (!before.Phase.Unfinished() || replaced(before, after))
}

// replaced says that a rollout under way gave way to another. While it waits it has not been applied yet, and a name
// that another controller gave it becomes ours.
func replaced(before, after v1beta1.CanaryStatus) bool {
	return before.Phase != v1beta1.PhaseWaiting && before.LastAppliedSpec != after.LastAppliedSpec &&
		strings.HasPrefix(before.LastAppliedSpec, rollout.RevisionPrefix)
}

// outcomeOf is how the rollout of the status before ended with the status after, if it did.
//
//	Waiting → Failed, same revision          called off: back at what has failed before
//	under way → Failed, failed before        called off: put to another revision that has failed before
//	under way → Failed                       failed
//	Finalising → Succeeded                   succeeded
//	under way → Succeeded                    called off: back at what was promoted
//	under way → Initialized                  initialised: the first has nothing before it
//	under way → Terminating, Terminated      terminated
//	under way → under way, other revision    superseded
//	all else                                 it goes on, or nothing was rolled out
func outcomeOf(before, after v1beta1.CanaryStatus) outcome {
	if !before.Phase.Unfinished() {
		return ""
	}
	switch after.Phase {
	case v1beta1.PhaseInitialized:
		return initialised
	case v1beta1.PhaseFailed:
		if before.Phase == v1beta1.PhaseWaiting && before.LastAppliedSpec == after.LastAppliedSpec {
			return calledOff // back at a revision that has failed before
		}
		if before.LastAppliedSpec != after.LastAppliedSpec && rollout.FailedBefore(before, after.LastAppliedSpec) {
			return calledOff // by another one that has failed before
		}
		return failed
	case v1beta1.PhaseSucceeded:
		// One that was called off ends in Succeeded as well, but does not come through Finalising.
		if before.Phase == v1beta1.PhaseFinalising {
			return succeeded
		}
		return calledOff
	case v1beta1.PhaseTerminating, v1beta1.PhaseTerminated:
		return terminated
	default:
		if replaced(before, after) {
			return superseded
		}
		return ""
	}
}

// driftInterval is how long the same correction is not told of again: two who disagree about an object would fill the
// events with nothing else.
const driftInterval = 10 * time.Minute

// driftToldRecently notes a correction, and says whether it was told of a moment ago.
func (p *rolloutHistory) driftToldRecently(c *v1beta1.Canary, object string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.of(c.UID)
	if last, ok := s.drifted[object]; ok && now.Sub(last) < driftInterval {
		return true
	}
	s.drifted[object] = now
	return false
}

// unknownSince is when a rollout began that this process has not seen begin. The condition Promoted becomes unknown
// at that moment, and stays so until the end.
func unknownSince(s v1beta1.CanaryStatus) time.Time {
	if c := meta.FindStatusCondition(s.Conditions, v1beta1.ConditionPromoted); c != nil {
		return c.LastTransitionTime.Time
	}
	return time.Time{}
}

func sinceOf(s v1beta1.CanaryStatus) time.Time {
	if s.Since == nil {
		return time.Time{}
	}
	return s.Since.Time
}

// PodTemplate is that of a workload of a kind that has one; nil where there is no such workload.
func PodTemplate(workload any) *corev1.PodTemplateSpec {
	// A nil of a type is no nil of an interface: both are asked for.
	switch w := workload.(type) {
	case *appsv1.Deployment:
		if w != nil {
			return &w.Spec.Template
		}
	case *appsv1.DaemonSet:
		if w != nil {
			return &w.Spec.Template
		}
	}
	return nil
}

// changes are the images that differ between what users meet and what is rolled out; all of them where there is
// no primary yet.
func changes(n News) []notify.Image {
	if n.Target == nil {
		return nil
	}
	old, all := map[string]string{}, []notify.Image{}
	for _, c := range containers(n.Primary) {
		old[c.Name] = c.Image
	}
	for _, c := range containers(n.Target) {
		if old[c.Name] != c.Image {
			all = append(all, notify.Image{Container: c.Name, Old: old[c.Name], New: c.Image})
		}
		delete(old, c.Name)
	}
	for _, c := range containers(n.Primary) {
		if _, gone := old[c.Name]; gone {
			all = append(all, notify.Image{Container: c.Name, Old: c.Image})
		}
	}
	return all
}

// containers are those of a pod, in the order in which they are written.
func containers(t *corev1.PodTemplateSpec) []corev1.Container {
	if t == nil {
		return nil
	}
	return append(append([]corev1.Container{}, t.Spec.InitContainers...), t.Spec.Containers...)
}
