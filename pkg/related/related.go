// Package related reads what belongs to a Canary, for a look at it: its workloads, their pods and its Jobs.
package related

import (
	"context"
	"fmt"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/view"
)

// reading reads what belongs to a Canary. What cannot be read is said, and left out.
type reading struct {
	client.Reader
	mu    sync.Mutex
	found view.Objects
}

// pageSize is how many objects are asked for at once.
const pageSize = 500

// Objects are a Canary and what belongs to it, read at once.
func Objects(ctx context.Context, reader client.Reader, c *v1beta1.Canary) view.Objects {
	r := &reading{Reader: reader, found: view.Objects{Canary: c}}
	var all sync.WaitGroup
	for _, name := range []string{c.Spec.TargetRef.Name, c.PrimaryWorkload()} {
		all.Go(func() { defer r.recovered(); r.side(ctx, name) })
	}
	all.Go(func() {
		defer r.recovered()
		jobs := &batchv1.JobList{}
		if r.list(ctx, "jobs", jobs, client.MatchingLabels{"app.kubernetes.io/managed-by": "sluice"}) {
			r.add(func(o *view.Objects) { o.Jobs = jobs.Items })
		}
	})
	all.Wait()
	return r.found
}

// recovered notes a panic: who looks at a Canary does not end a program that does more than that.
func (r *reading) recovered() {
	if found := recover(); found != nil {
		r.add(func(o *view.Objects) { o.Unread = append(o.Unread, fmt.Sprintf("panic: %v", found)) })
	}
}

// add adds what was found.
func (r *reading) add(what func(*view.Objects)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	what(&r.found)
}

// side reads one workload and its pods.
func (r *reading) side(ctx context.Context, name string) {
	key := client.ObjectKey{Namespace: r.found.Canary.Namespace, Name: name}
	switch r.found.Canary.Spec.TargetRef.Kind {
	case "Deployment":
		d := &appsv1.Deployment{}
		if !r.read("deployments", r.Get(ctx, key, d)) {
			return
		}
		sets := &appsv1.ReplicaSetList{}
		selector := r.selector(d.Spec.Selector)
		if selector == nil || !r.list(ctx, "replicasets", sets, selector) {
			return
		}
		r.add(func(o *view.Objects) {
			o.Deployments, o.ReplicaSets = append(o.Deployments, *d), append(o.ReplicaSets, sets.Items...)
		})
		r.pods(ctx, selector)
	case "DaemonSet":
		d := &appsv1.DaemonSet{}
		if !r.read("daemonsets", r.Get(ctx, key, d)) {
			return
		}
		r.add(func(o *view.Objects) { o.DaemonSets = append(o.DaemonSets, *d) })
		if selector := r.selector(d.Spec.Selector); selector != nil {
			r.pods(ctx, selector)
		}
	}
}

func (r *reading) pods(ctx context.Context, selector client.ListOption) {
	pods := &corev1.PodList{}
	if r.list(ctx, "pods", pods, selector) {
		r.add(func(o *view.Objects) { o.Pods = append(o.Pods, pods.Items...) })
	}
}

// selector selects what a workload does; nil: it cannot be read.
func (r *reading) selector(s *metav1.LabelSelector) client.ListOption {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		r.read("selector", err)
		return nil
	}
	return client.MatchingLabelsSelector{Selector: selector}
}

// list reads a page of objects: a screen has no room for more.
func (r *reading) list(ctx context.Context, what string, list client.ObjectList, selector client.ListOption) bool {
	return r.read(what, r.List(ctx, list, client.InNamespace(r.found.Canary.Namespace), client.Limit(pageSize), selector))
}

// read notes an error. What is not there is no error: a primary comes later.
func (r *reading) read(what string, err error) bool {
	switch {
	case err == nil:
		return true
	case apierrors.IsNotFound(err):
		return false
	}
	reason := string(apierrors.ReasonForError(err))
	if reason == "" {
		reason = "not read"
	}
	r.add(func(o *view.Objects) { o.Unread = append(o.Unread, fmt.Sprintf("%s: %s", what, reason)) })
	return false
}
