package kube_test

import (
	"context"
	"encoding/json"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/kube"
)

// frozen is a cache whose watch has stopped: it goes on giving the answers that
// it gave first.
type frozen struct {
	client.Reader
	mu      sync.Mutex
	answers map[string]answer
}

type answer struct {
	text []byte
	err  error
}

func (f *frozen) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := reflect.TypeOf(obj).String() + obj.GetObjectKind().GroupVersionKind().String() + key.String()
	a, known := f.answers[id]
	if !known {
		a.err = f.Reader.Get(ctx, key, obj, opts...)
		a.text, _ = json.Marshal(obj)
		f.answers[id] = a
	}
	if a.err != nil {
		return a.err
	}
	return json.Unmarshal(a.text, obj)
}

// freeze stops the watch; what it gives back lets it go on.
func (b *bench) freeze() (thaw func()) {
	thawed := b.Reader
	b.Reader = &frozen{Reader: thawed, answers: map[string]answer{}}
	return func() { b.Reader = thawed }
}

func TestStaleCache(t *testing.T) {
	b := newBench(t)
	svc := b.service()
	b.apply(svc)
	thaw := b.freeze()
	b.quiet("as fresh as can be", svc)

	wider := b.service().WithLabels(map[string]string{"more": "yes"})
	changed, err := b.Apply(t.Context(), b.owner, wider)
	require.NoError(t, err)
	require.True(t, changed)
	fresh, err := b.Snapshot().Fresh(t.Context(), wider)
	require.NoError(t, err)
	require.False(t, fresh, "the cache does not show our write")
	_, at, err := b.Snapshot().AppliedTimes(t.Context(), wider)
	require.NoError(t, err)
	require.True(t, at.IsZero(), "nor when it was")

	b.made.Reset()
	changed, err = b.Apply(t.Context(), b.owner, wider)
	require.NoError(t, err)
	require.True(t, changed, "what was read is out of date")
	require.Empty(t, b.made.Calls(), "but nothing is written a second time")
	pending, err := b.Snapshot().Pending(t.Context(), b.owner, wider)
	require.NoError(t, err)
	require.True(t, pending)

	thaw()
	b.caughtUp(wider)
	b.quiet("the cache has it now", wider)
	_, at, err = b.Snapshot().AppliedTimes(t.Context(), wider)
	require.NoError(t, err)
	require.Equal(t, kube.AppliedAt(get(b, &corev1.Service{}, "podinfo")), at)
}

func TestMissingFromCache(t *testing.T) {
	b := newBench(t)
	now := time.Now()
	b.Now = func() time.Time { return now }
	svc := b.service()
	_, err := b.Snapshot().Pending(t.Context(), b.owner, svc) // starts the watch
	require.NoError(t, err)
	thaw := b.freeze()
	defer thaw()
	changed, err := b.Apply(t.Context(), b.owner, svc)
	require.NoError(t, err)
	require.True(t, changed)

	b.made.Reset()
	changed, err = b.Apply(t.Context(), b.owner, svc)
	require.NoError(t, err)
	require.True(t, changed, "it is not there yet")
	require.Empty(t, b.made.Calls(), "for a while that is the cache's fault")

	now = now.Add(time.Minute)
	fresh, err := b.Snapshot().Fresh(t.Context(), svc)
	require.NoError(t, err)
	require.True(t, fresh, "after that the object must have been deleted, and nobody waits for it for ever")
	require.NoError(t, b.user.Delete(t.Context(), get(b, &corev1.Service{}, "podinfo")))
	changed, err = b.Apply(t.Context(), b.owner, svc)
	require.NoError(t, err)
	require.True(t, changed)
	get(b, &corev1.Service{}, "podinfo")
}

func TestDeletedByHand(t *testing.T) {
	b := newBench(t)
	svc := b.service()
	b.apply(svc)
	require.NoError(t, b.user.Delete(t.Context(), get(b, &corev1.Service{}, "podinfo")))
	b.pends(svc)
	require.True(t, b.apply(svc), "it is made again, at once")
	b.quiet("and that is all", svc)
}

func TestStaleReadOfSomebodyElsesWrite(t *testing.T) {
	b := newBench(t)
	target := b.target("podinfo:1", 3)
	want := kube.Partial(replicas(b, 3))
	thaw := b.freeze()
	defer thaw()
	b.quiet("the target is as desired", want)
	edit(b, &appsv1.Deployment{}, target.Name, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "podinfo:2" })

	zero := kube.Partial(replicas(b, 0))
	changed, err := b.Apply(t.Context(), b.owner, zero)
	require.NoError(t, err)
	require.True(t, changed)
	edit(b, &appsv1.Deployment{}, target.Name, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "podinfo:3" })
	b.restart()
	changed, err = b.Apply(t.Context(), b.owner, zero)
	require.NoError(t, err)
	require.True(t, changed, "nothing was to be written, but the object came back at another version than it was read at")
}

func TestForget(t *testing.T) {
	b := newBench(t)
	svc := b.service()
	thaw := b.freeze()
	defer thaw()
	_, err := b.Apply(t.Context(), b.owner, svc)
	require.NoError(t, err)
	b.Forget(b.owner)
	fresh, err := b.Snapshot().Fresh(t.Context(), svc)
	require.NoError(t, err)
	require.True(t, fresh, "nothing is known of the objects of a Canary that is gone")
}
