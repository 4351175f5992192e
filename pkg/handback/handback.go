// Package handback gives back what a Canary that goes, or has gone, still owes: the target's size, its autoscaler, the
// user's own routes, and an apex Service that was there before.
//
// A Canary that is deleted goes one of these ways:
//
//	revertOnDeletion             the finalizer holds it until the machine is at Terminated: target up, routes and apex
//	                             Service back, nothing lost
//	… and its target is bad      held until that had its time; then all that was made stays, and nobody owns it
//	… and its spec is refused    held until its target can answer: nobody can render the routes that it would take
//	… its namespace goes too     released at once: nothing can be made there any more
//	without                      gone at once; Release then does what can still be done for its target
//	with cluster-scoped routes   held until these are deleted, whatever else it asks for
//	while no operator runs       an orphan: its target carries what it takes to give it back (workload.RestoreInfo), and the
//	                             next operator does that
//
// No finalizer is put on a Canary that asks for nothing: a namespace must not hang because the operator was uninstalled
// first.
package handback

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/observe"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// Handback gives back.
type Handback struct {
	Client   client.Client // reads from the cache
	Live     client.Reader // reads from the API server
	Reader   *observe.Reader
	Applier  *kube.Applier
	Canaries *kube.CanaryWriter
	Kinds    workload.Kinds
	Events   record.EventRecorder
	// Forget drops what is remembered of a Canary that is gone, when all is given back.
	Forget func(*v1beta1.Canary)
	// Operator is what targets carry that were stopped by this one; empty: it gives back whatever was stopped.
	Operator string

	// Canaries whose deletion this process has seen, as they were, until all is given back. To lose them costs what the
	// target does not carry: see RestoreInfo.AsCanary.
	mu      sync.Mutex
	deleted map[types.NamespacedName]*v1beta1.Canary
}
