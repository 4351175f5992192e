package simulate

import (
	"encoding/json"
	"math"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// Protection is a part of a pass that can be left out, to see the rules break.
type Protection int

// The protections of a pass.
const (
	None         Protection = iota
	Routed                  // stop and decide only once the proxies have the routes
	Lock                    // a live Canary, and a status that is stored only over the one it was decided on
	LiveTarget              // the target is read live before anything follows from it
	OwnWrites               // the cache must know what we wrote ourselves
	OnePass                 // a pass that wrote does not decide
	SameTemplate            // the primary gets the revision that passed, not whatever the target has by now
	Judged                  // what the API server refuses does not keep a canary from being judged
)

// busy is how many passes a second are one too many: nothing changes so often by itself.
const busy = 60

// retryAfter is how many seconds later a refused write is tried again.
const retryAfter = 5

// Operator runs the machine against a World.
type Operator struct {
	w         *World
	without   Protection
	lag       float64 // chance that a cache does not move on when it could
	crash     float64 // chance to die after a write
	replyLoss float64 // chance that a write's answer is lost
	slow      int     // seconds that answers may take

	canaries  watch[canary]
	targets   watch[rollout.Workload]
	primaries watch[rollout.Workload]
	nets      watch[traffic]

	asking    rollout.Questions // under way; empty: none are
	askedOf   view              // what they are about
	answersAt int               // second at which the answers are there
	known     rollout.Findings
	answers   []answer // that known is made of

	notify func([]rollout.Notice) // hears what is said, once the status is stored

	timer int // second to wake up at; negative: never
	again bool
}

// view is what one pass has read.
type view struct {
	canary
	rollout.Snapshot
	intent rollout.Intent
	net    traffic
	// elsewhere says that the Canary was read before its status was about the present target.
	elsewhere bool
}

// interrupted ends a pass in the middle.
type interrupted struct{ restarted bool }

// NewOperator is an operator that has just started.
func NewOperator(w *World) *Operator {
	o := &Operator{w: w, timer: -1, again: true}
	o.publish()
	return o
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// publish makes the world's present versions known to the API's watchers.
func (o *Operator) publish() {
	if len(o.canaries.versions) == 0 || o.canaries.live().version != o.w.version {
		o.canaries.versions = append(o.canaries.versions, o.w.canary())
	}
	o.targets.publish(o.w.workload(&o.w.target))
	o.primaries.publish(o.w.workload(&o.w.primary))
	o.nets.publish(o.w.traffic())
}

// Second lets a second pass, and makes all passes that it gives cause for.
func (o *Operator) Second() {
	o.w.tick()
	o.Settle()
}

// Settle makes passes until none has a cause left.
func (o *Operator) Settle() {
	for n := 0; o.advanceCaches() || o.answersCome() || o.again || o.timer >= 0 && o.w.now >= o.timer; n++ {
		if n > busy {
			o.w.violated("the operator keeps itself busy: %d passes in one second", n)
			return
		}
		o.again, o.timer = false, -1
		o.passOrCrash()
	}
}

// advanceCaches moves the caches on and says whether there is an event. That pods cannot start is none: the
// workload's status does not change.
func (o *Operator) advanceCaches() bool {
	o.publish()
	was, were := o.targets.cached(), o.primaries.cached()
	events := o.canaries.advance(o.w, o.lag)
	events = o.nets.advance(o.w, o.lag) || events
	if o.targets.advance(o.w, o.lag) {
		events = causesEvent(was, o.targets.cached()) || events
	}
	if o.primaries.advance(o.w, o.lag) {
		events = causesEvent(were, o.primaries.cached()) || events
	}
	return events
}

func causesEvent(was, is rollout.Workload) bool {
	return is.Health != rollout.Stuck || was.Replicas != is.Replicas
}

// passOrCrash makes a pass that may be interrupted.
func (o *Operator) passOrCrash() {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case interrupted:
			o.resumeAfter(r)
		default:
			panic(r)
		}
	}()
	o.reconcile()
}

func (o *Operator) resumeAfter(i interrupted) {
	o.publish()
	if i.restarted {
		o.forgetAnswers()
		o.canaries.relist()
		o.targets.relist()
		o.primaries.relist()
		o.nets.relist()
	}
	o.setTimer(time.Second)
}

func (o *Operator) setTimer(d time.Duration) {
	if d > 0 {
		o.timer = o.w.now + int(math.Ceil(d.Seconds()))
	}
}

// retry sees to it that what was refused is tried again: that it may be made by now is no event.
func (o *Operator) retry(v view) {
	if again := o.w.now + retryAfter; len(v.Refused) > 0 && (o.timer < 0 || o.timer > again) {
		o.timer = again
	}
}

// wrote is called after each write, with the object that was written.
func wrote[T any](o *Operator, f *watch[T], why string) {
	o.publish()
	o.w.check(why)
	if o.w.rng.Float64() < o.replyLoss {
		o.w.replyLost = true
		panic(interrupted{})
	}
	f.own = f.last()
	if o.w.rng.Float64() < o.crash {
		panic(interrupted{restarted: true})
	}
}

// observe reads the facts of a pass; live says of what decides: the Canary and its target.
func (o *Operator) observe(live bool) view {
	c, target := o.canaries.cached(), o.targets.cached()
	if live && o.without != Lock {
		c = o.canaries.live()
	}
	if live && o.without != LiveTarget {
		target = o.targets.live()
	}
	c.plan = c.plan.For(c.status)
	v := view{canary: c, net: o.nets.cached(), intent: rollout.IntentOf(c.plan, c.status)}
	v.Snapshot = rollout.Snapshot{
		Now: o.w.time(), Plan: c.plan, Names: o.w.names, Generation: c.generation, Status: c.status,
		Revision: target.Revision, Target: target, Primary: o.primaries.cached(), Paused: c.paused, Deleting: c.deleting,
		Requested: c.requested, WaitedFor: o.w.waitedFor,
	}
	if started := c.status.StepStarted; started == nil || !started.Bake {
		v.Target.Crashed = ""
	}
	v.elsewhere = !o.readTarget(&v)
	if abandoned(v) {
		v.intent.Primary = ""
	}
	v.Target.Most = v.net.scaler.limit(v.intent.TargetMinimum, target.Available)
	if o.w.scaling {
		v.Primary.Most = mostScaled
	}
	v.intent = v.intent.Within(v.Target)
	o.recognise(&v)
	o.readHistory(&v, live)
	o.routed(&v)
	return v
}

// routed says whether the proxies took what the intent asks for, as reported or as may be assumed.
func (o *Operator) routed(v *view) {
	v.Routed, v.Trouble = v.net.split == o.split(*v), v.net.rejected
	v.Effective = epoch.Add(seconds(v.net.written))
	if o.w.reported {
		v.Routed = v.Routed && v.net.taken
	} else {
		v.Settles = epoch.Add(seconds(v.net.written + o.w.proxyDelay))
		v.Routed = v.Routed && v.Trouble == "" && !o.w.time().Before(v.Settles)
	}
	if o.without == Routed {
		v.Routed = true
	}
}

// split is where the intent wants requests to go. Routes that exist are never taken away.
func (o *Operator) split(v view) split {
	s := v.net.split
	if v.intent.KeepRouting {
		return s
	}
	s.apex, s.former = v.intent.Apex, false
	if t := v.intent.Traffic; t != nil && !v.plan.Swap && !v.plan.Ratio {
		s = split{apex: s.apex, routes: true, weight: t.Weight, matched: t.Matched, preview: t.Preview, insiders: t.PreviewOf, mirror: t.Mirror}
	}
	return s
}

func (o *Operator) fresh() bool {
	return o.without == OwnWrites || o.canaries.fresh() && o.targets.fresh() && o.primaries.fresh() && o.nets.fresh()
}

// reconcile thinks a pass through on the cache, and again on live reads if it would do anything.
func (o *Operator) reconcile() {
	if o.w.status.Phase == v1beta1.PhaseTerminated {
		return // it is gone
	}
	if !o.fresh() {
		o.setTimer(time.Second)
		return
	}
	v := o.observe(false)
	if v.elsewhere {
		o.setTimer(time.Second)
		return
	}
	if !o.moves(v) {
		return
	}
	for range 4 {
		if !o.fresh() {
			o.setTimer(time.Second)
			return
		}
		if v = o.observe(true); v.elsewhere {
			o.setTimer(time.Second)
			return
		}
		if !o.pass(v) {
			return
		}
		o.advanceCaches()
	}
	o.again = true
}

// moves says whether a pass would write or ask anything.
func (o *Operator) moves(v view) bool {
	if len(o.pending(&v)) > 0 || o.removes(v) && !o.refused(&v, shrunk(o, v)) {
		return true
	}
	o.retry(v)
	if o.without == Judged && len(v.Refused) > 0 {
		return false
	}
	d := rollout.Decide(v.Snapshot, o.known)
	if !d.Questions.Empty() {
		return !o.underWay(d.Questions)
	}
	o.setTimer(d.After)
	o.retry(v)
	return !same(d.Status, v.status)
}

// pass changes the world or decides; true asks for another one at once.
func (o *Operator) pass(v view) bool {
	adds := o.pending(&v)
	for _, write := range adds {
		write.do()
	}
	if len(adds) > 0 && o.without != OnePass {
		return false
	}
	if o.removes(v) && !o.refused(&v, shrunk(o, v)) {
		shrink(o, v)
		if o.without != OnePass {
			return false
		}
	}
	if o.without == OnePass {
		v.Routed = true
	}
	return o.decide(v)
}

func (o *Operator) decide(v view) bool {
	d := rollout.Decide(v.Snapshot, o.known)
	if !d.Questions.Empty() {
		o.ask(d.Questions, v)
		return false
	}
	o.setTimer(d.After)
	o.retry(v)
	if same(d.Status, v.status) {
		checkNothingTold(o.w, d)
		return false
	}
	if v.version != o.w.version && o.without != Lock {
		o.again = true
		return false
	}
	about := o.w.about
	o.w.record(v, d, o.answersTo(v))
	if o.w.about != about { // they are read by other names from now on
		o.targets, o.primaries = watch[rollout.Workload]{}, watch[rollout.Workload]{}
		o.publish()
	}
	o.forgetAnswers()
	if o.notify != nil {
		o.notify(d.Notices)
	}
	wrote(o, &o.canaries, "a status was stored")
	o.w.announce(d.Notices)
	return true
}

// stored is what a status looks like once it has been written and read back.
func stored(s v1beta1.CanaryStatus) (v1beta1.CanaryStatus, error) {
	var back v1beta1.CanaryStatus
	text, err := json.Marshal(s)
	if err != nil {
		return back, err
	}
	err = json.Unmarshal(text, &back)
	return back, err
}
