package controller

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/analysis"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

// Questions are answered beside the passes: nobody waits for them but the decision that they are about.

// gate is a hook that agrees, and that keeps those waiting whom it is told to.
type gate struct {
	address string
	after   int // calls that are answered at once; those that follow wait until the gate opens

	mu    sync.Mutex
	asked int
	left  int // of those who were kept waiting: who went away
	opens chan struct{}
}

func newGate(t *testing.T, after int) *gate {
	t.Helper()
	g := &gate{after: after, opens: make(chan struct{})}
	g.address = serve(t, g.answer)
	return g
}

func (g *gate) answer(_ http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.asked++
	waits := g.asked > g.after
	g.mu.Unlock()
	if !waits {
		return
	}
	gone := make(chan struct{})
	go func() { defer close(gone); stall(nil, r) }() // the body has to be read, or the client's end is not seen
	select {
	case <-g.opens:
	case <-gone:
		g.mu.Lock()
		defer g.mu.Unlock()
		g.left++
	}
}

func (g *gate) open() { close(g.opens) }

func (g *gate) counts() (asked, left int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked, g.left
}

func (g *gate) awaitAsked(w *world, times int) {
	w.Helper()
	w.await(fmt.Sprintf("the hook was asked %d times", times), func() bool { asked, _ := g.counts(); return asked >= times })
}

// patient has a Canary ask hooks of a moment, with all the time in the world.
func patient(kind v1beta1.HookType, addresses ...string) func(*v1beta1.Canary) {
	return func(c *v1beta1.Canary) {
		c.Spec.Analysis.Metrics, c.Spec.Analysis.Webhooks = nil, nil
		for i, address := range addresses {
			hook := v1beta1.CanaryWebhook{Name: fmt.Sprint("gate-", i), Type: kind, URL: address, Timeout: "24h"}
			c.Spec.Analysis.Webhooks = append(c.Spec.Analysis.Webhooks, hook)
		}
	}
}

// add makes one more Deployment, with a Canary.
func (w *world) add(name string, change ...func(*v1beta1.Canary)) {
	w.Helper()
	d := w.deployment()
	d.Name, d.Spec.Selector.MatchLabels, d.Spec.Template.Labels = name, map[string]string{"app": name}, map[string]string{"app": name}
	require.NoError(w, w.Create(w.Context(), d))
	c := w.canary(change...)
	c.Name, c.Spec.TargetRef.Name = name, name
	require.NoError(w, w.Create(w.Context(), c))
}

// release gives such a Deployment another image once its Canary is initialised.
func (w *world) release(name, image string) {
	w.Helper()
	w.await(name+" is initialised", func() bool { return w.named(name).Status.Phase == v1beta1.PhaseInitialized })
	d := w.live(name)
	before := client.MergeFrom(d.DeepCopy())
	d.Spec.Template.Spec.Containers[0].Image = image
	require.NoError(w, w.Patch(w.Context(), d, before)) // its target is being stopped at the same time
}

func TestCanaryDiesWhileAHookIsAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// It is told of the first step, and kept waiting at the end of that.
	g := newGate(t, 1)
	o := w.analysed("", patient(v1beta1.RolloutHook, g.address), hasty)
	seen := w.history()
	w.setImage(imageTwo)
	g.awaitAsked(w, 2)
	w.awaitWeights("50/50")
	w.breakPods("podinfo", imageTwo)
	w.awaitWeights("100/0")
	w.awaitEvent(o, "Warning Drained podinfo."+w.ns+" has no available pods, routing all traffic to primary")
	w.await("the call is broken off", func() bool { _, left := g.counts(); return left == 1 })
	g.open()
	w.awaitSettled(v1beta1.PhaseFailed, imageOne)
	require.Equal(t, []string{"Initialized 0", "Progressing 0", "Progressing 50", "Progressing 0", "Failed 0"}, seen(),
		"an answer about a canary that has died raises no weight")
	asked, left := g.counts()
	require.Equal(t, []int{2, 1}, []int{asked, left}, "it is not made again")
}

// TestHangingHooksDelayNoOtherNamespace is about tenants of one operator that has fewer workers than they have hooks.
func TestHangingHooksDelayNoOtherNamespace(t *testing.T) {
	t.Parallel()
	w, victim := newWorld(t), newWorld(t)
	g := newGate(t, 0)
	addresses := strings.Split(strings.Repeat(g.address+" ", 8)[:8*len(g.address)+7], " ")
	names := []string{"one", "two", "three"}
	for _, name := range names {
		w.add(name, patient(v1beta1.PreRolloutHook, addresses...))
	}
	require.NoError(t, victim.Create(t.Context(), victim.canary()))
	o := &operator{Crasher: &kubetest.Crasher{}, workers: 2, beside: victim.ns}
	o.launch(t, kubetest.Config(t), w.ns, w.clock, analysis.New(serve(t, measures(sample("100"))), "istio"))
	victim.awaitPhase(v1beta1.PhaseInitialized)
	for _, name := range names {
		w.release(name, imageTwo)
	}
	g.awaitAsked(w, 16)
	victim.setImage(imageTwo)
	victim.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	g.awaitAsked(w, 24)
	// Their own namespace is not held up either.
	w.add("podinfo-next")
	w.release("podinfo-next", imageTwo)
	w.await("the next one is promoted", func() bool { return w.named("podinfo-next").Status.Phase == v1beta1.PhaseSucceeded })
	for _, name := range names {
		require.Equal(t, v1beta1.PhaseProgressing, w.named(name).Status.Phase, "it is still waiting for its hooks")
	}
}

func TestCallsAreBrokenOff(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		when   func(w *world)
	}{
		"Deleted":    {reason: "nobody is there to be answered", when: func(w *world) { w.delete("podinfo") }},
		"Changed":    {reason: "another spec may ask something else", when: func(w *world) { w.editCanary(func(c *v1beta1.Canary) { c.Spec.Analysis.Threshold = 5 }) }},
		"Superseded": {reason: "it was about another revision", when: func(w *world) { w.setImage(imageThree) }},
		"Reverted":   {reason: "there is nothing left to roll out", when: func(w *world) { w.setImage(imageOne) }},
		"Suspended":  {reason: "nothing goes on by what it says", when: func(w *world) { w.editCanary(func(c *v1beta1.Canary) { c.Spec.Suspend = true }) }},
		"TargetGone": {reason: "there is no canary", when: func(w *world) {
			require.NoError(w, w.Delete(w.Context(), &appsv1.Deployment{ObjectMeta: w.live("podinfo").ObjectMeta}))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			g := newGate(t, 0)
			w.analysed("", patient(v1beta1.PreRolloutHook, g.address))
			w.setImage(imageTwo)
			g.awaitAsked(w, 1)
			tc.when(w)
			w.await("the call was broken off: "+tc.reason, func() bool { _, left := g.counts(); return left == 1 })
		})
	}
}

// TestWhatIsNotedAsksNobodyTwice has the status change by what is no decision while a hook is asked.
func TestWhatIsNotedAsksNobodyTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.scaleToFive()
	g := newGate(t, 1)
	w.analysed("", ratio, patient(v1beta1.RolloutHook, g.address))
	w.setImage(imageTwo)
	g.awaitAsked(w, 2)
	reached := func(weight int) func() bool {
		return func() bool { actual := w.status().ActualWeight; return actual != nil && *actual == weight }
	}
	w.await("it has its share", reached(20))
	w.breakPods("podinfo-primary", imageOne)
	w.await("it has all that are left", reached(100))
	w.healPods("podinfo-primary", imageOne)
	w.await("it has its share again", reached(20))
	asked, left := g.counts()
	require.Equal(t, []int{2, 0}, []int{asked, left}, "the hook is still asked, once")
	g.open()
	w.awaitPhase(v1beta1.PhaseSucceeded)
}

func TestConflictAsksNobodyTwice(t *testing.T) {
	t.Parallel()
	w, r := newWorld(t), newReceiver(t)
	w.analysed("", func(c *v1beta1.Canary) {
		c.Spec.Analysis.Metrics = nil
		c.Spec.Analysis.Webhooks = []v1beta1.CanaryWebhook{
			hook("acceptance", v1beta1.PreRolloutHook, r.URL+"/acceptance"), hook("load", v1beta1.RolloutHook, r.URL+"/load"),
		}
	})
	// The decision that was taken on both answers, which is stored when it is tried for the second time.
	var tried []int // how often the hook had been asked by then
	answered := kubetest.Conflicts(t, w.ns, -1, written("canaries", "podinfo", func(c *v1beta1.Canary) bool {
		if c.Status.CanaryWeight != 50 {
			return false
		}
		tried = append(tried, len(r.at("/load")))
		return len(tried) == 1
	}))
	w.setImage(imageTwo)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	require.Equal(t, 1, answered())
	require.Len(t, r.at("/acceptance"), 1)
	require.Equal(t, tried[0], tried[1], "it is not asked for the same step once more")
}
