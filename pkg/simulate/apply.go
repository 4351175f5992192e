package simulate

import (
	"slices"

	"github.com/sluice-cd/sluice/pkg/rollout"
)

// object is what the API server may refuse to have changed.
type object string

// The objects of a rollout.
const (
	targetObject  object = "Deployment podinfo"
	primaryObject object = "Deployment podinfo-primary"
	scalerObject  object = "HorizontalPodAutoscaler podinfo-primary"
	ledObject     object = "HorizontalPodAutoscaler podinfo"
	apexObject    object = "Service podinfo"
	routesObject  object = "VirtualService podinfo"
)

func (o object) movesTraffic() bool { return o == apexObject || o == routesObject }

// write is one that a pass would make.
type write struct {
	object
	do func()
}

// pending are the writes that the API server takes; what it refuses becomes a fact of the view.
func (o *Operator) pending(v *view) []write {
	writes := o.adds(*v)
	return slices.DeleteFunc(writes, func(w write) bool { return o.refused(v, w.object) })
}

// refused says that the API server does not take a write.
func (o *Operator) refused(v *view, to object) bool {
	if o.w.refused[to] {
		v.Refuse(rollout.Refusal{Object: string(to), Verb: "patch", Text: "not here", MovesTraffic: to.movesTraffic()})
	}
	return o.w.refused[to]
}

// adds are the writes that make what must be there, before anything is taken away: pods and sizes
// first, then the traffic to them.
func (o *Operator) adds(v view) []write {
	var writes []write
	if abandoned(v) && v.Primary.Health != rollout.Absent {
		writes = append(writes, write{primaryObject, func() {
			o.w.primary.remove()
			wrote(o, &o.primaries, "the primary of an abandoned target was deleted")
		}})
	}
	if size, due := o.primarySize(v); due {
		writes = append(writes, write{primaryObject, func() { o.render(v.intent.Primary, size) }})
	}
	if led, due := o.ledScaler(v); due {
		writes = append(writes, write{ledObject, func() {
			o.w.scaler.lead(led)
			wrote(o, &o.nets, "the target's autoscaler was led")
		}})
	}
	if size := o.targetSize(v); size > v.Target.Replicas {
		writes = append(writes, write{targetObject, func() {
			o.resizeTarget(size)
			wrote(o, &o.targets, "the target was started")
		}})
	}
	if size := v.intent.PrimaryMinimum; v.Primary.Health != rollout.Absent && v.Primary.Replicas < size {
		writes = append(writes, write{primaryObject, func() {
			o.w.resize(&o.w.primary, size)
			wrote(o, &o.primaries, "the primary grew")
		}})
	}
	if v.net.edited {
		writes = append(writes, write{scalerObject, func() {
			o.w.edited = false
			wrote(o, &o.nets, "the autoscaler was copied")
		}})
	}
	if o.w.scaling && v.net.guard != v.intent.AutoscalerMinimum {
		writes = append(writes, write{scalerObject, func() {
			o.w.guard = v.intent.AutoscalerMinimum
			wrote(o, &o.nets, "the autoscaler was bounded")
		}})
	}
	return append(writes, o.reroutes(v)...)
}

// reroutes are the writes that move traffic: the Service and the routes are two objects.
func (o *Operator) reroutes(v view) []write {
	want := o.split(v)
	var writes []write
	if v.net.apex != want.apex || !v.net.routes && v.net.former != want.former {
		writes = append(writes, write{apexObject, func() {
			s := o.w.net.split
			s.apex = want.apex
			s.former = s.former && (s.routes || want.former)
			o.w.route(s)
			wrote(o, &o.nets, "the Service was switched")
		}})
	}
	routes := want
	if routes.apex = v.net.apex; !want.routes {
		routes.former = v.net.former // there are none
	}
	if v.net.split != routes {
		writes = append(writes, write{routesObject, func() {
			routes.apex = o.w.net.apex
			o.w.route(routes)
			wrote(o, &o.nets, "the routes were written")
		}})
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
		if v.status.Promoting != v.status.LastPromotedSpec {
			size = max(size, rollout.WantedSize(v.status))
		}
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

// ledScaler is the minimum that the target's autoscaler must have, zero for its own, if it must be written at all.
func (o *Operator) ledScaler(v view) (int32, bool) {
	s := v.net.scaler
	switch {
	case s.most == 0:
		return 0, false
	case !v.intent.Canary:
		return 0, s.led > 0
	case v.status.LastPromotedSpec == "", s.taken():
		return 0, false
	}
	return min(v.intent.TargetMinimum, s.most), s.least < min(v.intent.TargetMinimum, s.most)
}

// targetSize is the size the target must have while it runs.
func (o *Operator) targetSize(v view) int32 {
	if !v.intent.Canary || v.Target.Health == rollout.Absent || rollout.SizeUnnoted(v.Snapshot) {
		return 0
	}
	if v.Target.Replicas == 0 && v.intent.StartFull {
		return v.Target.AtMost(max(v.intent.TargetMinimum, v.status.PrimaryReplicas, 1))
	}
	return v.intent.TargetMinimum
}

// removes says that a side has to be stopped, or to shrink, and may.
func (o *Operator) removes(v view) bool {
	return o.resizes(v) || deletesFormer(o, v)
}

func (o *Operator) resizes(v view) bool {
	return o.stops(v) || v.Routed && (o.promotedTooLarge(v) || o.shrinksPrimary(v) || o.shrinksTarget(v))
}

// promotedTooLarge says that a primary has the traffic back and is to have fewer pods from now on.
func (o *Operator) promotedTooLarge(v view) bool {
	return v.intent.PrimaryMaximum > 0 && v.Target.Health != rollout.Absent && v.Primary.Replicas > v.intent.PrimaryMaximum
}

// resizeTarget sets the target's size, which is the operator's own from then on.
func (o *Operator) resizeTarget(size int32) {
	o.w.resize(&o.w.target, size)
	o.w.target.ours = true
}

func (o *Operator) stops(v view) bool {
	return !v.intent.Canary && v.Routed && v.Target.Replicas > 0 && !rollout.SizeUnnoted(v.Snapshot)
}

func (o *Operator) shrinksPrimary(v view) bool {
	return v.intent.Exact && v.Primary.Replicas > v.intent.PrimaryMinimum && v.Target.Available >= v.intent.TargetMinimum
}

func (o *Operator) shrinksTarget(v view) bool {
	return v.intent.Exact && v.intent.Canary && !rollout.SizeUnnoted(v.Snapshot) && v.Target.Replicas > v.intent.TargetMinimum && v.Primary.Available >= v.intent.PrimaryMinimum
}

// shrunk is the workload that shrink would write to.
func shrunk(o *Operator, v view) object {
	if !o.stops(v) && (o.promotedTooLarge(v) || o.shrinksPrimary(v)) || !o.resizes(v) {
		return primaryObject
	}
	return targetObject
}

func shrink(o *Operator, v view) {
	switch {
	case !o.resizes(v):
		deleteFormer(o)
	case o.stops(v):
		o.resizeTarget(0)
		o.w.target.blamed = false
		wrote(o, &o.targets, "the target was stopped")
	case o.promotedTooLarge(v):
		o.w.resize(&o.w.primary, v.intent.PrimaryMaximum)
		wrote(o, &o.primaries, "the primary got its new size")
	case o.shrinksPrimary(v):
		if left := v.intent.PrimaryMinimum + v.Target.Available; left < v.status.PrimaryReplicas {
			o.w.violated("rule 13: the primary shrinks, and %d pods of %d are left", left, v.status.PrimaryReplicas)
		}
		o.w.resize(&o.w.primary, v.intent.PrimaryMinimum)
		wrote(o, &o.primaries, "the primary shrank")
	default:
		o.resizeTarget(v.intent.TargetMinimum)
		wrote(o, &o.targets, "the target shrank")
	}
}
