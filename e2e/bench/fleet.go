package bench

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

const (
	perNamespace = 10 // Canaries in each namespace, as a team may have
	abreast      = 20 // objects that are written at the same time
	appPort      = 9898
	stepWeight   = 10
	maxWeight    = 50
	steps        = maxWeight / stepWeight
)

// Fleet is many Deployments of one kind, with a Canary beside each.
type Fleet struct {
	Size     int
	Replicas int32
	Interval time.Duration

	c client.Client
}

// key names the i-th application. No name begins with another one.
func key(i int) types.NamespacedName {
	return types.NamespacedName{Namespace: fmt.Sprintf("bench-%03d", i/perNamespace), Name: fmt.Sprintf("app-%d", i%perNamespace)}
}

// namespaces are those that the fleet lives in.
func (f *Fleet) namespaces() []string {
	var names []string
	for i := 0; i < f.Size; i += perNamespace {
		names = append(names, key(i).Namespace)
	}
	return names
}

// deploy makes the Deployments, and waits for them: a Canary is put beside what
// runs already.
func (f *Fleet) deploy(ctx context.Context) error {
	for _, name := range f.namespaces() {
		if err := f.c.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return err
		}
	}
	if err := f.each(ctx, 0, f.Size, func(ctx context.Context, k types.NamespacedName) error {
		return f.c.Create(ctx, deployment(k, f.Replicas))
	}); err != nil {
		return err
	}
	return wait.PollUntilContextTimeout(ctx, time.Second, patienceFor(f.Size), true, f.available)
}

func (f *Fleet) available(ctx context.Context) (bool, error) {
	all := &appsv1.DeploymentList{}
	if err := f.c.List(ctx, all); err != nil {
		return false, err
	}
	var ready int
	for _, d := range all.Items {
		if d.Status.AvailableReplicas == f.Replicas {
			ready++
		}
	}
	return ready >= f.Size, nil
}

// guard puts Canaries beside the Deployments from one up to another.
func (f *Fleet) guard(ctx context.Context, from, to int) error {
	return f.each(ctx, from, to, func(ctx context.Context, k types.NamespacedName) error { return f.c.Create(ctx, canary(k, f.Interval)) })
}

// release gives every Deployment another image, as kubectl set image does.
func (f *Fleet) release(ctx context.Context, image string) error {
	patch := fmt.Appendf(nil, `{"spec":{"template":{"spec":{"containers":[{"name":"app","image":%q}]}}}}`, image)
	return f.each(ctx, 0, f.Size, func(ctx context.Context, k types.NamespacedName) error {
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: k.Namespace, Name: k.Name}}
		return f.c.Patch(ctx, d, client.RawPatch(types.StrategicMergePatchType, patch))
	})
}

// updated says whether all Deployments run the newest that was released, and nothing else.
func (f *Fleet) updated(ctx context.Context) (bool, error) {
	all := &appsv1.DeploymentList{}
	// From the API server's own cache, so that looking costs it little.
	if err := f.c.List(ctx, all, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: "0"}}); err != nil {
		return false, err
	}
	var ready int
	for _, d := range all.Items {
		s := d.Status
		if s.ObservedGeneration >= d.Generation && s.UpdatedReplicas == f.Replicas && s.AvailableReplicas == f.Replicas && s.Replicas == f.Replicas {
			ready++
		}
	}
	return ready >= f.Size, nil
}

func (f *Fleet) each(ctx context.Context, from, to int, do func(context.Context, types.NamespacedName) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(abreast)
	for i := from; i < to; i++ {
		group.Go(func() error {
			if err := do(ctx, key(i)); err != nil {
				return fmt.Errorf("%s: %w", key(i), err)
			}
			return nil
		})
	}
	return group.Wait()
}

func deployment(k types.NamespacedName, replicas int32) *appsv1.Deployment {
	labels := map[string]string{"app": k.Name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: k.Namespace, Name: k.Name},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(replicas),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: "app", Image: "bench/app:1", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: appPort}},
				}}},
			},
		},
	}
}

// canary has five steps and asks no metrics: what is measured is the machine, and
// what it waits for is the interval alone.
func canary(k types.NamespacedName, interval time.Duration) *v1beta1.Canary {
	return &v1beta1.Canary{
		ObjectMeta: metav1.ObjectMeta{Namespace: k.Namespace, Name: k.Name},
		Spec: v1beta1.CanarySpec{
			Provider:  "istio",
			TargetRef: v1beta1.TargetRef{APIVersion: "apps/v1", Kind: "Deployment", Name: k.Name},
			Service:   v1beta1.CanaryService{Port: appPort},
			Analysis: &v1beta1.CanaryAnalysis{
				Interval: interval.String(), Threshold: 5, StepWeight: stepWeight, MaxWeight: maxWeight,
			},
		},
	}
}
