package handback

import (
	"context"
	"errors"
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// An autoscaler whose minimum was raised for a canary carries what it was (workload.Lead). It is given back by the Canary that
// names it, and here where none does: its Canary is gone, seen or not, or names another autoscaler.

// releaseLed gives back the autoscalers that are led for a Canary of this name and that it does not name.
func (h *Handback) releaseLed(ctx context.Context, key types.NamespacedName) (done bool, err error) {
	led, err := h.led(ctx, key)
	if err != nil {
		return false, err
	}
	for _, scaler := range led {
		named, err := h.leads(ctx, key, scaler)
		if err != nil {
			return false, err
		}
		if named {
			continue
		}
		if changed, err := h.releaseScaler(ctx, key, scaler); changed || err != nil {
			return false, err
		}
	}
	return true, nil
}

// led are the autoscalers that are led for a Canary of this name, from the cache. ScaledObjects are looked at where they are
// watched: elsewhere none was ever led.
func (h *Handback) led(ctx context.Context, key types.NamespacedName) (led []workload.Object, err error) {
	hpas := &autoscalingv2.HorizontalPodAutoscalerList{}
	err = h.Client.List(ctx, hpas, client.InNamespace(key.Namespace), client.MatchingFields{ledIndex: key.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("list autoscalers that are led for canary %q: %w", key.Name, err)
	}
	for i := range hpas.Items {
		led = append(led, &hpas.Items[i])
	}
	kind := workload.ScaledObjectKind()
	if !h.Reader.Routers.Watched(kind) {
		return led, nil
	}
	objects := &unstructured.UnstructuredList{}
	objects.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := h.Client.List(ctx, objects, client.InNamespace(key.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list ScaledObjects that are led for canary %q: %w", key.Name, err)
	}
	for i := range objects.Items {
		if l, is := workload.LeadOf(&objects.Items[i]); is && l.Canary == key.Name {
			led = append(led, &objects.Items[i])
		}
	}
	return led, nil
}

// leads says that the Canary is there and names the autoscaler: it gives it back itself. The cache is asked first, as ever: a
// rollout that is under way comes by here in each pass.
func (h *Handback) leads(ctx context.Context, key types.NamespacedName, scaler workload.Object) (bool, error) {
	for _, from := range []client.Reader{h.Client, h.Live} {
		c := &v1beta1.Canary{}
		err := from.Get(ctx, key, c)
		if client.IgnoreNotFound(err) != nil {
			return false, fmt.Errorf("read canary %q: %w", key.Name, err)
		}
		// One that is not there is empty.
		ref := c.Spec.AutoscalerRef
		if !Gone(c) && ref != nil && ref.Name == scaler.GetName() && ref.Kind == scalerKind(scaler) {
			return true, nil
		}
	}
	return false, nil
}

func scalerKind(scaler workload.Object) string {
	if _, keda := scaler.(*unstructured.Unstructured); keda {
		return workload.ScaledObjectKind().Kind
	}
	return "HorizontalPodAutoscaler"
}

// releaseScaler gives one back as it is on the server.
func (h *Handback) releaseScaler(ctx context.Context, key types.NamespacedName, cached workload.Object) (changed bool, err error) {
	live, ok := cached.DeepCopyObject().(workload.Object)
	if !ok {
		return false, nil
	}
	if err := h.Live.Get(ctx, client.ObjectKeyFromObject(cached), live); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	free := workload.FreeScaler(live)
	if l, led := workload.LeadOf(live); !led || l.Canary != key.Name || free == nil || !noted(live, workload.LeadAnnotation) {
		return false, nil
	}
	// It stands for the Canary that may be gone.
	owner := &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	defer h.Applier.Forget(owner)
	changed, err = h.Applier.Apply(ctx, owner, desired.UserFields(free))
	if err != nil && !errors.Is(err, kube.ErrMissing) {
		return changed, fmt.Errorf("let go of autoscaler %q: %w", live.GetName(), err)
	}
	return changed, nil
}
