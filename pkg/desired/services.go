package desired

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// addServices renders the three Services.
func (r *Renderer) addServices(f *Facts, o *Objects) error {
	// Nobody asks for any, or nothing tells which labels or ports they should have.
	if f.Canary.WithoutServices() || f.Target == nil && f.Primary == nil {
		return nil
	}
	made, err := r.Kinds.Services(f.Canary, f.Workloads(), f.Intent.Apex, usersApex(f))
	if err != nil {
		return err
	}
	o.services.primary, o.services.canary = made[0], made[1]
	o.apply(made[0])
	o.apply(made[1])
	// Of the three only the apex moves users. It comes after the two that routes lead to.
	o.Apply = append(o.Apply, kube.Chain{{Object: made[2], Traffic: true}})
	o.Routes = append(o.Routes, made[2])
	return nil
}

// addFormerApex renders the apex Service that went with the target before, where that has another name: who asks for it gets the
// target before as soon as that can answer, and its primary until then. It stays, like every apex Service. One of the user's
// is given back with that target.
func (r *Renderer) addFormerApex(f *Facts, o *Objects) {
	was := f.Replaced
	if was == nil || was.Apex == nil || workload.NotControlled(was.Apex, f.Canary) || was.Primary == nil && !was.TargetReady {
		return
	}
	side := rollout.PrimarySide
	if was.TargetReady {
		side = rollout.TargetSide
	}
	w := workload.Workloads{Target: was.Target, Primary: was.Primary, ClusterIPs: map[string]string{was.Apex.Name: was.Apex.Spec.ClusterIP}}
	made, err := r.Kinds.Services(was.Canary, w, side, nil)
	if err != nil {
		return // nothing tells any more where it should lead, so that it stays
	}
	o.Apply = append(o.Apply, kube.Chain{{Object: made[2], Traffic: true}})
	o.Routes = append(o.Routes, made[2])
}

// usersApex is the apex Service where that is the user's own; nil: it is ours, or to be made.
func usersApex(f *Facts) *corev1.Service {
	if workload.NotControlled(f.Apex, f.Canary) {
		return f.Apex
	}
	return nil
}

// services are the two that routes lead to; nil: they are not known.
type services struct{ primary, canary runtime.ApplyConfiguration }

// ledTo are those that requests reach by the routes: where one of them is not as it should be, routes that were rendered
// for it are not applied. Others are only named, so that users can leave a side whose Service is in no good state.
func (s services) ledTo(t rollout.Traffic) kube.Chain {
	var reached kube.Chain
	if s.primary != nil && (t.Weight < 100 || t.Matched) {
		reached = append(reached, kube.Link{Object: s.primary, Earlier: true})
	}
	if s.canary != nil && (t.Weight > 0 || t.Mirror > 0) {
		reached = append(reached, kube.Link{Object: s.canary, Earlier: true})
	}
	return reached
}

// targetOrLike is a workload with the target's labels and ports: the target itself, or, when somebody deleted
// that in the middle of a rollout, what its primary still tells of it. Traffic must be moved all the same.
func targetOrLike(f *Facts) workload.Object {
	if f.Target != nil || f.Primary == nil {
		return f.Target
	}
	like, ok := f.Primary.DeepCopyObject().(workload.Object)
	if !ok {
		return nil
	}
	like.SetName(f.Canary.Spec.TargetRef.Name)
	// The map is that of the copy. With the target's value the rules tell the two sides apart as ever.
	labels := workload.SummaryOf(like).Selector.MatchLabels
	for k, val := range labels {
		labels[k] = strings.TrimSuffix(val, v1beta1.PrimarySuffix)
	}
	return like
}
