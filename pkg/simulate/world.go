package simulate

import (
	"math/rand/v2"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// noReason is the trouble of pods that do not become ready and do not say why.
const noReason = "silent"

// split is where requests go: by the apex Service, or by routes where there are any.
type split struct {
	apex   rollout.Side
	routes bool
	weight int

	matched  bool // only some of the requests are asked about
	preview  bool
	insiders int // step whose insiders they are; zero: those of the analysis
	mirror   int

	former bool // the Services select what is left of the target before
}

// pendingSplit is a split that the proxies take at some second.
type pendingSplit struct {
	split
	due int
}

// network is what was written about traffic, and what the proxies make of it.
type network struct {
	split
	seen    []split        // in force, as far as anybody knows
	pending []pendingSplit // written and not yet taken
	written int
}

// World is everything outside the machine.
type World struct {
	rng   *rand.Rand
	plan  rollout.Plan
	names rollout.Names

	now     int // seconds since the start
	target  workload
	primary workload
	former  *former // that was replaced; nil: nothing is left of it
	named   int     // number of the target that the spec names
	about   int     // and of the one that the status is about
	others  int     // targets that were made since
	net     network
	guard   int32 // the primary's autoscaler keeps at least so many
	scaling bool  // there are autoscalers
	scaler  scaler
	edited  bool // that of the target was edited, and its copy for the primary is to follow

	status     v1beta1.CanaryStatus // as stored
	version    int                  // of the Canary
	generation int64
	paused     bool
	deleting   bool // the Canary goes, and gives its target back first
	requested  rollout.Requested
	waitedFor  bool   // the Canary is annotated so that tools wait for its rollouts
	crashed    string // how a container of the canary has ended while it baked

	upgrades      int                       // of the API server
	copied        string                    // revision that another controller made the primary from
	trouble       map[string]string         // revisions, or sides, whose pods do not become ready, and why
	bad           map[string]bool           // revisions whose checks fail
	flaky         float64                   // chance that a check fails by itself
	failures      int                       // checks that will fail, whatever the revision
	refused       map[object]bool           // objects whose writes the API server does not take
	rejected      string                    // why the proxies refuse routes; empty: they do not
	gates         map[v1beta1.HookType]bool // hooks that do not agree
	rollbackAsked bool                      // rollback hooks ask for one
	metricVerdict v1beta1.Verdict           // of metrics that do not fail; empty: they pass
	// answers says what is answered to all questions; nil: what stands above does.
	answers func(rollout.Question, view) rollout.Finding

	proxyDelay int  // seconds that proxies need at most
	podStart   int  // seconds that a pod needs at least
	podJitter  int  // and how many more at most
	reported   bool // proxies say when they took the routes; else that is assumed after slow seconds

	history
	rules
}

// Epoch is when every run begins.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// New is a world in which the target serves users and the Canary has just been created.
func New(plan rollout.Plan, seed uint64) *World {
	w := &World{
		rng:        rand.New(rand.NewPCG(seed, 1)),
		plan:       plan,
		names:      rollout.Names{Namespace: "test", Canary: "podinfo", Kind: "Deployment", Target: "podinfo", Primary: "podinfo-primary"},
		generation: 1,
		trouble:    map[string]string{},
		bad:        map[string]bool{},
		gates:      map[v1beta1.HookType]bool{},
		refused:    map[object]bool{},
		podStart:   2,
		reported:   true,
	}
	w.target.name, w.primary.name = "target", "primary"
	w.target.set(w, rollout.RevisionPrefix+"v1", 2)
	for i := range w.target.pods {
		w.target.pods[i].ready = true
	}
	w.net.seen = []split{w.net.split}
	w.passed = map[string]bool{}
	return w
}

// delay is how long the next pod takes to become ready.
func (w *World) delay() int {
	if w.podJitter == 0 {
		return w.podStart
	}
	return w.podStart + w.rng.IntN(w.podJitter+1)
}

// troubleOf is why pods of a revision do not become ready on one side; empty when they do.
func (w *World) troubleOf(side, revision string) string {
	if why := w.trouble[side]; why != "" {
		return why
	}
	return w.trouble[template(revision)]
}

func (w *World) time() time.Time { return epoch.Add(time.Duration(w.now) * time.Second) }

// tick lets a second pass.
func (w *World) tick() {
	w.now++
	w.target.tick(w)
	w.primary.tick(w)
	if w.former != nil {
		w.former.target.tick(w)
		w.former.primary.tick(w)
	}
	w.takeRoutes()
	if w.scaling {
		w.autoscale()
	}
	w.scaler.scale(w)
	w.recordHealth(&w.target)
	w.recordHealth(&w.primary)
	w.expire(w.primary.observe(w))
	w.check("a second passed")
}

// takeRoutes has the proxies take what is due.
func (w *World) takeRoutes() {
	for w.rejected == "" && len(w.net.pending) > 0 && w.net.pending[0].due <= w.now {
		w.net.seen = []split{w.net.pending[0].split}
		w.net.pending = w.net.pending[1:]
	}
}

// route writes a split.
func (w *World) route(s split) {
	w.net.split, w.net.written = s, w.now
	due := w.now
	if w.proxyDelay > 0 {
		due += w.rng.IntN(w.proxyDelay + 1)
	}
	if n := len(w.net.pending); n > 0 {
		due = max(due, w.net.pending[n-1].due)
	}
	w.net.pending = append(w.net.pending, pendingSplit{split: s, due: due})
	w.takeRoutes()
}

// mostScaled is the maximum of both sides' autoscalers.
const mostScaled = 5

// autoscale has the autoscalers follow the load, here by chance.
func (w *World) autoscale() {
	if w.primary.exists && (w.primary.size < w.guard || w.rng.Float64() < .05) {
		w.resize(&w.primary, max(w.guard, 1+w.rng.Int32N(mostScaled)))
	}
	if w.target.exists && w.target.size > 0 && w.rng.Float64() < .05 {
		w.resize(&w.target, 1+w.rng.Int32N(mostScaled))
	}
}

func (w *World) resize(s *workload, size int32) {
	if s.size != size {
		s.set(w, s.revision, size)
	}
}

// recordHealth keeps since when a side has its health.
func (w *World) recordHealth(s *workload) {
	if h := s.observe(w).Health; h != s.health {
		s.health, s.entered = h, w.now
	}
}

// reachable is who may be asked by users right now.
func (w *World) reachable() (target, primary bool) {
	all := append([]split{}, w.net.seen...)
	for _, p := range w.net.pending {
		all = append(all, p.split)
	}
	for _, s := range all {
		if s.former {
			continue
		}
		if s.routes {
			target, primary = target || s.weight > 0, primary || s.weight < 100 || s.matched
			continue
		}
		if s.apex == rollout.BothSides { // whoever has pods answers
			target, primary = target || w.primary.serving() == 0, primary || w.target.serving() == 0
			continue
		}
		target, primary = target || s.apex == rollout.TargetSide, primary || s.apex == rollout.PrimarySide
	}
	return target, primary
}
