package simulate

import (
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// adds are the writes that make what must be there, before anything is taken away: pods and sizes
// first, then the traffic to them.
func (o *Operator) adds(v view) []func() {
	var writes []func()
	if size, due := o.primarySize(v); due {
		writes = append(writes, func() { o.render(v.intent.Primary, size) })
	}
	if size := o.targetSize(v); size > v.Target.Replicas {
		writes = append(writes, func() {
			o.w.resize(&o.w.target, size)
			wrote(o, &o.targets, "the target was started")
		})
	}
	if size := v.intent.PrimaryMinimum; v.Primary.Health != rollout.Absent && v.Primary.Replicas < size {
		writes = append(writes, func() {
			o.w.resize(&o.w.primary, size)
			wrote(o, &o.primaries, "the primary grew")
		})
	}
	if o.w.scaling && v.net.guard != v.intent.AutoscalerMinimum {
		writes = append(writes, func() {
			o.w.guard = v.intent.AutoscalerMinimum
			wrote(o, &o.nets, "the autoscaler was bounded")
		})
	}
	return append(writes, o.reroutes(v)...)
}

// reroutes are the writes that move traffic: the Service and the routes are two objects.
func (o *Operator) reroutes(v view) []func() {
	want := o.split(v)
	var writes []func()
	if v.net.apex != want.apex {
		writes = append(writes, func() {
			s := o.w.net.split
			s.apex = want.apex
			o.w.route(s)
			wrote(o, &o.nets, "the Service was switched")
		})
	}
	routes := want
	if routes.apex = v.net.apex; v.net.split != routes {
		writes = append(writes, func() {
			routes.apex = o.w.net.apex
			o.w.route(routes)
			wrote(o, &o.nets, "the routes were written")
		})
	}
	return writes
}

// primarySize is the size the primary must get, if it must be written at all.
func (o *Operator) primarySize(v view) (int32, bool) {
	i := v.intent
	if i.Primary == "" || v.Target.Health == rollout.Absent && !rendersFromHistory(v) {
		return 0, false
	}
	if v.Target.Revision != i.Primary && o.without != SameTemplate && !rendersFromHistory(v) {
		return 0, false
	}
	if v.Primary.Health == rollout.Absent {
		return max(v.Target.Replicas, 1), true
	}
	size := v.Primary.Replicas
	if v.status.Promoting != "" && !o.w.scaling {
		size = max(v.Target.Replicas, v.status.PrimaryReplicas, 1)
	}
	return size, v.Primary.Revision != i.Primary || size != v.Primary.Replicas
}

// render gives the primary a template.
func (o *Operator) render(revision string, size int32) {
	if o.without == SameTemplate && !o.w.revisions[revision] {
		revision = o.w.target.revision
	}
	o.w.checkRendered(revision)
	o.w.toldSinceMove = nil // a primary written anew may have the same trouble again
	o.w.replace(&o.w.primary, revision)
	o.w.primary.set(o.w, revision, size)
	wrote(o, &o.primaries, "the primary was written")
}

// targetSize is the size the target must have while it runs.
func (o *Operator) targetSize(v view) int32 {
	if !v.intent.Canary || v.Target.Health == rollout.Absent {
		return 0
	}
	if v.Target.Replicas == 0 && v.intent.TargetMinimum > 0 && !v.intent.Exact {
		return max(v.intent.TargetMinimum, v.status.PrimaryReplicas, 1)
	}
	return v.intent.TargetMinimum
}

// removes says that a side has to be stopped, or to shrink, and may.
func (o *Operator) removes(v view) bool {
	return o.stops(v) || v.Routed && (o.shrinksPrimary(v) || o.shrinksTarget(v))
}

func (o *Operator) stops(v view) bool { return !v.intent.Canary && v.Routed && v.Target.Replicas > 0 }

func (o *Operator) shrinksPrimary(v view) bool {
	return v.intent.Exact && v.Primary.Replicas > v.intent.PrimaryMinimum && v.Target.Available >= v.intent.TargetMinimum
}

func (o *Operator) shrinksTarget(v view) bool {
	return v.intent.Exact && v.intent.Canary && v.Target.Replicas > v.intent.TargetMinimum && v.Primary.Available >= v.intent.PrimaryMinimum
}

func (o *Operator) shrink(v view) {
	switch {
	case o.stops(v):
		o.w.resize(&o.w.target, 0)
		o.w.target.blamed = false
		wrote(o, &o.targets, "the target was stopped")
	case o.shrinksPrimary(v):
		if left := v.intent.PrimaryMinimum + v.Target.Available; left < v.status.PrimaryReplicas {
			o.w.violated("rule 13: the primary shrinks, and %d pods of %d are left", left, v.status.PrimaryReplicas)
		}
		o.w.resize(&o.w.primary, v.intent.PrimaryMinimum)
		wrote(o, &o.primaries, "the primary shrank")
	default:
		o.w.resize(&o.w.target, v.intent.TargetMinimum)
		wrote(o, &o.targets, "the target shrank")
	}
}
