package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func (l Layout) waitForNode(ctx context.Context) error {
	return l.waitFor(ctx, client.ObjectKey{Name: nodeName}, &corev1.Node{}, nodeReady)
}

func (l Layout) waitForGateway(ctx context.Context) error {
	key := client.ObjectKey{Namespace: "istio-system", Name: "istio-ingressgateway"}
	return l.waitFor(ctx, key, &appsv1.Deployment{}, available)
}

// waitFor reads an object until the check has no complaint any more.
func (l Layout) waitFor(ctx context.Context, key client.ObjectKey, object client.Object, check func(client.Object) error) error {
	c, err := l.client()
	if err != nil {
		return err
	}
	var last error
	err = wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		if last = c.Get(ctx, key, object); last == nil {
			last = check(object)
		}
		return last == nil, nil
	})
	if err == nil {
		return nil
	}
	return errors.Join(err, last)
}

func nodeReady(object client.Object) error {
	for _, condition := range object.(*corev1.Node).Status.Conditions {
		if condition.Type != corev1.NodeReady {
			continue
		}
		if condition.Status == corev1.ConditionTrue {
			return nil
		}
		return fmt.Errorf("node %q: %s", object.GetName(), condition.Message)
	}
	return fmt.Errorf("node %q has not reported yet", object.GetName())
}

func available(object client.Object) error {
	deployment := object.(*appsv1.Deployment)
	if deployment.Status.ObservedGeneration == deployment.Generation && deployment.Status.AvailableReplicas > 0 {
		return nil
	}
	return fmt.Errorf("deployment %q has no pod available", deployment.Name)
}
