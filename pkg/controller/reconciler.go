// Package controller runs rollouts on a cluster.
//
// One pass looks, makes so what the status calls for, and only when nothing had to be changed decides
// what comes next:
//
//	observe   cached reads → facts, intent, objects
//	moves     would this pass write or ask anything? no ─▶ nothing is requested at all
//	refresh   the target live, and the Canary unless its status is ours; the cache must know our own writes
//	converge  add, then, once routed, remove;  changed ─▶ the pass ends
//	decide    ask, answer, decide, record;  stored ─▶ announce, and the next pass begins
//
// The first two run on the cache alone, so that a Canary at rest costs no request, and every event
// about it may wake it for nothing.
package controller

import (
	"context"
	"errors"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/sluice-cd/sluice/pkg/announce"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
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
	Analyst   Analyst
	Announcer *announce.Announcer
	Routers   *Routers
	Sound     func(*v1beta1.Canary) error // refuses what could never be judged; nil: nothing
	Kinds     workload.Kinds
	Settle    time.Duration // that proxies are given to take routes, whether or not they report on them
	Now       func() time.Time
	// Tracking has ConfigMaps and Secrets of the target's pods be part of its revision.
	Tracking bool

	// Both only save work: a process that starts without them decides the same, after more requests.
	memory memory
	memo   routesMemo
}

const (
	// passes bounds one call: a rollout that still has something to do after so many starts a new one.
	// Each stored decision is followed at once, since its event would only come back with what is known here already.
	passes = 4
	// lagging is when to look again after something was written, or the cache is behind that: its event may be lost.
	lagging = time.Second
	// unserved is when to look again for an API that the cluster does not serve.
	unserved = 10 * time.Second
	// unwanted is when to try again what the API server refused: permissions change without an event.
	unwanted = time.Minute
)

// Reconcile brings one Canary, as the cache has it, as far as it goes without waiting.
func (r *Reconciler) Reconcile(ctx context.Context, c *v1beta1.Canary) (reconcile.Result, error) {
	// Others may keep it from going. To follow it would stop the target again, which is being given back.
	if gone(c) {
		return reconcile.Result{}, nil
	}
	// An older status calls for an older step: what was applied since would be taken back.
	if !r.Applier.StatusSeen(c) {
		return reconcile.Result{RequeueAfter: lagging}, nil
	}
	v, err := r.observe(ctx, c, r.Client)
	if err != nil {
		return reconcile.Result{}, err
	}
	// Asked before moves, to which a write that the cache lacks is work to do: it would read live for nothing.
	if fresh, err := r.Applier.Fresh(ctx, v.objects()...); !fresh || err != nil {
		return reconcile.Result{RequeueAfter: lagging}, err
	}
	due, err := r.moves(ctx, v)
	if err != nil || !due {
		return v.rest(), err
	}
	now, live, err := r.refresh(ctx, c)
	if err != nil || now == nil {
		return reconcile.Result{}, err
	}
	return r.advance(ctx, now, live)
}

// gone says that a Canary is deleted and holds nothing back.
func gone(c *v1beta1.Canary) bool {
	return !c.DeletionTimestamp.IsZero() && !held(c)
}

// refresh reads the Canary live, unless nobody but this process can have stored its status since. Nil: it is gone.
func (r *Reconciler) refresh(ctx context.Context, c *v1beta1.Canary) (*v1beta1.Canary, client.Reader, error) {
	if r.Applier.StatusStoredLast(c) {
		return c, &once{Reader: r.Live}, nil
	}
	now := &v1beta1.Canary{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(c), now); err != nil {
		return nil, nil, client.IgnoreNotFound(err)
	}
	// One that was deleted and made again is another Canary, with an event of its own to come.
	if now.UID != c.UID || gone(now) {
		return nil, nil, nil
	}
	return now, &once{Reader: r.Live}, nil
}

// advance makes passes until one of them leaves nothing to do right now.
func (r *Reconciler) advance(ctx context.Context, c *v1beta1.Canary, live client.Reader) (reconcile.Result, error) {
	// The target is read once for all of them, unless a slow hook comes between: see once.
	for range passes {
		v, err := r.observe(ctx, c, live)
		if err != nil {
			return reconcile.Result{}, err
		}
		// Also after a pass of this call: the decision of the next one is about what the last one wrote.
		fresh, err := r.Applier.Fresh(ctx, v.objects()...)
		if err != nil || !fresh {
			return reconcile.Result{RequeueAfter: lagging}, err
		}
		next, err := r.pass(ctx, v)
		// No error, which would be logged and answered with a back-off: somebody else was faster, and nothing is wrong.
		if errors.Is(err, kube.ErrStale) {
			r.Applier.ForgetStatus(c)
			return reconcile.Result{RequeueAfter: time.Millisecond}, nil // decided on what is no longer so
		}
		if err != nil || next == nil {
			return v.rest(), err
		}
		c = next
	}
	// Behind those that wait already, and without the back-off of an error.
	return reconcile.Result{RequeueAfter: time.Millisecond}, nil
}

// pass changes the cluster or decides, never both. It returns the Canary as stored when there is more
// to do at once.
func (r *Reconciler) pass(ctx context.Context, v *view) (*v1beta1.Canary, error) {
	// Also where what was to be changed turned out to be another by now: that has had its event.
	v.after = lagging
	// Before anything is taken, so that a Canary cannot be deleted between the first write and its finalizer.
	if changed, err := r.hold(ctx, v); changed || err != nil {
		return nil, err
	}
	if changed, err := r.converge(ctx, v); changed || err != nil {
		return nil, err
	}
	// After converge, since only a write that was refused tells that the namespace goes.
	if v.vain() {
		return nil, r.Applier.SetFinalizer(ctx, v.canary, false)
	}
	return r.decide(ctx, v)
}

// moves says, from the cache alone, whether a pass would write or ask anything.
func (r *Reconciler) moves(ctx context.Context, v *view) (bool, error) {
	if v.unheld() {
		return true, nil
	}
	if due, err := r.pending(ctx, v); due || err != nil {
		return due, err
	}
	if !v.ask().Empty() {
		return true, nil
	}
	// Nothing has to be asked, so that this is the very decision that a pass in earnest would come to.
	d := v.decide(nil)
	v.after = d.After
	return changed(v.canary.Status, d.Status), nil
}

// decide asks what has to be known, decides, stores that, and only then tells anybody.
func (r *Reconciler) decide(ctx context.Context, v *view) (*v1beta1.Canary, error) {
	var found rollout.Findings
	if q := v.ask(); !q.Empty() {
		asked := time.Now()
		found = r.Analyst.Answer(ctx, v.canary, q)
		r.Announcer.Telemetry.RoundTook(time.Since(asked))
		// Calls that were cut short because this process ends have failed, and would be counted against the canary.
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		// Hooks may take minutes. The next step's interval begins when it is taken, not when they were asked.
		v.snapshot.Now = r.Now()
	}
	d := v.decide(found)
	v.after = d.After
	if !changed(v.canary.Status, d.Status) {
		return nil, nil
	}
	after := v.canary.DeepCopy()
	after.Status = d.Status
	if err := r.Applier.PatchStatus(ctx, v.canary, after); err != nil {
		return nil, err
	}
	// After Record, which fails where another decision was faster: what is told has happened, and is told once.
	r.Announcer.Announce(ctx, v.news(after, d.Notices))
	return after, nil
}
