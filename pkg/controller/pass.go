package controller

import (
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/sluice-cd/sluice/pkg/announce"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/observe"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
)

// safetyLook is when a rollout that waits for an event is looked at all the same. It is read from the cache, and costs no
// request where nothing is to be done.
const safetyLook = 3 * time.Minute

// pass is one look at a Canary: what was read, and what that calls for.
type pass struct {
	*desired.Facts
	objects desired.Objects
	cache   *kube.Snapshot // what there was of them at this look
	after   time.Duration  // when to look again; zero: an event will tell
	refused []*kube.RefusedError
	// runRefused is why the CanaryRun that the status calls for is not made.
	runRefused *kube.RefusedError
}

// decide takes the decision, by what was found out.
func (p *pass) decide(found rollout.Findings) rollout.Decision {
	if p.Refused == nil {
		return rollout.Decide(p.Snapshot, found)
	}
	// What may not be read says nothing about the spec.
	if missing := new(observe.NotPermittedError); apierrors.IsForbidden(p.Refused) && !errors.As(p.Refused, &missing) {
		d := rollout.Fail(p.Snapshot, p.Refused.Error())
		d.After = retryRejected
		return d
	}
	d := rollout.Refuse(p.Snapshot, p.Refused)
	// Neither an API that is installed nor a right that is granted makes an event: these are tried again.
	switch missing := new(router.NotServedError); {
	case errors.As(p.Refused, &missing):
		d.After = retryNotServed
	case observe.NotPermitted(p.Refused):
		d.After = retryRejected
	}
	return d
}

// asks says whether a round goes on under another status.
func (p *pass) asks(s v1beta1.CanaryStatus, round string) bool {
	next := p.Snapshot
	next.Status = s
	return p.Refused == nil && rollout.Decide(next, rollout.Findings{}).Questions.Round == round
}

// requeue is when to look again: when the decision said so, and no later than when the routes may be trusted, if something
// only waits for that to be stopped, and when what was refused is tried again.
func (p *pass) requeue() reconcile.Result {
	s := p.Snapshot
	until := func(at time.Time) time.Duration {
		if at.IsZero() {
			return 0
		}
		return max(at.Sub(s.Now), time.Millisecond)
	}
	p.after = rollout.Sooner(p.after, p.SchemaAfter)
	// No event comes when the settle delay is over: without this the target would run until something else happens.
	if (len(p.objects.Stop) > 0 || len(p.Prune) > 0 || p.Replaced != nil && p.Replaced.Delete) && !s.Routed {
		p.after = rollout.Sooner(p.after, until(s.Settles))
	}
	for _, r := range p.refused {
		p.after = rollout.Sooner(p.after, until(r.Again))
	}
	if p.runRefused != nil {
		p.after = rollout.Sooner(p.after, until(p.runRefused.Again))
	}
	for _, r := range s.Refused {
		// What may not be read is looked at again by the next pass.
		if r.Verb == "get" || r.Verb == "list" {
			p.after = rollout.Sooner(p.after, retryRejected)
		}
	}
	// An event that is lost must not leave a rollout standing. A settled one waits for nothing but a new revision.
	if !p.Canary.Status.Phase.Settled() {
		p.after = rollout.Sooner(p.after, safetyLook)
	}
	return reconcile.Result{RequeueAfter: p.after}
}

// refuse makes facts of what was refused.
func (p *pass) refuse(refused []*kube.RefusedError) {
	p.refused = append(p.refused, refused...)
	for _, r := range refused {
		p.Snapshot.Refuse(rollout.Refusal{Object: r.Object, Verb: r.Verb, Text: r.Text, MovesTraffic: r.MovesTraffic})
	}
}

// news is what a decision made of what was seen. Of the workloads that is their templates: messages tell of images.
func (p *pass) news(after *v1beta1.Canary, notices []rollout.Notice) announce.News {
	return announce.News{
		Before: p.Canary.Status, Canary: after, Plan: p.Snapshot.Plan, Notices: notices,
		Revision: p.Snapshot.Revision, Target: announce.PodTemplate(p.Target), Primary: announce.PodTemplate(p.Primary),
	}
}

// statusChanged says whether a decision has to be stored.
func statusChanged(before, after v1beta1.CanaryStatus) bool {
	return !equality.Semantic.DeepEqual(before, after)
}
