package simulate

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// A spec may name another target. Targets are numbered; the world's target and primary are those that the status is about.

// former is what status.replaces names, and what the Services lead to until they are changed.
type former struct {
	number          int
	target, primary workload
	serving         bool // users have never left the target
}

func targetName(n int) v1beta1.TargetName {
	t := v1beta1.TargetName{Kind: "Deployment", Name: "podinfo"}
	if n > 0 {
		t.Name = fmt.Sprintf("podinfo-%d", n)
	}
	return t
}

// numberOf is the number of the target that a status is about.
func numberOf(s v1beta1.CanaryStatus) int {
	n := 0
	for s.Target != nil && *s.Target != targetName(n) {
		n++
	}
	return n
}

// Retarget has the spec name another target.
func (w *World) Retarget(n int) {
	w.named = n
	w.generation++
	w.version++
}

// swap follows a status that is about another target by now.
func swap(w *World, was, next v1beta1.CanaryStatus) {
	to := numberOf(next)
	if to == w.about {
		return
	}
	left := &former{number: w.about, target: w.target, primary: w.primary, serving: was.LastPromotedSpec == ""}
	target, primary := another(w)
	if f := w.former; f != nil && f.number == to {
		if primary = f.primary; f.target.exists { // nobody names what is not there
			target = f.target
		}
	}
	w.target, w.primary = target, primary
	switch {
	case next.Replaces == nil: // it was returned to, or nothing of it was left
		w.former = nil
		lead(w, false)
	case *next.Replaces == targetName(left.number):
		w.former = left
		lead(w, true)
	}
	w.about = to
	w.drop()
}

// another is a target that nobody has touched yet, and its primary, which is still to be made.
func another(w *World) (target, primary workload) {
	w.others++
	made := w.others * 1000 // none of them is one that was there before
	target = workload{name: w.target.name, recreates: w.target.recreates, made: made}
	target.set(w, w.hashed(w.target.revision), 2)
	if w.target.revision == "" {
		target.set(w, w.hashed(rollout.RevisionPrefix+"v1"), 2)
	}
	for i := range target.pods {
		target.pods[i].ready = true
	}
	return target, workload{name: w.primary.name, recreates: w.primary.recreates, made: made}
}

// lead says whether all that was written of traffic leads to the pods of the target before.
func lead(w *World, toFormer bool) {
	w.net.former = toFormer
	for i := range w.net.seen {
		w.net.seen[i].former = toFormer
	}
	for i := range w.net.pending {
		w.net.pending[i].former = toFormer
	}
}

// asksFormer says that requests may reach the primary before.
func asksFormer(w *World) bool {
	all := append([]split{w.net.split}, w.net.seen...)
	for _, p := range w.net.pending {
		all = append(all, p.split)
	}
	return slices.ContainsFunc(all, func(s split) bool { return s.former && (s.routes || s.apex != rollout.TargetSide) })
}

// checkFormer holds that users are not left with a primary that has no pods, while they could be with the new one.
func checkFormer(w *World, why string) {
	if w.former == nil {
		return
	}
	if p := &w.former.primary; asksFormer(w) && p.serving() == 0 && !p.blamed && w.primary.serving() > 0 {
		w.violated("rule 1: requests reach the primary of a former target without pods, after %s", why)
	}
}

// readTarget has a view be about the target of its status, and says whether the world has that at hand: another one is read
// by its name, which is looked for again.
func (o *Operator) readTarget(v *view) bool {
	if numberOf(v.status) != o.w.about {
		return false
	}
	name := targetName(o.w.about)
	v.Names.Target, v.Names.Primary = name.Name, name.Name+v1beta1.PrimarySuffix
	if v.named != o.w.about {
		to := targetName(v.named)
		v.Retargeted = &to
	}
	if f := o.w.former; f != nil {
		pods := f.primary.size
		if f.serving {
			pods = max(pods, f.target.size)
		}
		v.Replaced = &rollout.Replaced{Primary: o.w.workload(&f.primary), Pods: pods, Serving: f.serving && f.target.size > 0}
	}
	return true
}

// abandoned says that a target is left before any user has met it.
func abandoned(v view) bool { return v.Retargeted != nil && rollout.RoutingKept(v.status) }

// deletesFormer says that nobody needs the primary before any more.
func deletesFormer(o *Operator, v view) bool {
	f := o.w.former
	return f != nil && f.primary.exists && v.Routed && v.status.Replaces != nil && v.status.Phase != v1beta1.PhaseInitializing
}

func deleteFormer(o *Operator) {
	if asksFormer(o.w) {
		o.w.violated("rule 1: the primary of a former target is deleted with requests sent to it")
	}
	o.w.former.primary.remove()
	o.again = true // its event wakes the Canary
	wrote(o, &o.nets, "the primary before was deleted")
}

// retarget names another target now and then, or the one before. It draws by itself, so that other runs stay as they are.
func (s *randomRun) retarget() {
	if s.targets == nil || s.targets.Float64() >= .03 {
		return
	}
	s.w.toldSinceMove = nil
	switch s.targets.IntN(3) {
	case 0:
		s.w.Retarget(max(s.w.about-1, 0))
	default:
		s.w.Retarget(max(s.w.about, s.w.named) + 1)
	}
}

// newTargets draws whether a run names other targets, and when.
func newTargets(seed uint64) *rand.Rand {
	rng := rand.New(rand.NewPCG(seed, 3))
	if rng.IntN(5) > 0 {
		return nil
	}
	return rng
}
