// Package desired renders the objects that a Canary calls for: its primary, the Services, copies of what belongs to the
// target, the routes.
//
// It is pure: facts and intent in, objects out. It is the only caller of what renders, in pkg/workload and pkg/router.
// What comes out is applied by pkg/kube.
package desired

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// Facts are what one pass has read of a Canary and of what belongs to it. Objects are nil where there is none, and may be
// the cache's own: nobody writes to them.
type Facts struct {
	Canary *v1beta1.Canary // with the target that its status is about, which its spec may not name any more
	// Live says that what a decision is about was read from the API server, and not from the cache.
	Live bool
	// Operator is who follows the Canary, of several that follow Canaries by their labels; empty: there is but one.
	Operator string

	Kind            workload.Kind
	Target, Primary workload.Object
	TargetUnread    bool                    // it could not be read: nobody knows whether there is one
	Previous        *corev1.PodTemplateSpec // that the primary returns to; nil: it does not
	Autoscaler      workload.Object         // of the target
	Apex            *corev1.Service
	TargetService   *corev1.Service                // of the target's side alone
	PrimaryService  *corev1.Service                // of the primary's side alone
	Budgets         []policyv1.PodDisruptionBudget // of the namespace
	RememberedSize  int32                          // of the primary when it was last there; zero: not known

	Configs     workload.Configs // that the target's pods refer to
	Copies      []ConfigCopy     // that the primary lacks
	CopiesReady bool             // they are all that the primary needs

	Replaced *Replaced // that status.replaces names; nil: it names none

	Router       router.Router
	RouteSources map[router.Ref]*unstructured.Unstructured // the user's objects that the routes are made from

	Snapshot rollout.Snapshot
	Intent   rollout.Intent
	// Refused is why the spec, or what it refers to, cannot be followed; nil: it can.
	Refused error
	// SchemaAfter is when the fields may be stored that Snapshot.SchemaMissing has; zero: an event will tell.
	SchemaAfter time.Duration

	Obsolete []workload.Object // what we have made and nothing calls for any more
	// Adopted are the user's own objects, by kind and name, that have a name which is called for: they are taken over.
	Adopted             map[v1beta1.MadeObject]workload.Object
	Prune               []v1beta1.MadeObject // what is recorded and no longer called for, to be deleted once the routes are in effect
	ClusterScopedRoutes []workload.Object    // of a Canary that is deleted, which nobody else would delete
	// NeedsFinalizer says that something of the Canary's would be left when it goes, because nothing can own it,
	// whatever its spec says about reverting.
	NeedsFinalizer bool
}

// Replaced is what is left of the target before, whose place the present one takes.
type Replaced struct {
	Canary          *v1beta1.Canary // as it was: with that target
	Target, Primary workload.Object // nil: it is gone
	TargetReady     bool            // the target could answer all requests
	Apex            *corev1.Service // that is not the present one and leads to either; nil: there is none
	Delete          bool            // nobody needs the primary any more, once the routes are in effect
}

// Leads says that users still find the primary, by an apex Service that is called for no longer.
func (r *Replaced) Leads() bool {
	return r.Primary != nil && r.Apex != nil && workload.Selects(r.Apex, r.Primary)
}

// ConfigCopy is a ConfigMap or Secret that the primary is to have a copy of.
type ConfigCopy struct {
	Source workload.Object
	Name   string // of the copy
	Sum    string // checksum of the content that was judged
}

// SelfVersioned is the kind of a target that keeps its revisions itself, and so is both sides of its rollout.
func (f *Facts) SelfVersioned() (workload.SelfVersioned, bool) {
	s, ok := f.Kind.(workload.SelfVersioned)
	return s, ok
}

// Promotes says that the primary is to be given what the target is now.
func (f *Facts) Promotes() bool {
	return f.Intent.Primary != "" && f.Intent.Primary == f.Snapshot.Revision
}

// Workloads are what tells how both sides are found.
func (f *Facts) Workloads() workload.Workloads {
	w := workload.Workloads{Target: f.Target, Primary: f.Primary, Previous: f.Previous}
	if f.TargetService != nil {
		w.TargetSelected = f.TargetService.Spec.Selector
	}
	if f.PrimaryService != nil {
		w.PrimarySelected = f.PrimaryService.Spec.Selector
	}
	w.ClusterIPs = map[string]string{}
	for _, s := range []*corev1.Service{f.Apex, f.PrimaryService, f.TargetService} {
		if s != nil {
			w.ClusterIPs[s.Name] = s.Spec.ClusterIP
		}
	}
	return w
}

// SelectedBy is the name of a Service of the Canary that selects the pods of a workload; empty: none does.
func (f *Facts) SelectedBy(o workload.Object) string {
	if o == nil {
		return ""
	}
	for _, s := range []*corev1.Service{f.Apex, f.PrimaryService, f.TargetService} {
		if s != nil && workload.Selects(s, o) {
			return s.Name
		}
	}
	return ""
}

// OwnServices are the Services that the Canary has made.
func (f *Facts) OwnServices() (own []*corev1.Service) {
	for _, s := range []*corev1.Service{f.Apex, f.PrimaryService, f.TargetService} {
		if s != nil && !workload.NotControlled(s, f.Canary) {
			own = append(own, s)
		}
	}
	return own
}

// LowerKind is the target's kind as messages have it.
func (f *Facts) LowerKind() string { return strings.ToLower(f.Canary.Spec.TargetRef.Kind) }
