package controller

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/sluice-cd/sluice/pkg/announce"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// view is what one pass has read, and what it makes of it.
type view struct {
	canary          *v1beta1.Canary
	kind            workload.Kind
	target, primary client.Object // nil: there is none
	configs         workload.Configs
	former          *corev1.PodTemplateSpec // that the primary returns to; nil: it does not
	scaler          client.Object           // of the target
	router          router.Router

	snapshot rollout.Snapshot
	intent   rollout.Intent
	refused  error // the spec, or what it refers to, cannot be followed

	routes []runtime.ApplyConfiguration // what moves traffic; part of add
	add    []runtime.ApplyConfiguration // what must be there
	remove []runtime.ApplyConfiguration // what must no longer run, once routed
	strays []client.Object              // what we have made and nothing calls for any more
	// lingers says that something of the Canary's would be left when it goes, because nothing can own it.
	// Then it needs the finalizer, whatever its spec says about reverting.
	lingers bool
	after   time.Duration // when to look again, as the decision has it; zero: an event will tell
}

// ask is what a decision needs to know. A Canary that is refused asks nothing.
func (v *view) ask() rollout.Questions {
	if v.refused != nil {
		return rollout.Questions{}
	}
	return rollout.Ask(v.snapshot)
}

func (v *view) decide(found rollout.Findings) rollout.Decision {
	if v.refused == nil {
		return rollout.Decide(v.snapshot, found)
	}
	d := rollout.Refuse(v.snapshot, v.refused)
	// Neither an API that is installed nor a right that is granted makes an event: these are tried again.
	switch missing := new(router.NotServedError); {
	case errors.As(v.refused, &missing):
		d.After = unserved
	case refusedByServer(v.refused):
		d.After = unwanted
	}
	return d
}

// rest is when to look again at what was viewed: when the decision said so, and no later than when the
// routes may be trusted, if something only waits for that to be stopped.
func (v *view) rest() reconcile.Result {
	s := v.snapshot
	if len(v.remove) == 0 || s.Routed || s.Settles.IsZero() {
		return reconcile.Result{RequeueAfter: v.after}
	}
	// No event comes when the settle delay is over: without this the target would run until something else happens.
	until := max(s.Settles.Sub(s.Now), time.Millisecond)
	if v.after > 0 {
		until = min(until, v.after)
	}
	return reconcile.Result{RequeueAfter: until}
}

// objects are all that the pass may write.
func (v *view) objects() []runtime.ApplyConfiguration {
	// A slice of its own: add may have room behind its end, which what is removed would be written into.
	return append(append([]runtime.ApplyConfiguration{}, v.add...), v.remove...)
}

// changed says whether a decision has to be stored.
func changed(before, after v1beta1.CanaryStatus) bool {
	return !equality.Semantic.DeepEqual(before, after)
}

// once reads each object live one time only: within one call, a moment ago is now. It keeps what a decision is about:
// the target, and the metadata of its configs.
type once struct {
	client.Reader
	seen map[string]glance
}

type glance struct {
	object client.Object
	at     time.Time
}

// freshFor bounds how long a read counts as live; asking a slow hook takes longer than that.
const freshFor = time.Second

// Get reads what was read just now from memory, and everything else live.
func (o *once) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	// The kind is part of it: metadata of a ConfigMap and of a Secret is of one Go type.
	name := fmt.Sprintf("%T %s %s", obj, obj.GetObjectKind().GroupVersionKind().Kind, key)
	// By the wall clock, not the rollout's: it is about how long ago a request was.
	if g, ok := o.seen[name]; ok && time.Since(g.at) < freshFor {
		reflect.ValueOf(obj).Elem().Set(reflect.ValueOf(g.object.DeepCopyObject()).Elem())
		return nil
	}
	// What is not there is not remembered: it may be made while the passes go on, and asking again is cheap.
	if err := o.Reader.Get(ctx, key, obj, opts...); err != nil {
		return err
	}
	if o.seen == nil {
		o.seen = map[string]glance{}
	}
	if seen, ok := obj.DeepCopyObject().(client.Object); ok {
		o.seen[name] = glance{object: seen, at: time.Now()}
	}
	return nil
}

// news is what a decision made of what was viewed. Of the workloads that is their templates: messages tell of images.
func (v *view) news(after *v1beta1.Canary, notices []rollout.Notice) announce.News {
	return announce.News{
		Before: v.canary.Status, Canary: after, Plan: v.snapshot.Plan, Notices: notices,
		Revision: v.snapshot.Revision, Target: announce.PodTemplate(v.target), Primary: announce.PodTemplate(v.primary),
	}
}
