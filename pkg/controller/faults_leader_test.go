package controller

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/leader"
)

// replica is an operator that takes part in an election, as the program does.
type replica struct {
	*operator
	line    *kubetest.Faults // between it and the server
	process *kubetest.Faults // between what it does and what it sends: held, it is stopped
	term    *leader.Term
	resign  func() // and wait until it has
}

// silent has nobody told who works: a line that is cut would have that be tried for a long time.
type silent struct{}

func (silent) GetEventRecorderFor(string) record.EventRecorder { return &record.FakeRecorder{} }

func (silent) GetEventRecorder(string) recorder.EventRecorder { return nil }

// electionTimes are short, and long enough for a busy machine.
func electionTimes() leader.Times {
	return leader.Times{Duration: 8 * time.Second, RenewDeadline: 6 * time.Second, RetryPeriod: 200 * time.Millisecond}
}

// join starts one more operator of a world, of which one works.
func (w *world) join(tune ...func(*Reconciler)) *replica {
	w.Helper()
	times := electionTimes()
	r := &replica{
		operator: &operator{Crasher: &kubetest.Crasher{}}, line: &kubetest.Faults{}, process: &kubetest.Faults{},
		term: &leader.Term{RenewDeadline: times.RenewDeadline, Now: time.Now},
	}
	cfg := r.line.Wrap(kubetest.Config(w))
	elect := func(c *Reconciler) { c.Leads = r.term.Holds }
	r.launch(w.T, r.process.Wrap(kube.Fence(cfg, r.term.Holds)), w.ns, w.clock, w.judge, append(slices.Clone(tune), elect)...)
	lock, err := leader.Lock(r.process.Wrap(cfg), silent{}, w.ns, "lease", times)
	require.NoError(w, err)
	e := &leader.Elector{Name: w.ns, Lock: lock, Times: times, Term: r.term, Won: r.reconcr.Lead, Lost: r.reconcr.Retire, Log: logr.Discard()}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	r.resign = func() {
		cancel()
		require.NoError(w, <-ended)
		ended <- nil
	}
	w.Cleanup(r.resign)
	return r
}

// elected has a world's operator be one of two, of which the first works.
func (w *world) elected() (first, second *replica) {
	first, second = &replica{}, &replica{}
	w.launch = func(tune ...func(*Reconciler)) *operator {
		*first = *w.join(tune...)
		w.await("it works", first.term.Holds)
		*second = *w.join(tune...)
		return first.operator
	}
	return first, second
}

// misfortunes are what happens to a replica that works. What is given back ends it, where it ends.
func misfortunes() map[string]func(*replica) (end func()) {
	return map[string]func(*replica) func(){
		"Stopped": func(r *replica) func() {
			r.process.Hold(true)
			return func() { r.process.Hold(false) }
		},
		"CutOff": func(r *replica) func() {
			r.line.Away(true)
			return func() { r.line.Away(false) }
		},
		"Killed": func(r *replica) func() {
			r.line.Away(true)
			r.resign()
			r.stop()
			return func() {}
		},
	}
}

// TestLeaderFailsInEveryPhase takes away the replica that works: the other one goes on, and the first changes nothing when it
// comes back.
func TestLeaderFailsInEveryPhase(t *testing.T) {
	t.Parallel()
	names := []string{"Stopped", "CutOff", "Killed"}
	n := 0
	all := everyStage()
	for _, phase := range slices.Sorted(maps.Keys(all)) {
		s, tried := all[phase], names
		if !soak() { // one of them in each phase
			tried = names[n%len(names) : n%len(names)+1]
			n++
		}
		for _, name := range tried {
			t.Run(phase+name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				first, second := w.elected()
				s.reach(w)
				require.Equal(t, s.phase, w.status().Phase)
				require.Zero(t, second.Writes(), "one works")
				end := misfortunes()[name](first)
				w.setImage(imageThree)
				s.release(w)
				w.await("another one works", second.term.Holds)
				w.goesOn(func() bool { return second.Writes() > 0 })
				w.awaitRest(imageThree, "the other brings it to its end")
				end()
				wrote := first.Writes()
				w.setImage(imageOne)
				w.awaitRest(imageOne, "and the next one")
				require.Equal(t, wrote, first.Writes(), "the first one writes nothing")
			})
		}
	}
}

// TestStandbyGoesOn has a replica that was cut off, and lost its lease, take over when the other ends: nothing has exited, and
// its caches are warm.
func TestStandbyGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := w.elected()
	w.begin(slowly)
	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	first.line.Away(true)
	w.await("another one works", second.term.Holds)
	first.line.Away(false)
	w.editCanary(every("10s"))
	w.awaitRest(imageTwo, "the other goes on")

	wrote := first.Writes()
	lists := first.Count("list", "")
	second.stop()
	second.resign()
	w.setImage(imageThree)
	w.goesOn(func() bool { return first.Writes() > wrote })
	w.awaitRest(imageThree, "the first one goes on")
	require.LessOrEqual(t, first.Count("list", "deployments"), lists, "its caches were filled")
}

// TestDeletedWhileNobodyWorks has a Canary be deleted while the lease is held by somebody else, and its target be given back by
// a replica that waited.
func TestDeletedWhileNobodyWorks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := w.elected()
	w.begin()
	first.line.Away(true)
	w.delete("podinfo")
	w.await("another one works", second.term.Holds)
	w.await("the target has its size back", func() bool { return w.targetReleased(2) })
}
