package view

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Objects is a Canary and what a cluster has beside it. Objects that belong to others are passed over.
type Objects struct {
	Canary *v1beta1.Canary
	// Unread says what could not be read, and why.
	Unread      []string
	Deployments []appsv1.Deployment
	DaemonSets  []appsv1.DaemonSet
	ReplicaSets []appsv1.ReplicaSet
	Pods        []corev1.Pod
	Jobs        []batchv1.Job
}

// controlledBy says that an object is controlled by that of a UID.
func controlledBy(o metav1.Object, uid types.UID) bool {
	owner := metav1.GetControllerOfNoCopy(o)
	return owner != nil && owner.UID == uid
}

// deploymentRevision is the annotation with the place of a template in a Deployment's history.
const deploymentRevision = "deployment.kubernetes.io/revision"

// workload are the nodes of the workload of a name: of a Deployment its ReplicaSets, the newest first, without former ones that have no
// pods.
func (o *Objects) workload(name string) (nodes []Node) {
	for i := range o.Deployments {
		d := &o.Deployments[i]
		if d.Name != name || o.Canary.Spec.TargetRef.Kind != "Deployment" {
			continue
		}
		for j := range o.ReplicaSets {
			rs := &o.ReplicaSets[j]
			newest := rs.Annotations[deploymentRevision] == d.Annotations[deploymentRevision]
			if !controlledBy(rs, d.UID) || !newest && rs.Status.Replicas == 0 {
				continue
			}
			node := o.replicaSet(rs)
			node.newest = newest
			nodes = append(nodes, node)
		}
	}
	for i := range o.DaemonSets {
		if d := &o.DaemonSets[i]; d.Name == name && o.Canary.Spec.TargetRef.Kind == "DaemonSet" {
			node := o.daemonSet(d)
			node.newest = true
			nodes = append(nodes, node)
		}
	}
	slices.SortStableFunc(nodes, func(a, b Node) int {
		switch {
		case a.newest == b.newest:
			return b.Created.Compare(a.Created)
		case a.newest:
			return -1
		}
		return 1
	})
	return nodes
}

func (o *Objects) replicaSet(rs *appsv1.ReplicaSet) Node {
	n := Node{Kind: "ReplicaSet", Name: clean(rs.Name, mostName), Created: rs.CreationTimestamp.Time, Children: o.pods(rs.UID)}
	wanted := int32(1)
	if rs.Spec.Replicas != nil {
		wanted = *rs.Spec.Replicas
	}
	n.ready, n.wanted = int(rs.Status.ReadyReplicas), int(wanted)
	n.State = serving(n, int(rs.Status.Replicas))
	n.Status = string(n.State)
	return n
}

func (o *Objects) daemonSet(d *appsv1.DaemonSet) Node {
	n := Node{Kind: "DaemonSet", Name: clean(d.Name, mostName), Created: d.CreationTimestamp.Time, Children: o.pods(d.UID)}
	n.ready, n.wanted = int(d.Status.NumberReady), int(d.Status.DesiredNumberScheduled)
	n.State = serving(n, int(d.Status.CurrentNumberScheduled))
	n.Status = string(n.State)
	return n
}

// serving is the state of what has pods.
func serving(n Node, there int) State {
	switch {
	case slices.ContainsFunc(n.Children, func(p Node) bool { return p.State == Degraded }):
		return Degraded
	case n.wanted == 0 && there == 0:
		return Stopped
	case n.ready >= n.wanted && n.wanted > 0:
		return Healthy
	}
	return Progressing
}

// pods are those that an object controls, by their names.
func (o *Objects) pods(owner types.UID) (nodes []Node) {
	for i := range o.Pods {
		if p := &o.Pods[i]; controlledBy(p, owner) {
			nodes = append(nodes, pod(p))
		}
	}
	slices.SortFunc(nodes, func(a, b Node) int { return strings.Compare(a.Name, b.Name) })
	return nodes
}

func pod(p *corev1.Pod) Node {
	n := Node{Kind: "Pod", Name: clean(p.Name, mostName), Created: p.CreationTimestamp.Time, Status: string(p.Status.Phase), State: Progressing}
	ready, restarts := 0, int32(0)
	for _, c := range p.Status.ContainerStatuses {
		restarts += c.RestartCount
		if c.Ready {
			ready++
		}
		switch {
		case c.State.Waiting != nil && c.State.Waiting.Reason != "":
			n.Status = c.State.Waiting.Reason
		case c.State.Terminated != nil && c.State.Terminated.Reason != "":
			n.Status = c.State.Terminated.Reason
		}
	}
	total := max(len(p.Spec.Containers), len(p.Status.ContainerStatuses))
	switch {
	case p.DeletionTimestamp != nil:
		n.Status = "Terminating"
	case slices.Contains([]string{"Pending", "ContainerCreating", "PodInitializing"}, n.Status), n.Status == "Running" && ready < total:
	case n.Status == "Running", n.Status == "Succeeded", n.Status == "Completed":
		n.State = Healthy
	default:
		n.State = Degraded
	}
	n.Status = clean(n.Status, mostName)
	n.Info = append(n.Info, fmt.Sprintf("ready:%d/%d", ready, total))
	if restarts > 0 {
		n.Info = append(n.Info, fmt.Sprintf("restarts:%d", restarts))
	}
	return n
}

// jobs are those that judge a run, the newest first.
func (o *Objects) jobs(run *Run) (nodes []Node) {
	for i := range o.Jobs {
		j := &o.Jobs[i]
		if !controlledBy(j, o.Canary.UID) || j.CreationTimestamp.Time.Before(run.Started) || run.Finished != nil && j.CreationTimestamp.After(*run.Finished) {
			continue
		}
		nodes = append(nodes, job(j))
	}
	slices.SortStableFunc(nodes, func(a, b Node) int { return b.Created.Compare(a.Created) })
	return nodes
}

func job(j *batchv1.Job) Node {
	n := Node{Kind: "Job", Name: clean(j.Name, mostName), Created: j.CreationTimestamp.Time, State: Progressing, Status: "Running"}
	for _, c := range j.Status.Conditions {
		switch {
		case c.Status != corev1.ConditionTrue:
		case c.Type == batchv1.JobComplete:
			n.State, n.Status = Healthy, "Done"
		case c.Type == batchv1.JobFailed:
			n.State, n.Status = Degraded, "Failed"
		}
	}
	if j.Status.Succeeded > 0 {
		n.Info = append(n.Info, fmt.Sprintf("succeeded:%d", j.Status.Succeeded))
	}
	if j.Status.Failed > 0 {
		n.Info = append(n.Info, fmt.Sprintf("failed:%d", j.Status.Failed))
	}
	return n
}
