package controller

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// TestManyAtTheStart has an operator start on many Canaries at once, 2 000 with SOAK=1: all get there, and the next one that
// starts finds nothing to write.
func TestManyAtTheStart(t *testing.T) {
	t.Parallel()
	n, limit, pause := 40, 5*patience, time.Second
	if soak() {
		n, limit, pause = 2000, time.Hour, 5*time.Second // each look reads all of them
	}
	w := newWorld(t)
	for i := range n {
		name := fmt.Sprintf("app-%04d", i)
		d, c := w.deployment(), w.canary()
		d.Name, c.Name, c.Spec.TargetRef.Name = name, name, name
		d.Spec.Replicas = new(int32(1))
		d.Spec.Selector.MatchLabels = map[string]string{"app": name}
		d.Spec.Template.Labels = d.Spec.Selector.MatchLabels
		require.NoError(t, w.Create(t.Context(), d))
		require.NoError(t, w.Create(t.Context(), c))
	}
	began := time.Now()
	o := w.start()
	all := func(is func(*v1beta1.Canary) bool) func() bool {
		return func() bool {
			list := &v1beta1.CanaryList{}
			require.NoError(t, w.List(t.Context(), list, client.InNamespace(w.ns)))
			for i := range list.Items {
				if !is(&list.Items[i]) {
					return false
				}
			}
			return len(list.Items) == n
		}
	}
	initialized := func(c *v1beta1.Canary) bool { return c.Status.Phase == v1beta1.PhaseInitialized }
	require.Eventually(t, all(initialized), limit, pause)
	t.Logf("%d Canaries were initialized after %.0f s, by %d writes", n, time.Since(began).Seconds(), o.Writes())
	stopped := func() bool {
		list := &appsv1.DeploymentList{}
		require.NoError(t, w.List(t.Context(), list, client.InNamespace(w.ns)))
		running := 0
		for i := range list.Items {
			running += int(list.Items[i].Status.Replicas)
		}
		return running == n+2 // the primaries, and what no Canary is about
	}
	require.Eventually(t, stopped, limit, pause)
	o.stop()

	began = time.Now()
	o = w.start()
	require.Eventually(t, func() bool { return o.passes() >= uint64(n) }, limit, lookout)
	t.Logf("and looked at after another start within %.0f s", time.Since(began).Seconds())
	require.Zero(t, o.Writes(), "they are at rest")
}
