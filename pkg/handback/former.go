package handback

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// A Canary whose spec names another target gives the one before back, once users are with the primary of the new one. It stays
// stopped where a Service of the Canary selects its pods too: they would get requests that are meant for others.

// ReleaseFormer gives back what was the target of a Canary before. It is done when nothing is left that can be.
func (h *Handback) ReleaseFormer(ctx context.Context, key types.NamespacedName) (done bool, err error) {
	c := &v1beta1.Canary{}
	if err := h.Client.Get(ctx, key, c, client.UnsafeDisableDeepCopy); err != nil || Gone(c) {
		return true, client.IgnoreNotFound(err)
	}
	stopped, err := h.stopped(ctx, key)
	if err != nil {
		return false, err
	}
	done = true
	for _, o := range stopped {
		if desired.RestoreInfo(o).UID != c.UID {
			continue
		}
		orphan, err := h.owed(ctx, o, func() (bool, error) { return h.keeps(ctx, c, o) })
		if err != nil {
			return false, err
		}
		if orphan == nil {
			continue
		}
		given, err := h.Release(ctx, orphan)
		if err != nil && !errors.Is(err, kube.ErrStale) {
			return false, err
		}
		done = done && given
	}
	return done, nil
}

// keeps says that a workload which was stopped for a Canary stays so: it is the target, or its pods would get the Canary's requests.
func (h *Handback) keeps(ctx context.Context, c *v1beta1.Canary, o workload.Object) (bool, error) {
	if is, err := h.targets(ctx, c, o); is || err != nil {
		return is, err
	}
	for _, name := range []string{c.ApexName(), c.PrimaryName(), c.CanaryName()} {
		s := &corev1.Service{}
		err := h.Client.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: name}, s, client.UnsafeDisableDeepCopy)
		if client.IgnoreNotFound(err) != nil {
			return false, fmt.Errorf("read service %q: %w", name, err)
		}
		if err == nil && workload.Selects(s, o) {
			return true, nil
		}
	}
	return false, nil
}
