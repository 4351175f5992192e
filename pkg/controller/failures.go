package controller

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sluice-cd/sluice/pkg/announce"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/handback"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

const (
	// failingFor is how long passes over a Canary fail until that is told. What passes by itself passes within that.
	failingFor = 10 * time.Second
	// retell is how soon another error may take the place of the one that was told.
	retell = time.Minute
)

// failures are the Canaries whose passes fail, since when, and what was told of that. There is one for each of them; to
// lose it costs the time until it is told again, in the same words.
type failures struct {
	mu  sync.Mutex
	all map[types.NamespacedName]failure
}

type failure struct {
	since, told time.Time
	text        string
}

// due notes how a pass ended, and says whether its error is to be told now.
func (f *failures) due(key types.NamespacedName, err error, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		delete(f.all, key)
		return false
	}
	if f.all == nil {
		f.all = map[types.NamespacedName]failure{}
	}
	was, known := f.all[key]
	if !known {
		was.since = now
	}
	// The server's no stays, whoever asks again. Everything else may be over in a moment.
	due := kube.Rejected(err) || now.Sub(was.since) >= failingFor
	if due = due && was.text != err.Error() && (was.text == "" || now.Sub(was.told) >= retell); due {
		was.text, was.told = err.Error(), now
	}
	f.all[key] = was
	return due
}

// tellFailure has the error of a pass end in a condition of its Canary, if it does not pass by itself.
func (r *requests) tellFailure(ctx context.Context, key types.NamespacedName, err error) {
	// Somebody else was faster, or this process ends: nothing is wrong.
	if errors.Is(err, kube.ErrStale) || ctx.Err() != nil || !r.failures.due(key, err, r.Now()) {
		return
	}
	before := &v1beta1.Canary{}
	if got := r.Client.Get(ctx, key, before); got != nil || handback.Gone(before) {
		return // it was about one that is gone
	}
	d := rollout.Fail(rollout.Snapshot{Now: r.Now(), Generation: before.Generation, Status: before.Status}, err.Error())
	if !statusChanged(before.Status, d.Status) {
		return
	}
	after := before.DeepCopy()
	after.Status = d.Status
	if err := r.store(ctx, before, after); err != nil {
		log.FromContext(ctx).V(1).Info("failure not told", "reason", err.Error()) // the queue logs the failure itself
		return
	}
	r.Announcer.Announce(ctx, announce.News{Before: before.Status, Canary: after, Notices: d.Notices})
}
