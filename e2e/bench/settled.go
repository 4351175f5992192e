package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Canaries at rest need no pods, which would be most of what a fleet of ten thousand costs. Their Deployments are said to be
// available as soon as they are written, by this program instead of Kubernetes' controllers, and everything else is what an
// operator has made of them.

// playDeployments says of all Deployments that they have what they ask for, until ctx ends.
func playDeployments(ctx context.Context, c client.WithWatch) error {
	events, err := c.Watch(ctx, &appsv1.DeploymentList{})
	if err != nil {
		return fmt.Errorf("watch deployments: %w", err)
	}
	go func() {
		var group errgroup.Group
		group.SetLimit(abreast)
		for ctx.Err() == nil {
			for e := range events.ResultChan() {
				if d, ok := e.Object.(*appsv1.Deployment); ok && d.Status.ObservedGeneration < d.Generation {
					// One that has gone, or has changed since, has another event.
					group.Go(func() error { _ = reportAvailable(ctx, c, d); return nil })
				}
			}
			events.Stop()
			// The API server ends a watch that is read too slowly. The next one begins with what there is.
			if events, err = c.Watch(ctx, &appsv1.DeploymentList{}); err != nil {
				return
			}
		}
	}()
	return nil
}

func reportAvailable(ctx context.Context, c client.Client, d *appsv1.Deployment) error {
	patch, err := json.Marshal(map[string]any{"status": available(d, metav1.Now())})
	if err != nil {
		return err
	}
	return c.Status().Patch(ctx, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: d.Name}}, client.RawPatch(types.MergePatchType, patch))
}

// available is the status of a Deployment that has all of its pods. Numbers are written also where they are zero, since they are
// merged with those before.
func available(d *appsv1.Deployment, now metav1.Time) map[string]any {
	n := ptr.Deref(d.Spec.Replicas, 1)
	condition := func(kind appsv1.DeploymentConditionType, reason string) appsv1.DeploymentCondition {
		return appsv1.DeploymentCondition{Type: kind, Status: corev1.ConditionTrue, Reason: reason, LastUpdateTime: now, LastTransitionTime: now}
	}
	return map[string]any{
		"observedGeneration": d.Generation, "replicas": n, "updatedReplicas": n, "readyReplicas": n, "availableReplicas": n,
		"conditions": []appsv1.DeploymentCondition{
			condition(appsv1.DeploymentAvailable, "MinimumReplicasAvailable"), condition(appsv1.DeploymentProgressing, "NewReplicaSetAvailable"),
		},
	}
}

// patienceFor is how long a stage may take that goes through so many Canaries.
func patienceFor(n int) time.Duration { return patience + time.Duration(n)*300*time.Millisecond }
