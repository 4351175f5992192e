package leader_test

import (
	"context"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/leader"
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(kubetest.Main(m))
}

// patience is much longer than anything takes.
const patience = 30 * time.Second

// brief is a lease that is lost soon. The server counts its duration in whole seconds.
func brief() leader.Times {
	return leader.Times{Duration: 3 * time.Second, RenewDeadline: 2 * time.Second, RetryPeriod: 100 * time.Millisecond}
}

type silent struct{}

func (silent) GetEventRecorderFor(string) record.EventRecorder { return &record.FakeRecorder{} }

func (silent) GetEventRecorder(string) recorder.EventRecorder { return nil }

// replica is one that takes part in an election.
type replica struct {
	*kubetest.Faults
	term      *leader.Term
	config    *rest.Config // by which it writes
	won, lost atomic.Int32
	resign    func() // and wait until it has
}

func join(t *testing.T, ns string) *replica {
	t.Helper()
	r := &replica{Faults: &kubetest.Faults{}, term: &leader.Term{RenewDeadline: brief().RenewDeadline, Now: time.Now}}
	cfg := r.Wrap(kubetest.Config(t))
	r.config = kube.Fence(cfg, r.term.Holds)
	lock, err := leader.Lock(cfg, silent{}, ns, "lease", brief())
	require.NoError(t, err)
	e := &leader.Elector{
		Name: "lease", Lock: lock, Times: brief(), Term: r.term, Log: logr.Discard(),
		Won: func() { r.won.Add(1) }, Lost: func() { r.lost.Add(1) },
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	r.resign = func() {
		cancel()
		require.NoError(t, <-ended)
		ended <- nil
	}
	t.Cleanup(r.resign)
	return r
}

func (r *replica) awaitTerm(t *testing.T, holds bool) {
	t.Helper()
	require.Eventually(t, func() bool { return r.term.Holds() == holds }, patience, 10*time.Millisecond)
}

// write tries to write, by a new client each time.
func (r *replica) write(t *testing.T, ns string) error {
	t.Helper()
	c, err := kubernetes.NewForConfig(r.config)
	require.NoError(t, err)
	_, err = c.CoreV1().ConfigMaps(ns).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "by-"}}, metav1.CreateOptions{})
	return err
}

// TestOldLeader has one replica lose the server, and another take its place.
func TestOldLeader(t *testing.T) {
	ns := kubetest.Namespace(t)
	old := join(t, ns)
	old.awaitTerm(t, true)
	require.NoError(t, old.write(t, ns))
	other := join(t, ns)
	time.Sleep(2 * brief().RetryPeriod)
	require.False(t, other.term.Holds())
	require.ErrorIs(t, other.write(t, ns), kube.ErrNotLeading, "one works")

	old.Away(true)
	other.awaitTerm(t, true)
	require.False(t, old.term.Holds(), "it has ended before another could begin")
	old.Away(false)
	require.ErrorIs(t, old.write(t, ns), kube.ErrNotLeading, "whether it knows of the other or not")
	require.NoError(t, other.write(t, ns))
	require.Eventually(t, func() bool { return old.lost.Load() == 1 }, patience, 10*time.Millisecond, "what it has under way is broken off")

	other.resign()
	require.ErrorIs(t, other.write(t, ns), kube.ErrNotLeading, "who gave it back does not write")
	given := time.Now()
	old.awaitTerm(t, true)
	require.Less(t, time.Since(given), brief().Duration, "it is free at once, and nobody has exited")
	require.Eventually(t, func() bool { return old.won.Load() == 2 }, patience, 10*time.Millisecond)
}

// TestStoppedLeader has one replica be stopped, as by SIGSTOP, with a write that it was about to send.
func TestStoppedLeader(t *testing.T) {
	ns := kubetest.Namespace(t)
	old := join(t, ns)
	old.awaitTerm(t, true)
	process := &kubetest.Faults{}
	old.config = process.Wrap(old.config)
	other := join(t, ns)
	process.Hold(true)
	old.Hold(true)
	wrote := make(chan error, 1)
	go func() { wrote <- old.write(t, ns) }()
	other.awaitTerm(t, true)
	old.Hold(false)
	process.Hold(false)
	require.ErrorIs(t, <-wrote, kube.ErrNotLeading)
}

// TestOnlyReplica has the server be away for longer than a lease lasts.
func TestOnlyReplica(t *testing.T) {
	ns := kubetest.Namespace(t)
	only := join(t, ns)
	only.awaitTerm(t, true)
	only.Away(true)
	only.awaitTerm(t, false)
	time.Sleep(brief().Duration)
	only.Away(false)
	back := time.Now()
	only.awaitTerm(t, true)
	require.Less(t, time.Since(back), 3*time.Second, "its lease is its own still")
}

func TestTerm(t *testing.T) {
	now := time.Now()
	term := &leader.Term{RenewDeadline: time.Minute, Now: func() time.Time { return now }}
	require.False(t, term.Holds(), "before the first renewal")
	leader.Renew(term, now)
	require.True(t, term.Holds())
	now = now.Add(time.Minute)
	require.False(t, term.Holds(), "whatever anybody was told")
	leader.Renew(term, now)
	// A machine that slept: the clock that counts has stood still.
	now = now.Round(0).Add(2 * time.Minute)
	require.False(t, term.Holds())
}
