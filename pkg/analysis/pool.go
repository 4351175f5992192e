package analysis

import (
	"cmp"
	"context"
	"hash/fnv"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/fair"
	"github.com/sluice-cd/sluice/pkg/outbound"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// File pool.go has questions answered beside the passes over Canaries: a pass hands them over and ends.
//
//	Ask ─▶ waiting, by namespace and Canary ─▶ slot: under way ─▶ answered; the last one of a round wakes the Canary
//
// Of each Canary one round is kept, from its first question to the decision that is taken on its answers. None of it
// outlives the process: what was under way is asked again by the next.

// Slots are the right to have a question under way. It costs a connection and some 50 KiB, and mostly waits: slots
// bound memory and sockets, not work.
const (
	// ownSlots are what each namespace has, whatever others do.
	ownSlots = 4
	// sharedSlots are what all have beyond that.
	sharedSlots = 512
)

// Pool answers the questions of all Canaries, and keeps the answers. Make one with NewPool, and Run it.
type Pool struct {
	// Wake is told of a Canary when all that it asked has been answered, if it is set. It returns when ctx is done.
	Wake func(ctx context.Context, canary types.NamespacedName)
	// Spread has what is asked right after a start asked over a tenth of each Canary's interval, a minute at most: all checks
	// that came due while nobody worked would begin at once.
	Spread bool
	// Took is told how long it took to answer a round, when that is over, if it is set.
	Took func(time.Duration)

	begin func(*v1beta1.Canary) Answer

	mu      sync.Mutex
	ctx     context.Context // of all that is under way
	running bool
	started time.Time                    // when the first question came; zero: none has
	rounds  map[types.UID]*roundUnderWay // by Canary
	slots   *fair.Turns[*roundUnderWay]
	calls   sync.WaitGroup
}

// Answer finds the answer to a question of a round. Once ctx is done it says that it was broken off.
type Answer func(ctx context.Context, q rollout.Question) rollout.Finding

// roundUnderWay is the present round of a Canary.
type roundUnderWay struct {
	name    string
	canary  *v1beta1.Canary // as it was when the round began
	answer  Answer
	ctx     context.Context // nil: nothing was started yet
	cancel  context.CancelFunc
	asked   map[string]bool // by key
	waiting []rollout.Question
	answers map[string]rollout.Finding

	began, ended time.Time // of the first question, and of the last answer so far
}

// NewPool makes a pool that has the questions of a round answered by what begin makes of its Canary.
func NewPool(begin func(*v1beta1.Canary) Answer) *Pool {
	return &Pool{
		begin: begin, rounds: map[types.UID]*roundUnderWay{},
		slots: fair.NewTurns[*roundUnderWay](fair.NewShares(ownSlots, sharedSlots)),
	}
}

// Run answers what is asked until ctx is done. Then it breaks off what is under way, and returns when that has ended.
func (p *Pool) Run(ctx context.Context) error {
	p.mu.Lock()
	p.ctx, p.running = ctx, true
	p.dispatch()
	p.mu.Unlock()
	<-ctx.Done()
	p.mu.Lock()
	p.running = false
	p.mu.Unlock()
	p.calls.Wait()
	return nil
}

// Ask has those questions answered that are neither answered nor under way in this round of a Canary. Another round of
// it is broken off, and its answers are dropped.
func (p *Pool) Ask(c *v1beta1.Canary, q rollout.Questions) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rounds[c.UID]
	if r == nil || r.name != q.Round {
		p.drop(c.UID)
		r = &roundUnderWay{
			name: q.Round, canary: c, answer: p.begin(c), began: time.Now(),
			asked: map[string]bool{}, answers: map[string]rollout.Finding{},
		}
		p.rounds[c.UID] = r
	}
	queued := len(r.waiting) > 0
	for _, one := range q.Asked {
		if !r.asked[one.Key] {
			r.asked[one.Key] = true
			r.waiting = append(r.waiting, one)
		}
	}
	if !queued && len(r.waiting) > 0 {
		p.join(r)
	}
	p.dispatch()
}

// join has a round wait for slots, right after a start when its time has come.
func (p *Pool) join(r *roundUnderWay) {
	now := time.Now()
	if p.started.IsZero() {
		p.started = now
	}
	wait := p.started.Add(spread(r.canary)).Sub(now)
	if !p.Spread || wait <= 0 {
		p.slots.Join(r.canary.Namespace, r)
		return
	}
	time.AfterFunc(wait, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.rounds[r.canary.UID] == r {
			p.slots.Join(r.canary.Namespace, r)
			p.dispatch()
		}
	})
}

// longestSpread is when the last of the checks that are due at a start begins.
const longestSpread = time.Minute

// spread is when the checks of a Canary begin after a start, the same after each: within a tenth of its interval.
func spread(c *v1beta1.Canary) time.Duration {
	if c.Spec.Analysis == nil {
		return 0
	}
	interval, err := time.ParseDuration(cmp.Or(c.Spec.Analysis.Interval, "1m"))
	if err != nil {
		return 0
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(c.UID)) // it never fails
	return time.Duration(float64(min(interval/10, longestSpread)) * float64(hash.Sum32()) / (1 << 32))
}

// Findings are the answers to the present round of a Canary so far. Without one they have no round.
func (p *Pool) Findings(canary types.UID) rollout.Findings {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rounds[canary]
	if r == nil {
		return rollout.Findings{}
	}
	return rollout.Findings{Round: r.name, Answers: maps.Clone(r.answers)}
}

// UnderWay says that all questions were asked in this round of a Canary: those that are not answered yet will be.
func (p *Pool) UnderWay(canary types.UID, q rollout.Questions) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rounds[canary]
	return r != nil && r.name == q.Round &&
		!slices.ContainsFunc(q.Asked, func(one rollout.Question) bool { return !r.asked[one.Key] })
}

// Forget breaks off what is under way for a Canary, and drops its answers.
func (p *Pool) Forget(canary types.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(canary)
}

// ForgetAll does so for all Canaries.
func (p *Pool) ForgetAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for canary := range p.rounds {
		p.drop(canary)
	}
}

// drop ends the round of a Canary, if there is one.
func (p *Pool) drop(canary types.UID) {
	r := p.rounds[canary]
	if r == nil {
		return
	}
	delete(p.rounds, canary)
	if r.cancel != nil {
		r.cancel()
	}
	p.slots.Leave(r.canary.Namespace, r)
	if r.complete() && p.Took != nil {
		p.Took(r.ended.Sub(r.began))
	}
}

// complete says that all that was asked has been answered.
func (r *roundUnderWay) complete() bool { return len(r.answers) == len(r.asked) }

// dispatch starts what there are slots for.
func (p *Pool) dispatch() {
	for p.running {
		r, ok := p.slots.Next()
		if !ok {
			return
		}
		q := r.waiting[0]
		if r.waiting = r.waiting[1:]; len(r.waiting) > 0 {
			p.slots.Join(r.canary.Namespace, r)
		}
		p.start(r, q)
	}
}

// start has a question answered.
func (p *Pool) start(r *roundUnderWay, q rollout.Question) {
	if r.ctx == nil {
		log := logr.FromContextOrDiscard(p.ctx).WithValues("namespace", r.canary.Namespace, "name", r.canary.Name)
		r.ctx, r.cancel = context.WithCancel(outbound.For(logr.NewContext(p.ctx, log), r.canary.Namespace))
	}
	leave := sync.OnceFunc(func() { p.leave(r.canary.Namespace) })
	p.calls.Go(func() {
		f := r.ask(context.WithValue(r.ctx, slotKey{}, leave), q)
		leave()
		p.keep(r, q.Key, f)
	})
}

// leave gives a slot of a namespace back.
func (p *Pool) leave(namespace string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slots.Give(namespace)
	p.dispatch()
}

// ask finds an answer.
func (r *roundUnderWay) ask(ctx context.Context, q rollout.Question) (f rollout.Finding) {
	defer func() {
		if err := panicked(ctx, recover()); err != nil {
			f = failure(err)
		}
	}()
	return r.answer(ctx, q)
}

// keep keeps an answer, and wakes the Canary when it is the last one. A question that was broken off has none.
func (p *Pool) keep(r *roundUnderWay, key string, f rollout.Finding) {
	p.mu.Lock()
	// Cancelled under the lock where the round was dropped, and with everything else at the end of the process.
	brokenOff := r.ctx.Err() != nil
	if !brokenOff {
		r.answers[key], r.ended = f, time.Now()
	}
	last := r.complete()
	p.mu.Unlock()
	if !brokenOff && last && p.Wake != nil {
		p.Wake(r.ctx, types.NamespacedName{Namespace: r.canary.Namespace, Name: r.canary.Name})
	}
}

// slotKey is the key of a context for what gives the slot of its question back.
type slotKey struct{}

// leaveSlot gives the slot of the question back that ctx is about, while nothing is asked: what runs in the cluster is
// waited for.
func leaveSlot(ctx context.Context) {
	if leave, ok := ctx.Value(slotKey{}).(func()); ok {
		leave()
	}
}
