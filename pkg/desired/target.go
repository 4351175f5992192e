package desired

import (
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// addTarget scales the target. It only ever grows while its canary runs: an autoscaler may want more than we do.
func addTarget(f *Facts, o *Objects) {
	have, want := workload.SizeOf(f.Target), f.Intent.TargetMinimum
	switch {
	case rollout.SizeUnnoted(f.Snapshot):
		return // noted before it is lost
	case !f.Intent.Canary:
		stopTarget(f, have, o)
	case have >= want:
		// Larger than needed: left to the autoscaler, or the person, who wants that.
	case have == 0 && f.Primary == nil:
		// A target that was at zero before there was a primary is meant to be.
	case have == 0 && f.Intent.StartFull:
		o.apply(append(ledScaler(f), sized(f, f.Snapshot.Target.AtMost(max(want, workload.SizeOf(f.Primary)))))...)
		return
	default:
		o.apply(append(ledScaler(f), sized(f, want))...)
		return
	}
	o.apply(ledScaler(f)...)
}

// sized is the target at a size, and nothing else of it.
func sized(f *Facts, size int32) runtime.ApplyConfiguration {
	return UserFields(f.Kind.Scale(f.Target, size, nil))
}

// UserFields is a change of some fields of an object of the user's.
func UserFields(fields runtime.ApplyConfiguration) runtime.ApplyConfiguration {
	if _, ok := fields.(workload.Patch); ok {
		return kube.PartialMerge(fields)
	}
	return kube.Partial(fields)
}

// addSizes brings both sides to the sizes of the intent. Whatever grows does so at once; the other side shrinks when
// its counterpart has the pods, so that there are never fewer than before.
func addSizes(f *Facts, o *Objects) {
	i := f.Intent
	// Merged: an apply of the size alone would take away the rest of the primary, which is ours.
	if f.Primary != nil && i.PrimaryMinimum > 0 && workload.SizeOf(f.Primary) < i.PrimaryMinimum {
		o.apply(kube.PartialMerge(workload.PrimaryReplicas(f.Primary, i.PrimaryMinimum)))
	}
	if most := i.PrimaryMaximum; f.Primary != nil && most > 0 && workload.SizeOf(f.Primary) > most {
		o.stop(kube.PartialMerge(workload.PrimaryReplicas(f.Primary, most)))
	}
	// Not exact: sizes are the least that is needed, and whoever wants more may have it.
	if !i.Exact || f.Primary == nil || f.Target == nil || rollout.SizeUnnoted(f.Snapshot) {
		return
	}
	// Both in Stop, which is applied only once the apex Service is known to lead to both sides.
	if workload.SizeOf(f.Primary) > i.PrimaryMinimum && f.Snapshot.Target.Available >= i.TargetMinimum {
		o.stop(kube.PartialMerge(workload.PrimaryReplicas(f.Primary, i.PrimaryMinimum)))
	}
	if workload.SizeOf(f.Target) > i.TargetMinimum && f.Snapshot.Primary.Available >= i.PrimaryMinimum {
		o.stop(sized(f, i.TargetMinimum))
	}
}

// RestoreInfo is what a target carries of its stop; empty: nothing.
func RestoreInfo(target workload.Object) workload.RestoreInfo {
	if target == nil {
		return workload.RestoreInfo{}
	}
	s, _ := workload.RestoreInfoOf(target)
	return s
}

// stopTarget stops the target. One that is at zero already, as another controller or an older version has left it, is told
// what it is to come back with, once: the size that it carries stays, whatever its primary's becomes.
func stopTarget(f *Facts, have int32, o *Objects) {
	now := RestoreInfo(f.Target)
	if have == 0 && now.Size == 0 && f.Primary == nil {
		return // nobody knows its size
	}
	size := FullSize(f)
	if have == 0 && now.Size > 0 {
		size = now.Size
	}
	next := workload.RestoreInfoFor(f.Canary, size)
	next.Operator = f.Operator
	// At zero already, it is told again only what has changed: its Canary was made anew, or names other routes by now.
	if have == 0 && next.String() == now.String() {
		return
	}
	o.stop(UserFields(f.Kind.Scale(f.Target, 0, &next)))
}

// FullSize is the size at which the target serves everybody: that of the primary, as long as there is one.
func FullSize(f *Facts) int32 {
	if most := f.Intent.PrimaryMaximum; most > 0 {
		return most // which the primary is about to have
	}
	// One at least, since nothing that is given back can be of use at zero.
	size := max(f.Canary.Status.PrimaryReplicas, 1)
	if f.Primary != nil {
		return max(size, workload.SizeOf(f.Primary))
	}
	// The primary is gone, and with it what an autoscaler made of it: the most that anything remembers.
	return max(size, workload.SizeOf(f.Target), RestoreInfo(f.Target).Size)
}

// Started is the target at the size at which it serves everybody, with what it carries of its stop.
func Started(f *Facts) runtime.ApplyConfiguration {
	var carried *workload.RestoreInfo
	// Nil takes the annotation away: a workload that was never stopped gets none by being started.
	if s := RestoreInfo(f.Target); s.Size > 0 {
		carried = &s
	}
	return UserFields(f.Kind.Scale(f.Target, FullSize(f), carried))
}
