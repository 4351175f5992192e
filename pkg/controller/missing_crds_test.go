package controller

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// serves says of a Deployment what its controller would, which a server of its own does not have.
func (w *world) serves(name string) {
	w.Helper()
	d := w.live(name)
	before, n := d.DeepCopy(), workload.SizeOf(d)
	d.Status.ObservedGeneration = d.Generation
	d.Status.Replicas, d.Status.UpdatedReplicas, d.Status.ReadyReplicas, d.Status.AvailableReplicas = n, n, n, n
	require.NoError(w, w.Status().Patch(w.Context(), d, client.MergeFrom(before)))
}

// TestIstioComesLate runs a Canary on a cluster that gets its mesh afterwards.
func TestIstioComesLate(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	require.NoError(t, clientgoscheme.AddToScheme(scheme))
	require.NoError(t, v1beta1.AddToScheme(scheme))
	cfg := kubetest.Apart(t, ownCRDs)
	c, err := client.New(cfg, client.Options{Scheme: scheme})
	require.NoError(t, err)
	w := &world{T: t, Client: c, ns: "default", clock: clock{from: time.Now()}, judge: &judge{}}
	require.NoError(t, w.Create(t.Context(), w.deployment()))
	w.serves("podinfo")
	require.NoError(t, w.Create(t.Context(), w.canary()))
	o := &operator{Crasher: &kubetest.Crasher{}}
	o.launch(t, cfg, w.ns, w.clock, w.judge)

	const missing = `provider "istio": the cluster does not serve networking.istio.io, install its custom resources`
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, missing)
	w.awaitEvent(o, "Warning Invalid "+missing)
	require.Empty(t, w.selector("podinfo"), "nothing is half made")
	require.Equal(t, int32(2), workload.SizeOf(w.live("podinfo")))

	kubetest.Install(t, cfg, istioCRDs())
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionTrue, "The spec is valid for provider istio.")
	w.await("the primary is made", func() bool {
		return c.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: "podinfo-primary"}, w.deployment()) == nil
	})
	w.serves("podinfo-primary")
	w.awaitPhase(v1beta1.PhaseInitialized)
	w.awaitWeights("100/0")
	require.Equal(t, 1, count(o, "Warning Invalid"), "it is said once")
}
