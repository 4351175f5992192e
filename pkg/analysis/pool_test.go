package analysis

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/fair"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// pooled is a pool whose questions are answered after the time that their keys say, in a bubble with a clock of its own.
type pooled struct {
	*testing.T
	*Pool
	end func() // of the process

	mu     sync.Mutex
	rounds int      // begun
	asked  []string // namespace/name key
	cut    []string // the same, of those that were broken off
	woken  []string // namespace/name
	took   []time.Duration
}

// takes is how long the answer to a question takes.
func takes(key string) time.Duration {
	switch strings.TrimRight(key, "0123456789") {
	case "hangs":
		return 24 * 365 * time.Hour
	case "minute":
		return time.Minute
	case "second":
		return time.Second
	}
	return 0
}

func inPool(t *testing.T, test func(p *pooled)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pooled{T: t}
		p.Pool = NewPool(p.round)
		p.Wake = func(_ context.Context, c types.NamespacedName) { p.note(&p.woken, c.String()) }
		p.Took = func(d time.Duration) { p.took = append(p.took, d) }
		ctx, end := context.WithCancel(t.Context())
		p.end = end
		defer end()
		ended := make(chan error, 1)
		go func() { ended <- p.Pool.Run(ctx) }()
		test(p)
		p.end()
		// The bubble fails where a goroutine is left.
		require.NoError(t, <-ended)
	})
}

func (p *pooled) note(list *[]string, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*list = append(*list, text)
}

func (p *pooled) round(c *v1beta1.Canary) Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rounds++
	return func(ctx context.Context, q rollout.Question) rollout.Finding {
		what := c.Namespace + "/" + c.Name + " " + q.Key
		p.note(&p.asked, what)
		select {
		case <-time.After(takes(q.Key)):
		case <-ctx.Done():
			p.note(&p.cut, what)
		}
		return rollout.Finding{Verdict: v1beta1.Passed, Message: what}
	}
}

// settle lets a time pass, and all that happens in it.
func (p *pooled) settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func canaryIn(namespace, name string) *v1beta1.Canary {
	return &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(namespace + "/" + name)}}
}

func questions(round string, keys ...string) rollout.Questions {
	q := rollout.Questions{Round: round}
	for _, key := range keys {
		q.Asked = append(q.Asked, rollout.Question{Key: key})
	}
	return q
}

// several are n questions whose answers take that long.
func several(n int, takes string) rollout.Questions {
	q := rollout.Questions{Round: "1"}
	for i := range n {
		q.Asked = append(q.Asked, rollout.Question{Key: fmt.Sprint(takes, i)})
	}
	return q
}

func (p *pooled) answered(c *v1beta1.Canary) []string {
	var keys []string
	for key := range p.Findings(c.UID).Answers {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// few leaves a pool with other numbers of slots.
func (p *Pool) few(own, shared int) {
	p.mu.Lock() // it runs already
	defer p.mu.Unlock()
	p.slots = fair.NewTurns[*roundUnderWay](fair.NewShares(own, shared))
}

func (p *pooled) requireNothingKept() {
	p.Helper()
	require.Empty(p, p.Pool.rounds)
	require.True(p, p.slots.Idle())
}

func TestPoolAnswers(t *testing.T) {
	inPool(t, func(p *pooled) {
		c := canaryIn("test", "podinfo")
		first := questions("1", "quick", "minute")
		require.False(t, p.UnderWay(c.UID, first))
		p.Ask(c, first)
		require.True(t, p.UnderWay(c.UID, first))
		p.settle(time.Second)
		require.Equal(t, []string{"quick"}, p.answered(c))
		require.Equal(t, "1", p.Findings(c.UID).Round)
		require.Empty(t, p.woken, "One answer is missing.")
		p.Ask(c, first)
		p.settle(time.Minute)
		require.Equal(t, []string{"minute", "quick"}, p.answered(c))
		require.Equal(t, []string{"test/podinfo"}, p.woken, "Once, with the last answer.")

		second := questions("1", "load")
		require.False(t, p.UnderWay(c.UID, second), "The second stage of the round is to be handed over as well.")
		p.Ask(c, second)
		p.settle(0)
		require.Equal(t, []string{"load", "minute", "quick"}, p.answered(c), "What was answered stays.")
		require.Equal(t, []string{"test/podinfo", "test/podinfo"}, p.woken)
		require.Equal(t, 1, p.rounds, "What a round has read is read once.")
		require.Len(t, p.asked, 3, "Nobody is asked twice.")
		require.Empty(t, p.took, "It is not over yet.")
		p.Forget(c.UID)
		require.Equal(t, []time.Duration{61 * time.Second}, p.took, "From the first question to the last answer.")
		require.Equal(t, rollout.Findings{}, p.Findings(c.UID))
		p.requireNothingKept()
	})
}

func TestPoolBreaksOff(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		end    func(p *pooled, c *v1beta1.Canary)
		now    string // the round after that
	}{
		"AnotherRound": {reason: "what was asked about the former is void", now: "2", end: func(p *pooled, c *v1beta1.Canary) { p.Ask(c, questions("2", "quick")) }},
		"Forgotten":    {reason: "the Canary is gone", end: func(p *pooled, c *v1beta1.Canary) { p.Forget(c.UID) }},
	} {
		t.Run(name, func(t *testing.T) {
			inPool(t, func(p *pooled) {
				p.few(1, 0)
				c := canaryIn("test", "podinfo")
				p.Ask(c, questions("1", "quick", "hangs0", "hangs1"))
				p.settle(time.Minute)
				require.Equal(t, []string{"quick"}, p.answered(c))
				tc.end(p, c)
				p.settle(0)
				require.Equal(t, []string{"test/podinfo hangs0"}, p.cut, tc.reason)
				require.NotContains(t, p.asked, "test/podinfo hangs1", "What has waited for a slot is not asked any more.")
				require.Equal(t, tc.now, p.Findings(c.UID).Round)
				require.NotContains(t, p.answered(c), "hangs0", "What was broken off is no answer.")
				require.Empty(t, p.took, "It was not answered.")
				p.Forget(c.UID)
				p.settle(0)
				p.requireNothingKept()
			})
		})
	}
}

// TestPoolWakesForThePresentRound has an answer arrive when nobody asks for it any more.
func TestPoolWakesForThePresentRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deaf := make(chan struct{})
		p := NewPool(func(*v1beta1.Canary) Answer {
			return func(context.Context, rollout.Question) rollout.Finding { <-deaf; return rollout.Finding{} }
		})
		p.Wake = func(context.Context, types.NamespacedName) { t.Error("nobody waits for it") }
		ctx, end := context.WithCancel(t.Context())
		defer end()
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		c := canaryIn("test", "podinfo")
		p.Ask(c, questions("1", "gate"))
		synctest.Wait()
		p.Forget(c.UID)
		p.Ask(c, questions("2", "gate"))
		end() // of the process: what is answered after that is not kept either
		close(deaf)
		require.NoError(t, <-ended)
		require.Empty(t, p.Findings(c.UID).Answers)
	})
}

// TestPoolIsFair has namespaces with questions that hang, and one more whose question is to be answered at once.
func TestPoolIsFair(t *testing.T) {
	for name, tc := range map[string]struct {
		reason     string
		namespaces int // with questions that hang
		canaries   int // in each
		each       int // questions of each
		victim     int // questions
		want       int // of the victim's, answered at once
	}{
		"OneCanary":     {reason: "one with more hooks than there are slots", namespaces: 1, canaries: 1, each: 1000, victim: 50, want: 50},
		"ManyCanaries":  {reason: "one with many Canaries", namespaces: 1, canaries: 200, each: 5, victim: 50, want: 50},
		"ManyTenants":   {reason: "nearly all shared slots are taken, and own ones are not", namespaces: 100, canaries: 1, each: 600, victim: 4, want: 4},
		"BeyondTheOwn":  {reason: "what goes beyond its own slots gets through one after the other", namespaces: 100, canaries: 1, each: 600, victim: 50, want: 50},
		"NoneInTheWay":  {reason: "what one has alone", namespaces: 0, victim: 300, want: 300},
		"Uninvolved":    {reason: "those who ask little take nothing away", namespaces: 300, canaries: 1, each: 1, victim: 50, want: 50},
		"WithinTheOwns": {reason: "those who need their own slots only neither", namespaces: 300, canaries: 2, each: 2, victim: 50, want: 50},
	} {
		t.Run(name, func(t *testing.T) {
			inPool(t, func(p *pooled) {
				for n := range tc.namespaces {
					for i := range tc.canaries {
						p.Ask(canaryIn(fmt.Sprint("tenant", n), fmt.Sprint(i)), several(tc.each, "hangs"))
					}
				}
				p.settle(0)
				victim := canaryIn("victim", "podinfo")
				p.Ask(victim, several(tc.victim, "quick"))
				p.settle(0)
				require.Len(t, p.answered(victim), tc.want, tc.reason)
				require.Equal(t, []string{"victim/podinfo"}, p.woken)
				for n := range tc.namespaces {
					require.LessOrEqual(t, p.slots.Held(fmt.Sprint("tenant", n)), ownSlots+sharedSlots/2, "One may not have more than half.")
				}
			})
		})
	}
}

// TestPoolTakesTurns has one slot for all: who asks one thing is not behind those who ask many.
func TestPoolTakesTurns(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		many   *v1beta1.Canary
		one    *v1beta1.Canary
	}{
		"Namespaces": {reason: "namespaces take turns", many: canaryIn("a", "podinfo"), one: canaryIn("b", "podinfo")},
		"Canaries":   {reason: "so do the Canaries of one", many: canaryIn("a", "podinfo"), one: canaryIn("a", "other")},
	} {
		t.Run(name, func(t *testing.T) {
			inPool(t, func(p *pooled) {
				p.few(0, 1)
				p.Ask(tc.many, several(100, "second"))
				p.Ask(tc.one, questions("1", "quick"))
				p.settle(2 * time.Second)
				require.Equal(t, []string{"quick"}, p.answered(tc.one), tc.reason)
				p.settle(100 * time.Second)
				require.Len(t, p.answered(tc.many), 100)
			})
		})
	}
}

func TestPoolAsksOnceItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		p := NewPool(func(*v1beta1.Canary) Answer {
			return func(context.Context, rollout.Question) rollout.Finding { asked++; return rollout.Finding{} }
		})
		c := canaryIn("test", "podinfo")
		p.Ask(c, questions("1", "gate"))
		synctest.Wait()
		require.Zero(t, asked, "another replica may still be at work")
		require.True(t, p.UnderWay(c.UID, questions("1", "gate")))
		ctx, end := context.WithCancel(t.Context())
		defer end()
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		synctest.Wait()
		require.Equal(t, 1, asked)
		end()
		require.NoError(t, <-ended)
		p.Ask(c, questions("2", "gate"))
		synctest.Wait()
		require.Equal(t, 1, asked, "nor any more after its end")
	})
}

func TestPoolEnds(t *testing.T) {
	inPool(t, func(p *pooled) {
		c := canaryIn("test", "podinfo")
		p.Ask(c, several(3, "hangs"))
		p.settle(time.Minute)
		p.end()
		p.settle(0)
		require.Len(t, p.cut, 3)
		require.Empty(t, p.answered(c), "calls that were cut short because this process ends would be counted against the canary")
		require.Empty(t, p.woken)
	})
}

func TestPanicInPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(func(*v1beta1.Canary) Answer {
			return func(context.Context, rollout.Question) rollout.Finding { panic("no answer\nat all") }
		})
		ctx, end := context.WithCancel(t.Context())
		defer end()
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		c := canaryIn("test", "podinfo")
		p.Ask(c, questions("1", "gate"))
		synctest.Wait()
		want := rollout.Finding{Verdict: v1beta1.Failed, Message: "panic: no answer at all"}
		require.Equal(t, want, p.Findings(c.UID).Answers["gate"], "It is a failed check, and not the end of the process.")
		require.True(t, p.slots.Idle())
		end()
		require.NoError(t, <-ended)
	})
}

// running is a cluster whose Jobs run until they are told to end. It takes its time to make one that is named slow.
type running struct {
	ended atomic.Bool
	made  chan struct{}
}

func (r *running) Do(_ context.Context, method, path string, body []byte) ([]byte, error) {
	switch {
	case method == http.MethodPost && strings.Contains(string(body), "podinfo-slow"):
		<-r.made
		return nil, nil
	case method == http.MethodPost:
		return nil, nil
	case strings.Contains(path, "/pods"):
		return []byte(`{"kind":"PodList"}`), nil
	case r.ended.Load():
		return []byte(`{"kind":"Job","status":{"conditions":[{"type":"Complete","status":"True"}]}}`), nil
	}
	return []byte(`{"kind":"Job"}`), nil
}

func TestJobHoldsNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := v1beta1.MetricTemplateSpec{Provider: v1beta1.MetricProvider{Type: "job"}, Job: &runtime.RawExtension{Raw: []byte(`{"spec":{}}`)}}
		a, cluster := impatient(""), &running{made: make(chan struct{})}
		a.Library, a.Cluster = &shelf{templates: map[string]v1beta1.MetricTemplateSpec{"test/here": job}}, cluster
		p := NewPool(a.Round)
		p.few(1, 0)
		ctx, end := context.WithCancel(t.Context())
		defer end()
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		c, smoke, slow := podinfo(), referring("here"), referring("here")
		smoke.Name, slow.Name = "smoke", "slow"
		p.Ask(c, rollout.Questions{Round: "1", Asked: []rollout.Question{
			{Key: "metric/smoke", Metric: &smoke}, {Key: "hook/gate", Hook: &v1beta1.CanaryWebhook{Name: "gate", URL: "nowhere"}},
			{Key: "metric/slow", Metric: &slow},
		}})
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Len(t, p.Findings(c.UID).Answers, 1, "The only slot is free while the Job runs.")
		require.Equal(t, 1, p.slots.Held("test"), "It is given back once, and holds who is being asked.")
		cluster.ended.Store(true)
		close(cluster.made)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, p.Findings(c.UID).Answers, 3)
		require.Equal(t, v1beta1.Passed, p.Findings(c.UID).Answers["metric/smoke"].Verdict, p.Findings(c.UID).Answers["metric/smoke"].Message)
		require.True(t, p.slots.Idle())
		end()
		require.NoError(t, <-ended)
	})
}

// TestStartIsSpread has a thousand checks due at a start: they begin over a tenth of the interval, each Canary's always at the
// same moment, and what is asked later begins at once.
func TestStartIsSpread(t *testing.T) {
	inPool(t, func(p *pooled) {
		p.Spread = true
		start := time.Now()
		for i := range 1000 {
			c := canaryIn("team", fmt.Sprint("app-", i))
			c.Spec.Analysis = &v1beta1.CanaryAnalysis{Interval: "100s"}
			p.Ask(c, questions("1", "at-once"))
		}
		counts := make([]int, 11)
		for second := range counts {
			synctest.Wait()
			p.mu.Lock()
			counts[second] = len(p.asked)
			p.mu.Unlock()
			time.Sleep(time.Second)
		}
		require.Equal(t, 11*time.Second, time.Since(start))
		require.Less(t, counts[0], 20, "not all at once")
		require.InDelta(t, 500, counts[5], 100, "but evenly")
		require.Equal(t, 1000, counts[10], "within a tenth of the interval")
		late := canaryIn("team", "late")
		late.Spec.Analysis = &v1beta1.CanaryAnalysis{Interval: "100s"}
		p.Ask(late, questions("1", "at-once"))
		synctest.Wait()
		require.Len(t, p.asked, 1001)
	})
}

func TestSpread(t *testing.T) {
	c := canaryIn("team", "app")
	require.Zero(t, spread(c))
	c.Spec.Analysis = &v1beta1.CanaryAnalysis{Interval: "10h"}
	require.Equal(t, spread(c), spread(c.DeepCopy()))
	require.Less(t, spread(c), longestSpread, "of a long interval it is a minute")
	c.Spec.Analysis.Interval = "often"
	require.Zero(t, spread(c))
}
