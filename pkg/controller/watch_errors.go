package controller

import (
	"context"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// watchErrors tells of watches that end in an error. A kind whose custom resource definition was removed is told once in a while:
// its watch is begun again every half minute, for the definition may come back.
type watchErrors struct {
	mu   sync.Mutex
	told map[string]time.Time // by kind, of those that the cluster does not serve
}

// removedAgain is how long it is not told again that a kind is not served.
const removedAgain = 6 * time.Hour

func (w *watchErrors) handle(ctx context.Context, r *toolscache.Reflector, err error) {
	if !apierrors.IsNotFound(err) {
		toolscache.DefaultWatchErrorHandler(ctx, r, err)
		return
	}
	if kind := r.TypeDescription(); w.news(kind, time.Now()) {
		log.FromContext(ctx).Info("kind is not served any more, its objects are watched again once it is", "kind", kind)
	}
}

// news says that it was not told a moment ago that a kind is not served.
func (w *watchErrors) news(kind string, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if last, told := w.told[kind]; told && now.Sub(last) < removedAgain {
		return false
	}
	if w.told == nil {
		w.told = map[string]time.Time{}
	}
	w.told[kind] = now
	return true
}
