package controller

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/observe"
)

// rig is a reconciler without a queue: a benchmark looks at the Canary itself, and moves the clock.
type rig struct {
	*testing.B
	r     *Reconciler
	made  *kubetest.Crasher
	key   client.ObjectKey
	ahead time.Duration // of real time
}

// newRig has a Canary that is initialised; change makes it another than the tests' own.
func newRig(b *testing.B, change func(*v1beta1.Canary)) *rig {
	g := &rig{B: b, made: &kubetest.Crasher{}, key: client.ObjectKey{Namespace: kubetest.Namespace(b), Name: "podinfo"}}
	kubetest.Deployments(b, g.key.Namespace)
	mgr := manage(b, g.made.Wrap(kubetest.Config(b)), g.key.Namespace, "")
	require.NoError(b, observe.IndexNames(mgr.GetFieldIndexer()))
	g.r = assemble(b, mgr, clock{}, &judge{}, prometheus.NewRegistry())
	g.r.Now = func() time.Time { return time.Now().Add(g.ahead) }
	g.r.Applier.Now, g.r.Canaries.Now, g.r.Routers.Now = g.r.Now, g.r.Now, g.r.Now
	g.r.Routers.Watch = func(ctx context.Context, kind schema.GroupVersionKind) error {
		obj, err := kube.NewWatched(mgr.GetScheme(), kind)
		if err != nil {
			return err
		}
		_, err = mgr.GetCache().GetInformer(ctx, obj)
		return err
	}
	go func() { _ = mgr.GetCache().Start(b.Context()) }()
	g.r.wire()
	go func() { _ = g.r.pool.Run(b.Context()) }()
	w := &world{ns: g.key.Namespace}
	require.NoError(b, mgr.GetClient().Create(b.Context(), w.deployment()))
	require.NoError(b, mgr.GetClient().Create(b.Context(), w.canary(change)))
	g.until("initialised", func(c *v1beta1.Canary) bool { return c.Status.Phase == v1beta1.PhaseInitialized && g.replicas() == 0 })
	return g
}

func (g *rig) cached() *v1beta1.Canary {
	c := &v1beta1.Canary{}
	require.NoError(g, client.IgnoreNotFound(g.r.Client.Get(g.Context(), g.key, c)))
	return c
}

func (g *rig) replicas() int32 {
	d := &appsv1.Deployment{}
	require.NoError(g, g.r.Client.Get(g.Context(), g.key, d))
	return *d.Spec.Replicas
}

// until looks, as the queue would have it look, until something is so.
func (g *rig) until(what string, so func(*v1beta1.Canary) bool) {
	require.Eventually(g, func() bool {
		c := g.cached()
		if c.UID == "" {
			return false
		}
		_, err := g.r.Reconcile(g.Context(), c)
		require.NoError(g, err)
		return so(c)
	}, patience, 5*time.Millisecond, what)
}

// BenchmarkIdleLook is what an event costs that leads to nothing.
func BenchmarkIdleLook(b *testing.B) {
	g := newRig(b, func(*v1beta1.Canary) {})
	g.until("nothing is left to be done", func(*v1beta1.Canary) bool { defer g.made.Reset(); return g.made.Writes() == 0 })
	c := g.cached()
	b.ReportAllocs()
	for b.Loop() {
		_, err := g.r.Reconcile(b.Context(), c)
		require.NoError(b, err)
	}
	require.Empty(b, g.made.Calls(), "nothing is asked for")
}

// BenchmarkStep is one step of a rollout: a decision, stored, and the routes that follow from it. The time is the
// API server's for the most part.
func BenchmarkStep(b *testing.B) {
	g := newRig(b, func(c *v1beta1.Canary) {
		c.Spec.Analysis.StepWeight, c.Spec.Analysis.MaxWeight, c.Spec.Analysis.Metrics = 0, 0, nil
		for range 50 { // steps that are all alike, so that a benchmark can take many
			c.Spec.Analysis.StepWeights = append(c.Spec.Analysis.StepWeights, 10, 20)
		}
	})
	d := &appsv1.Deployment{}
	require.NoError(b, g.r.Client.Get(b.Context(), g.key, d))
	d.Spec.Template.Spec.Containers[0].Image = imageTwo
	require.NoError(b, g.r.Client.Update(b.Context(), d))
	g.until("under way", func(c *v1beta1.Canary) bool { return c.Status.CanaryWeight > 0 })
	g.made.Reset()
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		before := g.cached().Status.Step
		g.ahead += 15 * time.Second
		b.StartTimer()
		g.until("the next step", func(c *v1beta1.Canary) bool { return c.Status.Step > before })
		n++
	}
	b.ReportMetric(float64(g.made.Count("", ""))/float64(n), "requests/op")
}
