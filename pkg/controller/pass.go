package controller

import (
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/sluice-cd/sluice/pkg/announce"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/observe"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
)

// pass is one look at a Canary: what was read, and what that calls for.
type pass struct {
	*desired.Facts
	objects desired.Objects
	after   time.Duration // when to look again; zero: an event will tell
}

// questions are what a decision needs to know. A Canary that is refused asks nothing.
func (p *pass) questions() rollout.Questions {
	if p.Refused != nil {
		return rollout.Questions{}
	}
	return rollout.Ask(p.Snapshot)
}

// decide takes the decision, by what was found out.
func (p *pass) decide(found rollout.Findings) rollout.Decision {
	if p.Refused == nil {
		return rollout.Decide(p.Snapshot, found)
	}
	d := rollout.Refuse(p.Snapshot, p.Refused)
	// Neither an API that is installed nor a right that is granted makes an event: these are tried again.
	switch missing := new(router.NotServedError); {
	case errors.As(p.Refused, &missing):
		d.After = retryNotServed
	case kube.Rejected(p.Refused), observe.NotPermitted(p.Refused):
		d.After = retryRejected
	}
	return d
}

// requeue is when to look again: when the decision said so, and no later than when the routes may be trusted, if something
// only waits for that to be stopped.
func (p *pass) requeue() reconcile.Result {
	s := p.Snapshot
	if len(p.objects.Stop) == 0 || s.Routed || s.Settles.IsZero() {
		return reconcile.Result{RequeueAfter: p.after}
	}
	// No event comes when the settle delay is over: without this the target would run until something else happens.
	until := max(s.Settles.Sub(s.Now), time.Millisecond)
	if p.after > 0 {
		until = min(until, p.after)
	}
	return reconcile.Result{RequeueAfter: until}
}

// refuse makes a fact of an error that only the user can mend.
func (p *pass) refuse(changed bool, err error) (bool, error) {
	switch {
	case observe.UserError(err), kube.Rejected(err):
		p.Refused = err
		return false, nil
	case errors.Is(err, kube.ErrMissing):
		return true, nil // a target went away between two reads
	}
	return changed, err
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
