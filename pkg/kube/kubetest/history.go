package kubetest

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Former templates are kept as Kubernetes does: of a Deployment in ReplicaSets
// without pods, of a DaemonSet in ControllerRevisions, the last of them up to
// revisionHistoryLimit, once the newest is up.

// counted is the annotation with the place of a ReplicaSet in the history.
const counted = "deployment.kubernetes.io/revision"

// defaultLimit is the revisionHistoryLimit of a workload that says nothing.
const defaultLimit = 10

// adopt has a ReplicaSet bear the annotations of its Deployment, and be the
// newest. Which annotations are not copied is the deployment controller's rule.
func (w *Workloads) adopt(ctx context.Context, d *appsv1.Deployment, rs *appsv1.ReplicaSet) error {
	sets, err := w.setsOf(ctx, d)
	if err != nil {
		return err
	}
	last := 0
	for i := range sets {
		if sets[i].UID != rs.UID {
			last = max(last, place(&sets[i]))
		}
	}
	want := maps.Clone(rs.Annotations)
	if want == nil {
		want = map[string]string{}
	}
	for k, v := range d.Annotations {
		if !strings.HasPrefix(k, "deployment.kubernetes.io/") && k != corev1.LastAppliedConfigAnnotation {
			want[k] = v
		}
	}
	want[counted] = strconv.Itoa(max(last+1, place(rs)))
	if maps.Equal(want, rs.Annotations) {
		return nil
	}
	before := rs.DeepCopy()
	rs.Annotations = want
	return w.client.Patch(ctx, rs, client.MergeFrom(before))
}

func place(rs *appsv1.ReplicaSet) int {
	n, err := strconv.Atoi(rs.Annotations[counted])
	if err != nil {
		return 0
	}
	return n
}

func (w *Workloads) setsOf(ctx context.Context, d *appsv1.Deployment) ([]appsv1.ReplicaSet, error) {
	sets := &appsv1.ReplicaSetList{}
	if err := w.live.List(ctx, sets, client.InNamespace(d.Namespace)); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(sets.Items, func(s appsv1.ReplicaSet) bool { return !metav1.IsControlledBy(&s, d) }), nil
}

// forget removes former ReplicaSets beyond the limit, the oldest first.
func (w *Workloads) forget(ctx context.Context, d *appsv1.Deployment, rs *appsv1.ReplicaSet) error {
	sets, err := w.setsOf(ctx, d)
	if err != nil {
		return err
	}
	sets = slices.DeleteFunc(sets, func(s appsv1.ReplicaSet) bool { return s.UID == rs.UID })
	slices.SortFunc(sets, func(a, b appsv1.ReplicaSet) int { return cmp.Compare(place(&a), place(&b)) })
	limit := int(ptr.Deref(d.Spec.RevisionHistoryLimit, defaultLimit))
	for i := range max(len(sets)-limit, 0) {
		if err := client.IgnoreNotFound(w.client.Delete(ctx, &sets[i])); err != nil {
			return err
		}
	}
	return nil
}

// keep makes the ControllerRevision of a DaemonSet's present template. One that
// is there already becomes the newest, and is not changed otherwise.
func (w daemons) keep(ctx context.Context, d *appsv1.DaemonSet, hash string) error {
	all, err := w.revisionsOf(ctx, d)
	if err != nil {
		return err
	}
	name, newest := d.Name+"-"+hash, int64(1)
	var known *appsv1.ControllerRevision
	for i := range all {
		if all[i].Name == name {
			known = &all[i]
		} else {
			newest = max(newest, all[i].Revision+1)
		}
	}
	if known != nil {
		if known.Revision >= newest {
			return nil
		}
		before := known.DeepCopy()
		known.Revision = newest
		return w.client.Patch(ctx, known, client.MergeFrom(before))
	}
	made, err := revisionOf(d, name, hash, newest)
	if err != nil {
		return err
	}
	if err := w.client.Create(ctx, made); !apierrors.IsAlreadyExists(err) {
		return err
	}
	return nil
}

func revisionOf(d *appsv1.DaemonSet, name, hash string, n int64) (*appsv1.ControllerRevision, error) {
	text, err := json.Marshal(d.Spec.Template)
	if err != nil {
		return nil, err
	}
	template := map[string]any{}
	if err := json.Unmarshal(text, &template); err != nil {
		return nil, err
	}
	template["$patch"] = "replace"
	raw, err := json.Marshal(map[string]any{"spec": map[string]any{"template": template}})
	labels := maps.Clone(d.Spec.Template.Labels)
	labels[appsv1.DefaultDaemonSetUniqueLabelKey] = hash
	return &appsv1.ControllerRevision{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: d.Namespace, Name: name, Labels: labels, Annotations: d.Annotations,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))},
		},
		Data:     runtime.RawExtension{Raw: raw},
		Revision: n,
	}, err
}

func (w *Workloads) revisionsOf(ctx context.Context, d *appsv1.DaemonSet) ([]appsv1.ControllerRevision, error) {
	list := &appsv1.ControllerRevisionList{}
	if err := w.live.List(ctx, list, client.InNamespace(d.Namespace)); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list.Items, func(r appsv1.ControllerRevision) bool { return !metav1.IsControlledBy(&r, d) }), nil
}

// forget removes former ControllerRevisions beyond the limit, the oldest first.
func (w daemons) forget(ctx context.Context, d *appsv1.DaemonSet) error {
	all, err := w.revisionsOf(ctx, d)
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b appsv1.ControllerRevision) int { return cmp.Compare(a.Revision, b.Revision) })
	limit := int(ptr.Deref(d.Spec.RevisionHistoryLimit, defaultLimit))
	for i := range max(len(all)-1-limit, 0) {
		if err := client.IgnoreNotFound(w.client.Delete(ctx, &all[i])); err != nil {
			return err
		}
	}
	return nil
}
