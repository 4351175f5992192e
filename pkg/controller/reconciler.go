// Package controller runs rollouts on a cluster.
//
// One pass looks, makes so what the status calls for, and only when nothing had to be changed decides
// what comes next:
//
//	look      observe: cached reads → facts; desired: facts → objects
//	due       would this pass write or ask anything? no ─▶ nothing is requested at all
//	refresh   the target live, and the Canary unless its status is ours; the cache must know our own writes
//	converge  apply, then, once routed, stop;  changed ─▶ the pass ends
//	decide    ask, answer, decide, record;  stored ─▶ announce, and the next pass begins
//
// The first two run on the cache alone, so that a Canary at rest costs no request, and every event
// about it may wake it for nothing.
package controller

import (
	"context"
	"errors"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/sluice-cd/sluice/pkg/announce"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/handback"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/observe"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// Analyst answers the questions of a rollout.
type Analyst interface {
	Answer(ctx context.Context, c *v1beta1.Canary, q rollout.Questions) rollout.Findings
}

// Reconciler brings Canaries forward.
type Reconciler struct {
	Client    client.Client // reads from the cache
	Live      client.Reader // reads from the API server
	Applier   *kube.Applier
	Canaries  *kube.CanaryWriter
	Analyst   Analyst
	Announcer *announce.Announcer
	Routers   *observe.Routers
	Validate  func(*v1beta1.Canary) error // refuses what could never be judged; nil: nothing
	Kinds     workload.Kinds
	Settle    time.Duration // that proxies are given to take routes, whether or not they report on them
	Now       func() time.Time
	// Tracking has ConfigMaps and Secrets of the target's pods be part of its revision.
	Tracking bool
	// Namespace is the only one that is watched; empty: all are.
	Namespace string

	wired    sync.Once
	reader   *observe.Reader
	renderer *desired.Renderer
	handback *handback.Handback
}

const (
	// passesPerCall bounds one call: a rollout that still has something to do after so many starts a new one.
	// Each stored decision is followed at once, since its event would only come back with what is known here already.
	passesPerCall = 4
	// retryStale is when to look again after something was written, or the cache is behind that: its event may be lost.
	retryStale = time.Second
	// retryNotServed is when to look again for an API that the cluster does not serve.
	retryNotServed = 10 * time.Second
	// retryRejected is when to try again what the API server rejected: permissions change without an event.
	retryRejected = time.Minute
	// lookDeadline bounds what one look at a Canary may take: a read that never ends holds a worker.
	lookDeadline = 30 * time.Second
	// listDeadline bounds the look whether a kind may be listed, for which others wait.
	listDeadline = 2 * time.Second
)

// wire makes the parts that share what the Reconciler was given.
func (r *Reconciler) wire() {
	r.wired.Do(func() {
		r.reader = &observe.Reader{
			Client: r.Client, Live: r.Live, Applier: r.Applier, Routers: r.Routers, Kinds: r.Kinds, Settle: r.Settle, Now: r.Now,
			Validate: r.Validate, AlertRemarks: r.Announcer.AlertRemarks, Tracking: r.Tracking,
		}
		r.renderer = &desired.Renderer{Kinds: r.Kinds}
		r.handback = &handback.Handback{
			Client: r.Client, Live: r.Live, Reader: r.reader, Applier: r.Applier, Canaries: r.Canaries, Kinds: r.Kinds,
			Events: r.Announcer.Events, Forget: r.forget,
		}
	})
}

// forget drops what is remembered of a Canary that is gone.
func (r *Reconciler) forget(c *v1beta1.Canary) {
	r.Applier.Forget(c)
	r.Canaries.Forget(c)
	r.reader.Forget(c)
	r.renderer.Forget(c)
	r.Announcer.Telemetry.Forget(c)
}

// Reconcile brings one Canary, as the cache has it, as far as it goes without waiting.
func (r *Reconciler) Reconcile(ctx context.Context, c *v1beta1.Canary) (reconcile.Result, error) {
	r.wire()
	// Others may keep it from going. To follow it would stop the target again, which is being given back.
	if handback.Gone(c) {
		return reconcile.Result{}, nil
	}
	// An older status calls for an older step: what was applied since would be taken back.
	if !r.Canaries.StatusSeen(c) {
		return reconcile.Result{RequeueAfter: retryStale}, nil
	}
	p, err := r.look(ctx, c, nil)
	if err != nil {
		return reconcile.Result{}, err
	}
	// Asked before due, to which a write that the cache lacks is work to do: it would read live for nothing.
	if fresh, err := r.Applier.Fresh(ctx, p.objects.All()...); !fresh || err != nil {
		return reconcile.Result{RequeueAfter: retryStale}, err
	}
	due, err := r.due(ctx, p)
	if err != nil || !due {
		return p.requeue(), err
	}
	now, live, err := r.refresh(ctx, c)
	if err != nil || now == nil {
		return reconcile.Result{}, err
	}
	return r.advance(ctx, now, live)
}

// look reads the facts of one pass and renders what they call for. Live is nil for a look at the cache.
func (r *Reconciler) look(ctx context.Context, c *v1beta1.Canary, live *observe.LiveReader) (*pass, error) {
	ctx, stop := context.WithTimeout(ctx, lookDeadline)
	defer stop()
	read := func() (*desired.Facts, error) { return r.reader.Cached(ctx, c) }
	if live != nil {
		read = func() (*desired.Facts, error) { return r.reader.Deciding(ctx, c, live) }
	}
	f, err := read()
	if err != nil {
		return nil, err
	}
	p := &pass{Facts: f}
	if p.objects, err = r.renderer.Objects(f); err != nil {
		// What was rendered so far is not applied: see converge.
		_, err = p.refuse(false, err)
		return p, err
	}
	switch {
	case f.Refused != nil:
		return p, nil
	case p.objects.Unroutable != "":
		f.Snapshot.Trouble = p.objects.Unroutable
		return p, nil
	}
	return p, r.reader.Routed(ctx, f, p.objects.Routes)
}

// refresh reads the Canary live, unless nobody but this process can have stored its status since. Nil: it is gone.
func (r *Reconciler) refresh(ctx context.Context, c *v1beta1.Canary) (*v1beta1.Canary, *observe.LiveReader, error) {
	live := &observe.LiveReader{Reader: r.Live}
	if r.Canaries.StatusStoredLast(c) {
		return c, live, nil
	}
	now := &v1beta1.Canary{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(c), now); err != nil {
		return nil, nil, client.IgnoreNotFound(err)
	}
	// One that was deleted and made again is another Canary, with an event of its own to come.
	if now.UID != c.UID || handback.Gone(now) {
		return nil, nil, nil
	}
	return now, live, nil
}

// advance makes passes until one of them leaves nothing to do right now.
func (r *Reconciler) advance(ctx context.Context, c *v1beta1.Canary, live *observe.LiveReader) (reconcile.Result, error) {
	// The target is read once for all of them, unless a slow hook comes between: see observe.LiveReader.
	for range passesPerCall {
		p, err := r.look(ctx, c, live)
		if err != nil {
			return reconcile.Result{}, err
		}
		// Also after a pass of this call: the decision of the next one is about what the last one wrote.
		fresh, err := r.Applier.Fresh(ctx, p.objects.All()...)
		if err != nil || !fresh {
			return reconcile.Result{RequeueAfter: retryStale}, err
		}
		next, err := r.take(ctx, p)
		// No error, which would be logged and answered with a back-off: somebody else was faster, and nothing is wrong.
		if errors.Is(err, kube.ErrStale) {
			r.Canaries.ForgetStatus(c)
			return reconcile.Result{RequeueAfter: time.Millisecond}, nil // decided on what is no longer so
		}
		if err != nil || next == nil {
			return p.requeue(), err
		}
		c = next
	}
	// Behind those that wait already, and without the back-off of an error.
	return reconcile.Result{RequeueAfter: time.Millisecond}, nil
}

// take changes the cluster or decides, never both. It returns the Canary as stored when there is more
// to do at once.
func (r *Reconciler) take(ctx context.Context, p *pass) (*v1beta1.Canary, error) {
	// Also where what was to be changed turned out to be another by now: that has had its event.
	p.after = retryStale
	// Before anything is taken, so that a Canary cannot be deleted between the first write and its finalizer.
	if changed, err := r.handback.Finalize(ctx, p.Facts, p.objects); changed || err != nil {
		return nil, err
	}
	if changed, err := r.converge(ctx, p); changed || err != nil {
		return nil, err
	}
	// After converge, since only a write that was rejected tells that the namespace goes.
	if handback.InTerminatingNamespace(p.Facts) {
		return nil, r.Canaries.SetFinalizer(ctx, p.Canary, false)
	}
	return r.decide(ctx, p)
}

// due says, from the cache alone, whether a pass would write or ask anything.
func (r *Reconciler) due(ctx context.Context, p *pass) (bool, error) {
	if handback.Due(p.Facts, p.objects) {
		return true, nil
	}
	if due, err := r.convergeDue(ctx, p); due || err != nil {
		return due, err
	}
	if !p.questions().Empty() {
		return true, nil
	}
	// Nothing has to be asked, so that this is the very decision that a pass in earnest would come to.
	d := p.decide(nil)
	p.after = d.After
	return statusChanged(p.Canary.Status, d.Status), nil
}

// convergeDue says whether converge would write.
// It asks what converge does, in its order: of what only one of them sees, a Canary would be woken for nothing, or
// never make it so.
func (r *Reconciler) convergeDue(ctx context.Context, p *pass) (bool, error) {
	if p.Refused != nil {
		return handback.Unroutable(p.Facts) && p.Target != nil && workload.SizeOf(p.Target) == 0, nil
	}
	due, err := r.Applier.Pending(ctx, p.Canary, p.objects.Apply...)
	if due || err != nil || !p.Snapshot.Routed {
		return p.refuse(due, err)
	}
	return p.refuse(r.Applier.Pending(ctx, p.Canary, p.objects.Stop...))
}

// converge makes first, and breaks only once the traffic has moved.
func (r *Reconciler) converge(ctx context.Context, p *pass) (bool, error) {
	switch {
	case p.Refused != nil && handback.Unroutable(p.Facts) && p.Target != nil:
		// It has to answer before the finalizer goes, since no routes can be rendered to lead users anywhere.
		return r.handback.StartTarget(ctx, p.Facts)
	case p.Refused != nil:
		return false, nil
	}
	// Routed was read before this. A change of Apply ends the pass, so that what was read still holds for Stop.
	changed, err := r.Applier.Apply(ctx, p.Canary, p.objects.Apply...)
	if changed || err != nil || !p.Snapshot.Routed {
		return p.refuse(changed, err)
	}
	return p.refuse(r.Applier.Apply(ctx, p.Canary, p.objects.Stop...))
}

// decide asks what has to be known, decides, stores that, and only then tells anybody.
func (r *Reconciler) decide(ctx context.Context, p *pass) (*v1beta1.Canary, error) {
	var found rollout.Findings
	if q := p.questions(); !q.Empty() {
		asked := time.Now()
		found = r.Analyst.Answer(ctx, p.Canary, q)
		r.Announcer.Telemetry.RoundTook(time.Since(asked))
		// Calls that were cut short because this process ends have failed, and would be counted against the canary.
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		// Hooks may take minutes. The next step's interval begins when it is taken, not when they were asked.
		p.Snapshot.Now = r.Now()
	}
	d := p.decide(found)
	p.after = d.After
	if !statusChanged(p.Canary.Status, d.Status) {
		return nil, nil
	}
	after := p.Canary.DeepCopy()
	after.Status = d.Status
	if err := r.Canaries.PatchStatus(ctx, p.Canary, after); err != nil {
		return nil, err
	}
	// After PatchStatus, which fails where another decision was faster: what is told has happened, and is told once.
	r.Announcer.Announce(ctx, p.news(after, d.Notices))
	return after, nil
}
