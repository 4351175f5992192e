package main

import (
	"context"
	"errors"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/sluice-cd/sluice/pkg/controller"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/leader"
)

func newTerm() *leader.Term {
	return &leader.Term{RenewDeadline: leader.Defaults().RenewDeadline, Now: time.Now}
}

// connection is how all but the election reach the API server: what a replica without a term writes is not sent.
func connection(config *rest.Config, o *options, term *leader.Term, back func()) *rest.Config {
	config = kube.AwaitServer(config, back)
	if o.leaderElection {
		config = kube.Fence(config, term.Holds)
	}
	return config
}

// newElector opens and shuts a reconciler.
func newElector(config *rest.Config, mgr manager.Manager, o *options, term *leader.Term, r *controller.Reconciler) (*leader.Elector, error) {
	lock, err := leader.Lock(config, mgr, o.leader(), o.lease(), leader.Defaults())
	if err != nil {
		return nil, err
	}
	return &leader.Elector{
		Name: o.lease(), Lock: lock, Times: leader.Defaults(), Term: term, Won: r.Lead, Lost: r.Retire, Log: mgr.GetLogger().WithName("leader"),
	}, nil
}

// startElected runs both until ctx is done, the manager first: the lease is given back when nobody works any more, and the
// next replica takes over at once.
func startElected(ctx context.Context, mgr manager.Manager, elector *leader.Elector) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	electing, resign := context.WithCancel(context.WithoutCancel(ctx))
	defer resign()
	ended := make(chan error, 1)
	go func() {
		defer stop()
		// One whose caches are empty would keep others from working.
		if !mgr.GetCache().WaitForCacheSync(electing) {
			ended <- nil
			return
		}
		ended <- elector.Run(electing)
	}()
	err := mgr.Start(ctx)
	resign()
	return errors.Join(err, <-ended)
}
