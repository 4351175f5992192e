package leader

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
	ctrlelection "sigs.k8s.io/controller-runtime/pkg/leaderelection"
	"sigs.k8s.io/controller-runtime/pkg/recorder"
)

// Times are those of a lease.
type Times struct {
	Duration      time.Duration // after which others take a lease that is not renewed
	RenewDeadline time.Duration // for which its holder works without renewing it
	RetryPeriod   time.Duration // between two attempts; those of a replica that waits are up to 2.2 times as far apart
}

// Defaults have a killed operator replaced within 15s, and one that was without an API server go on within 5 s: see
// docs/decisions/0005-shared-lease-name.md.
func Defaults() Times {
	return Times{Duration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: time.Second}
}

// Lock is a lease as the elector takes it. Its requests end soon enough for another attempt within the deadline.
func Lock(cfg *rest.Config, events recorder.Provider, namespace, name string, t Times) (resourcelock.Interface, error) {
	lock, err := ctrlelection.NewResourceLock(cfg, events, ctrlelection.Options{
		LeaderElection: true, LeaderElectionID: name, LeaderElectionNamespace: namespace,
		RenewDeadline: t.RenewDeadline / 2, // a request may take half of what is given here
	})
	if err != nil {
		return nil, fmt.Errorf("set up the lease %q: %w", name, err)
	}
	return lock, nil
}

// Elector takes part in the election for as long as it runs, however often it wins and loses.
type Elector struct {
	Name  string // of the lease, as metrics have it
	Lock  resourcelock.Interface
	Times Times
	Term  *Term
	Won   func() // is told that a term has begun; must not block
	Lost  func() // is told that one is over; must not block
	Log   logr.Logger
}

// Run returns when ctx is done. What still works by then must have ended before: the lease is given back.
func (e *Elector) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		// Anew each time, since it remembers what it has observed of the lease.
		one, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: e.lock(), Name: e.Name, ReleaseOnCancel: true,
			LeaseDuration: e.Times.Duration, RenewDeadline: e.Times.RenewDeadline, RetryPeriod: e.Times.RetryPeriod,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(context.Context) {}, // the Term says so, and knows it first
				OnStoppedLeading: e.end,
			},
		})
		if err != nil {
			return fmt.Errorf("set up the election: %w", err)
		}
		one.Run(klog.NewContext(ctx, e.Log))
	}
	return nil
}

func (e *Elector) end() {
	if e.Term.end() {
		e.Log.Info("the lease was lost or given back, nothing is written any more", "lease", e.Lock.Describe())
		e.Lost()
	}
}

func (e *Elector) lock() resourcelock.Interface { return &observed{Interface: e.Lock, elector: e} }

// observed keeps the Term by what is written to a lease.
type observed struct {
	resourcelock.Interface
	elector *Elector
}

// Create implements resourcelock.Interface.
func (o *observed) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return o.write(r, func() error { return o.Interface.Create(ctx, r) })
}

// Update implements resourcelock.Interface. Where it gives the lease back, the term is over before anybody can know.
func (o *observed) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return o.write(r, func() error { return o.Interface.Update(ctx, r) })
}

func (o *observed) write(r resourcelock.LeaderElectionRecord, write func() error) error {
	e := o.elector
	ours := r.HolderIdentity == o.Identity()
	if !ours {
		e.end()
	}
	began := e.Term.Now() // before the server can have it
	if err := write(); err != nil || !ours {
		return err
	}
	if e.Term.renew(began) {
		e.Log.Info("the lease is held", "lease", e.Lock.Describe())
		e.Won()
	}
	return nil
}
