package kube_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

// passing is a clock that stands until it is moved.
type passing struct{ now time.Time }

func (c *passing) time() time.Time { return c.now }

// stopClock has the Applier live by a clock of the test.
func (b *bench) stopClock() *passing {
	c := &passing{now: time.Now()}
	b.Now = c.time
	return c
}

func of(resource string) func(*admissionv1.AdmissionRequest) bool {
	return func(r *admissionv1.AdmissionRequest) bool {
		return r.Resource.Resource == resource && r.SubResource == ""
	}
}

func (b *bench) applyChains(chains ...kube.Chain) kube.Outcome {
	b.t.Helper()
	out, err := b.ApplyChains(b.t.Context(), b.owner, chains...)
	require.NoError(b.t, err)
	return out
}

func (b *bench) pendingChains(chains ...kube.Chain) kube.Outcome {
	b.t.Helper()
	out, err := b.Snapshot().PendingChains(b.t.Context(), b.owner, chains...)
	require.NoError(b.t, err)
	return out
}

// exists says that somebody with kubectl finds the object.
func (b *bench) exists(obj client.Object, name string) bool {
	err := b.user.Get(b.t.Context(), client.ObjectKey{Namespace: b.ns, Name: name}, obj)
	require.NoError(b.t, client.IgnoreNotFound(err))
	return err == nil
}

// TestRefusedInAChain has the server refuse one object of each chain in turn.
func TestRefusedInAChain(t *testing.T) {
	for name, tc := range map[string]struct {
		reason      string
		denied      string
		before      bool // the object was made before, and only its change is refused
		enough      bool // what depends on it only needs it to be there
		moves, next bool // traffic cannot be moved; what comes after it is applied
	}{
		"Alone":    {reason: "nothing depends on it", denied: "horizontalpodautoscalers", next: true},
		"Missing":  {reason: "routes would lead to a Service that is not there", denied: "services", moves: true},
		"Other":    {reason: "routes would lead to a Service of another content", denied: "services", before: true, moves: true},
		"Existing": {reason: "the route is there, and the next one does not need its content", denied: "services", before: true, enough: true, next: true},
		"Route":    {reason: "the route itself is not as it should be", denied: "virtualservices", moves: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			if tc.before {
				b.apply(b.service())
			}
			service := b.service().WithLabels(map[string]string{"more": "yes"})
			chains := []kube.Chain{
				kube.Links(b.autoscaler()),
				{{Object: service, Existing: tc.enough}, {Object: virtualService(b, 10), Traffic: true}},
				kube.Links(b.configMap("blue")),
			}
			require.True(t, b.pendingChains(chains...).Changed)
			denial := kubetest.Denies(t, b.ns, "not here", of(tc.denied))
			out := b.applyChains(chains...)
			require.True(t, out.Changed)
			require.Len(t, out.Refused, 1)
			require.Equal(t, tc.moves, out.Refused[0].MovesTraffic, tc.reason)
			require.Contains(t, out.Refused[0].Text, "denied the request: not here")
			require.Equal(t, tc.next, b.exists(anyVirtualService(), "podinfo"), tc.reason)
			require.True(t, b.exists(&corev1.ConfigMap{}, "settings-primary"), "chains do not depend on each other")
			require.Equal(t, 1, denial.Answered())
		})
	}
}

// TestRefusedInAnEarlierChain has an object be in two chains, of which the second leads traffic to it.
func TestRefusedInAnEarlierChain(t *testing.T) {
	b := newBench(t)
	b.stopClock()
	denial := kubetest.Denies(t, b.ns, "not here", of("services"))
	svc := b.service()
	routes := kube.Chain{{Object: svc, Earlier: true}, {Object: virtualService(b, 10), Traffic: true}}
	for range 2 {
		out := b.applyChains(kube.Links(svc), routes)
		require.Len(t, out.Refused, 1)
		require.True(t, out.Refused[0].MovesTraffic)
		require.False(t, b.exists(anyVirtualService(), "podinfo"))
	}
	require.Equal(t, 1, denial.Answered())
	require.False(t, b.applyChains(kube.Links(svc)).Refused[0].MovesTraffic, "no traffic is led to it any more")
	denial.Lift()
	failing := kubetest.Fails(t, b.ns, "nobody answers", of("services"))
	svc = svc.WithLabels(map[string]string{"more": "yes"})
	routes[0].Object = svc
	_, err := b.ApplyChains(t.Context(), b.owner, kube.Links(svc), routes)
	require.True(t, apierrors.IsInternalError(err))
	require.NotContains(t, err.Error(), "\n", "it is said once")
	require.False(t, b.exists(anyVirtualService(), "podinfo"))
	failing.Lift()
	require.True(t, b.applyChains(kube.Links(svc), routes).Changed)
	require.True(t, b.exists(anyVirtualService(), "podinfo"))
}

// TestRefusedIsNotSentAgainAtOnce has refused writes wait, longer each time, and others not.
func TestRefusedIsNotSentAgainAtOnce(t *testing.T) {
	b := newBench(t)
	clock := b.stopClock()
	denial := kubetest.Denies(t, b.ns, "not here", of("services"))
	svc := kube.Links(b.service())
	began := clock.now
	for _, after := range []time.Duration{5, 15, 35, 75, 135, 195} {
		sent := denial.Answered()
		first := b.applyChains(svc)
		require.Equal(t, sent+1, denial.Answered())
		require.Equal(t, began.Add(after*time.Second), first.Refused[0].Again)
		clock.now = first.Refused[0].Again.Add(-time.Millisecond)
		require.Equal(t, first.Refused, b.applyChains(svc).Refused)
		require.Equal(t, kube.Outcome{Refused: first.Refused}, b.pendingChains(svc), "it is known, and is not due")
		require.Equal(t, sent+1, denial.Answered(), "nothing is sent meanwhile")
		clock.now = first.Refused[0].Again
		require.Equal(t, kube.Outcome{Changed: true}, b.pendingChains(svc))
	}
	clock.now = clock.now.Add(-time.Second)
	b.applyChains(kube.Links(b.service().WithLabels(map[string]string{"more": "yes"})))
	require.Equal(t, 7, denial.Answered(), "another content may be allowed")
	denial.Lift()
	clock.now = clock.now.Add(time.Minute)
	require.Equal(t, kube.Outcome{Changed: true}, b.applyChains(svc))
	b.caughtUp(b.service())
	require.Equal(t, kube.Outcome{}, b.pendingChains(svc))
}

// TestFailsForLong has the server fail a write until it counts as refused.
func TestFailsForLong(t *testing.T) {
	b := newBench(t)
	clock := b.stopClock()
	failing := kubetest.Fails(t, b.ns, "nobody answers", of("services"))
	svc, more := kube.Links(b.service()), kube.Links(b.configMap("blue"))
	out, err := b.ApplyChains(t.Context(), b.owner, svc, more)
	require.True(t, apierrors.IsInternalError(err), "%v", err)
	require.Empty(t, out.Refused, "it may pass in a moment")
	require.True(t, b.exists(&corev1.ConfigMap{}, "settings-primary"), "others do not wait for it")
	require.True(t, b.pendingChains(svc).Changed, "it is tried again")

	clock.now = clock.now.Add(10 * time.Second)
	out = b.applyChains(svc)
	require.Len(t, out.Refused, 1)
	require.Equal(t, "Service podinfo", out.Refused[0].Object)
	require.Equal(t, "create", out.Refused[0].Verb)
	require.Equal(t, 2, failing.Answered())

	failing.Lift()
	clock.now = out.Refused[0].Again
	require.True(t, b.applyChains(svc).Changed)
	again := kubetest.Fails(t, b.ns, "nobody answers", of("services"))
	_, err = b.ApplyChains(t.Context(), b.owner, kube.Links(b.service().WithLabels(map[string]string{"more": "yes"})))
	require.True(t, apierrors.IsInternalError(err), "a trouble that is over does not count for the next: %v", err)
	require.Equal(t, 1, again.Answered())
}

// TestHeldInDeletion has an object that is deleted, and that somebody's finalizer keeps.
func TestHeldInDeletion(t *testing.T) {
	b := newBench(t)
	clock := b.stopClock()
	b.apply(b.service())
	svc := &corev1.Service{}
	edit(b, svc, "podinfo", func(s *corev1.Service) { s.Finalizers = []string{"example.com/wait", "example.com/also"} })
	require.NoError(t, b.user.Delete(t.Context(), svc))
	b.watched(get(b, svc, "podinfo"))
	routes := kube.Chain{{Object: b.service()}, {Object: virtualService(b, 10), Traffic: true}}
	require.Equal(t, kube.Outcome{Changed: true}, b.pendingChains(routes[:1]), "most of what is deleted has gone in a moment")

	clock.now = clock.now.Add(10 * time.Second)
	b.made.Reset()
	out := b.applyChains(routes)
	require.Len(t, out.Refused, 1)
	require.Equal(t, "Service podinfo", out.Refused[0].Object)
	require.Equal(t, "create", out.Refused[0].Verb)
	require.Equal(t, "it is being deleted, and held by the finalizers example.com/also, example.com/wait", out.Refused[0].Text)
	require.False(t, out.Refused[0].MovesTraffic, "it still is what it should be")
	require.Zero(t, b.made.Count("", "services"), "what we would write now would not last")
	require.True(t, b.exists(anyVirtualService(), "podinfo"), "routes may lead to it for as long")
	_, err := b.Delete(t.Context(), b.owner, svc)
	require.EqualError(t, err, `Service "`+b.ns+`/podinfo" cannot be written: `+out.Refused[0].Text, "nor does it go by our doing")

	other := kube.Chain{{Object: corev1ac.Service("podinfo", b.ns).WithSpec(b.service().Spec.WithSelector(map[string]string{"app": "other"}))}, routes[1]}
	require.True(t, b.pendingChains(other).Refused[0].MovesTraffic, "it is not what it should be")
	edit(b, svc, "podinfo", func(s *corev1.Service) { s.Finalizers = nil })
	b.pends(b.service())
	require.True(t, b.applyChains(routes).Changed, "it is made again at once")
}

// TestDeleteIsRefused has the server refuse a deletion.
func TestDeleteIsRefused(t *testing.T) {
	b := newBench(t)
	clock := b.stopClock()
	b.apply(b.service())
	svc := get(b, &corev1.Service{}, "podinfo")
	denial := kubetest.Denies(t, b.ns, "not here", of("services"))
	for range 2 {
		_, err := b.Delete(t.Context(), b.owner, svc)
		var no *kube.RefusedError
		require.ErrorAs(t, err, &no)
		require.Equal(t, "delete", no.Verb)
	}
	require.Equal(t, 1, denial.Answered(), "it is not sent again at once")
	_, err := b.DeletePending(t.Context(), b.owner, svc)
	require.True(t, kube.Rejected(err))

	denial.Lift()
	clock.now = clock.now.Add(5 * time.Second)
	pending, err := b.DeletePending(t.Context(), b.owner, svc)
	require.NoError(t, err)
	require.True(t, pending)
	changed, err := b.Delete(t.Context(), b.owner, svc)
	require.NoError(t, err)
	require.True(t, changed)
	require.False(t, b.exists(&corev1.Service{}, "podinfo"))
}

// TestRestoreIsRefused has the server refuse that an object is given back.
func TestRestoreIsRefused(t *testing.T) {
	b := newBench(t)
	clock := b.stopClock()
	b.apply(b.service())
	denial := kubetest.Denies(t, b.ns, "not here", of("services"))
	theirs := corev1ac.Service("podinfo", b.ns).WithSpec(b.service().Spec.WithSelector(map[string]string{"app": "theirs"}))
	for range 2 {
		require.True(t, kube.Rejected(b.Restore(t.Context(), b.owner, theirs)))
	}
	require.Equal(t, 1, denial.Answered(), "it is not sent again at once")
	denial.Lift()
	clock.now = clock.now.Add(5 * time.Second)
	require.NoError(t, b.Restore(t.Context(), b.owner, theirs))
	require.Equal(t, "theirs", get(b, &corev1.Service{}, "podinfo").Spec.Selector["app"])
}
