// Package controller runs rollouts on a cluster.
//
// One pass looks, makes so what the status calls for, and only when nothing had to be changed decides
// what comes next:
//
//	look      observe: cached reads → facts; desired: facts → objects
//	due       would this pass write or ask anything? no ─▶ nothing is requested at all
//	refresh   the target live, and the Canary unless its status is ours; the cache must know our own writes
//	converge  apply, then, once routed, stop;  changed ─▶ the pass ends
//	decide    by the answers that are there;  some are missing ─▶ the pool asks, the pass ends, the last answer wakes
//	          the Canary;  decided and stored ─▶ announce, and the next pass begins
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
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/sluice-cd/sluice/pkg/analysis"
	"github.com/sluice-cd/sluice/pkg/announce"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/handback"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/observe"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// Analyst answers the questions of a rollout.
type Analyst interface {
	// Round is who answers the questions of one round of a Canary.
	Round(c *v1beta1.Canary) analysis.Answer
}

// Reconciler brings Canaries forward.
type Reconciler struct {
	Client    client.Client // reads from the cache
	Live      client.Reader // reads from the API server
	Applier   *kube.Applier
	Canaries  *kube.CanaryWriter
	Runs      *kube.RunWriter
	Analyst   Analyst
	Announcer *announce.Announcer
	Routers   *observe.Routers
	Validate  func(*v1beta1.Canary) error // refuses what could never be judged; nil: nothing
	Kinds     workload.Kinds
	Settle    time.Duration // that proxies are given to take routes, whether or not they report on them
	Now       func() time.Time
	// Tracking has ConfigMaps and Secrets of the target's pods be part of its revision.
	Tracking bool
	// Hosts refuses routes for hosts of others; nil: nothing is refused.
	Hosts *observe.Hosts
	// Spread has checks that came due while no operator worked begin one after the other.
	Spread bool
	// Watched is which Canaries are followed.
	Watched Watched
	// Operator is told apart by it from others that follow Canaries by their labels; empty: it follows them whatever they have.
	Operator string
	// Leads says whether this replica works. One that does not keeps its caches filled. Nil: there is no other.
	Leads func() bool
	// Others tells of other operators; nil: nobody looks for them.
	Others *OtherOperators
	// Active is told of each look at a Canary; nil: nobody is.
	Active func()
	// RunTotal bounds the CanaryRuns of the cluster; nil: nothing does.
	RunTotal *RunTotal

	wired    sync.Once
	reader   *observe.Reader
	renderer *desired.Renderer
	handback *handback.Handback
	pool     *analysis.Pool
	standby  standby
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
	// firstTry and lastTry are when a pass that failed is made again, at first and in the end.
	firstTry, lastTry = 5 * time.Millisecond, time.Minute
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
			Hosts: r.Hosts, Operator: r.Operator,
		}
		r.renderer = &desired.Renderer{Kinds: r.Kinds}
		r.pool = analysis.NewPool(r.Analyst.Round)
		r.pool.Spread = r.Spread
		r.standby.all = make(chan struct{}, 1)
		r.pool.Took = r.Announcer.Telemetry.RoundTook
		r.handback = &handback.Handback{
			Client: r.Client, Live: r.Live, Reader: r.reader, Applier: r.Applier, Canaries: r.Canaries, Kinds: r.Kinds,
			Events: r.Announcer.Events, Forget: r.forget, Operator: r.Operator,
		}
	})
}

// Shrink drops what can be made again from what is cached of the cluster, and speeds up the looks of a rollout under way.
func (r *Reconciler) Shrink() {
	r.wire()
	r.Applier.ForgetContents()
	r.renderer.ForgetRoutes()
}

// forget drops what is remembered of a Canary that is gone.
func (r *Reconciler) forget(c *v1beta1.Canary) {
	r.Applier.Forget(c)
	r.Canaries.Forget(c)
	r.Runs.Forget(c)
	r.reader.Forget(c)
	r.renderer.Forget(c)
	r.pool.Forget(c.UID)
	r.Announcer.Telemetry.Forget(c)
}

// Reconcile brings one Canary, as the cache has it, as far as it goes without waiting.
func (r *Reconciler) Reconcile(ctx context.Context, c *v1beta1.Canary) (reconcile.Result, error) {
	r.wire()
	// Others may keep it from going. To follow it would stop the target again, which is being given back.
	if handback.Gone(c) {
		r.pool.Forget(c.UID)
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
	if fresh, err := p.cache.Fresh(ctx, p.objects.All()...); !fresh || err != nil {
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
	p := &pass{Facts: f, cache: r.Applier.Snapshot()}
	if p.objects, err = r.renderer.Objects(f); err != nil {
		if !observe.UserError(err) {
			return p, err
		}
		f.Refused = err // what was rendered so far is not applied: see converge
		return p, nil
	}
	switch {
	case f.Refused != nil:
		return p, nil
	case p.objects.Unroutable != "":
		f.Snapshot.Trouble = p.objects.Unroutable
		return p, nil
	}
	if err := r.reader.Objects(ctx, f, p.cache, p.objects.All()); err != nil {
		return p, err
	}
	if err := p.objects.Adopt(f); err != nil {
		if !observe.UserError(err) {
			return p, err
		}
		f.Refused = err
		return p, nil
	}
	return p, r.reader.Routed(ctx, f, p.cache, p.objects.Routes)
}

// refresh reads the Canary live, unless nobody but this process can have stored its status since. Nil: it is gone.
func (r *Reconciler) refresh(ctx context.Context, c *v1beta1.Canary) (*v1beta1.Canary, *observe.LiveReader, error) {
	live := r.reader.NewLiveReader()
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
	// The target is read once for all of them, unless they take long: see observe.LiveReader.
	for range passesPerCall {
		p, err := r.look(ctx, c, live)
		if err != nil {
			return reconcile.Result{}, err
		}
		// Also after a pass of this call: the decision of the next one is about what the last one wrote.
		fresh, err := p.cache.Fresh(ctx, p.objects.All()...)
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
		// A pass is about the target of the status, which another one is to take the place of where the spec says so.
		c = next.WithTarget(c.Spec.TargetRef.TargetName())
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
	done, err := r.handback.Finalize(ctx, p.Facts, p.objects)
	if done.Changed || err != nil {
		return nil, err
	}
	p.refuse(done.Refused)
	if changed, err := r.converge(ctx, p); changed || err != nil {
		return nil, err
	}
	// After converge, since only a write that was rejected tells that the namespace goes.
	if handback.InTerminatingNamespace(p.Canary, p.refused) {
		return nil, r.Canaries.SetFinalizer(ctx, p.Canary, false)
	}
	if changed, err := r.recordRun(ctx, p, true); changed || err != nil {
		return p.Canary, err // its status says so with the next pass
	}
	return r.decide(ctx, p)
}

// due says, from the cache alone, whether a pass would write or ask anything.
func (r *Reconciler) due(ctx context.Context, p *pass) (bool, error) {
	done, err := r.handback.Due(ctx, p.Facts, p.objects)
	if done.Changed || err != nil {
		return true, err
	}
	p.refuse(done.Refused)
	if due, err := r.convergeDue(ctx, p); due || err != nil {
		return due, err
	}
	if due, err := r.recordRun(ctx, p, false); due || err != nil {
		return due, err
	}
	found := r.pool.Findings(p.Canary.UID)
	d := p.decide(found)
	p.after = d.After
	if !d.Questions.Empty() {
		// What is under way wakes the Canary by itself.
		return !r.pool.UnderWay(p.Canary.UID, d.Questions), nil
	}
	// Where there are findings still, nobody asks for them any more: that is for a pass in earnest to say.
	return statusChanged(p.Canary.Status, d.Status) || found.Round != "", nil
}

// convergeDue says whether converge would write.
// It asks what converge does, in its order: of what only one of them sees, a Canary would be woken for nothing, or
// never make it so.
func (r *Reconciler) convergeDue(ctx context.Context, p *pass) (bool, error) {
	if p.Refused != nil {
		return handback.Unroutable(p.Facts) && p.Target != nil && workload.SizeOf(p.Target) == 0, nil
	}
	return r.follow(p, func(chains ...kube.Chain) (kube.Outcome, error) {
		return p.cache.PendingChains(ctx, p.Canary, chains...)
	}, func() (kube.Outcome, error) { return r.handback.PruneDue(ctx, p.Facts) })
}

// converge makes first, and breaks only once the traffic has moved. What is refused becomes a fact.
func (r *Reconciler) converge(ctx context.Context, p *pass) (bool, error) {
	switch {
	case p.Refused != nil && handback.Unroutable(p.Facts) && p.Target != nil:
		// It has to answer before the finalizer goes, since no routes can be rendered to lead users anywhere.
		changed, err := r.handback.StartTarget(ctx, p.Facts)
		if no := new(kube.RefusedError); errors.As(err, &no) {
			p.refuse([]*kube.RefusedError{no})
			err = nil
		}
		return changed, err
	case p.Refused != nil:
		return false, nil
	}
	return r.follow(p, func(chains ...kube.Chain) (kube.Outcome, error) {
		return r.Applier.ApplyChains(ctx, p.Canary, chains...)
	}, func() (kube.Outcome, error) { return r.handback.Prune(ctx, p.Facts) })
}

// follow makes what must be there, and then, once the routes are in effect, what must not run, and prunes what is no longer
// called for. A change ends it: what was read before would not hold for the rest. Routed was read before this, but for what is
// refused now.
func (r *Reconciler) follow(p *pass, visit func(...kube.Chain) (kube.Outcome, error), prune func() (kube.Outcome, error)) (changed bool, err error) {
	if handback.Held(p.Facts, p.refused) {
		return false, nil
	}
	made, err := visit(p.objects.Apply...)
	if made.Changed || err != nil {
		return made.Changed, err
	}
	p.refuse(made.Refused)
	if !p.Snapshot.Routed {
		return false, nil
	}
	stopped, err := visit(p.objects.Stop)
	p.refuse(stopped.Refused)
	if stopped.Changed || err != nil || len(p.refused) > 0 {
		return stopped.Changed, err
	}
	pruned, err := prune()
	p.refuse(pruned.Refused)
	return pruned.Changed, err
}

// decide decides, stores that, and only then tells anybody. What has to be known first is asked beside the passes.
func (r *Reconciler) decide(ctx context.Context, p *pass) (*v1beta1.Canary, error) {
	found := r.pool.Findings(p.Canary.UID)
	d := p.decide(found)
	p.after = d.After
	if !d.Questions.Empty() {
		r.pool.Ask(p.Canary, d.Questions)
		return nil, nil
	}
	if !statusChanged(p.Canary.Status, d.Status) {
		r.pool.Forget(p.Canary.UID)
		return nil, nil
	}
	after := p.Canary.DeepCopy()
	after.Status = d.Status
	// The answers stay where this fails, so that nobody is asked twice.
	if err := r.store(ctx, p.Canary, after); err != nil {
		return nil, err
	}
	// What is only noted while answers are missing leaves them to be waited for.
	if !p.asks(after.Status, found.Round) {
		r.pool.Forget(p.Canary.UID)
	}
	// After PatchStatus, which fails where another decision was faster: what is told has happened, and is told once.
	r.Announcer.Announce(ctx, p.news(after, d.Notices))
	return after, nil
}

// store stores the status of a decision. Where the server drops a field, what is left of the decision is stored, and the next
// pass says so and sends that field no more.
func (r *Reconciler) store(ctx context.Context, before, after *v1beta1.Canary) error {
	err := r.Canaries.PatchStatus(ctx, before, after)
	if dropped := new(kube.DroppedError); errors.As(err, &dropped) && r.reader.Schema != nil {
		log.FromContext(ctx).Error(err, "the definition of Canaries is older than the operator")
		r.reader.Schema.Dropped(dropped.Fields)
		return nil
	}
	return err
}
