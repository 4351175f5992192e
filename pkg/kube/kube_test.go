package kube_test

import (
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // watches that end with a test have much to say
	os.Exit(kubetest.Main(m, "../../artifacts/crds", "testdata/crds"))
}

// patience is how long the watch of a busy machine may take.
const (
	patience = 20 * time.Second
	tick     = 5 * time.Millisecond
)

// bench is a namespace with a Canary in it, and an Applier as the operator has
// one: its writes are counted, its reads come from watches.
type bench struct {
	*kube.Applier
	canaries *kube.CanaryWriter
	t        testing.TB
	ns       string
	owner    *v1beta1.Canary
	user     client.Client // somebody with kubectl
	made     *kubetest.Crasher
	cache    cache.Cache
}

func newBench(t testing.TB) *bench {
	s := runtime.NewScheme()
	require.NoError(t, clientgoscheme.AddToScheme(s))
	require.NoError(t, v1beta1.AddToScheme(s))
	b := &bench{t: t, ns: kubetest.Namespace(t), made: &kubetest.Crasher{}}

	var err error
	cfg := kubetest.Config(t)
	b.user, err = client.New(cfg, client.Options{Scheme: s, FieldOwner: "kubectl-edit"})
	require.NoError(t, err)
	own, err := client.New(b.made.Wrap(cfg), client.Options{Scheme: s})
	require.NoError(t, err)
	b.cache, err = cache.New(cfg, cache.Options{Scheme: s, DefaultTransform: kube.TrimManagedFields()})
	require.NoError(t, err)
	go func() { _ = b.cache.Start(t.Context()) }()
	b.Applier = &kube.Applier{Client: own, Reader: b.cache, Live: own, Now: time.Now}
	b.canaries = &kube.CanaryWriter{Client: own, Live: own, Now: time.Now}
	b.owner = b.canary("podinfo")
	return b
}

func (b *bench) canary(name string) *v1beta1.Canary {
	c := &v1beta1.Canary{}
	c.Name, c.Namespace = name, b.ns
	c.Spec.TargetRef = v1beta1.TargetRef{APIVersion: "apps/v1", Kind: "Deployment", Name: name}
	c.Spec.Service.Port = 80
	c.Spec.Analysis = &v1beta1.CanaryAnalysis{Interval: "10s", StepWeight: 10}
	require.NoError(b.t, b.user.Create(b.t.Context(), c))
	return c
}

// apply makes the objects so and waits until the cache knows.
func (b *bench) apply(objs ...runtime.ApplyConfiguration) bool {
	b.t.Helper()
	changed, err := b.Apply(b.t.Context(), b.owner, objs...)
	require.NoError(b.t, err)
	b.caughtUp(objs...)
	return changed
}

func (b *bench) caughtUp(objs ...runtime.ApplyConfiguration) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		fresh, err := b.Snapshot().Fresh(b.t.Context(), objs...)
		require.NoError(b.t, err)
		return fresh
	}, patience, tick, "the cache catches up with our writes")
}

// pends waits until the cache shows that something is to be applied.
func (b *bench) pends(objs ...runtime.ApplyConfiguration) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		pending, err := b.Snapshot().Pending(b.t.Context(), b.owner, objs...)
		require.NoError(b.t, err)
		return pending
	}, patience, tick, "what was changed by hand is noticed")
}

// quiet says that applying once more makes no request at all.
func (b *bench) quiet(reason string, objs ...runtime.ApplyConfiguration) {
	b.t.Helper()
	b.made.Reset()
	pending, err := b.Snapshot().Pending(b.t.Context(), b.owner, objs...)
	require.NoError(b.t, err)
	require.False(b.t, pending, reason)
	changed, err := b.Apply(b.t.Context(), b.owner, objs...)
	require.NoError(b.t, err)
	require.False(b.t, changed, reason)
	require.Empty(b.t, b.made.Calls(), reason)
}

// restart is the same operator without its memory.
func (b *bench) restart() {
	b.Applier = &kube.Applier{Client: b.Client, Reader: b.Reader, Live: b.Live, Now: b.Now}
	b.canaries = &kube.CanaryWriter{Client: b.Client, Live: b.Live, Now: b.Now}
}

// edit changes an object the way kubectl edit does.
func edit[T client.Object](b *bench, obj T, name string, change func(T)) {
	b.t.Helper()
	get(b, obj, name)
	change(obj)
	require.NoError(b.t, b.user.Update(b.t.Context(), obj))
}

func get[T client.Object](b *bench, obj T, name string) T {
	b.t.Helper()
	key := client.ObjectKey{Namespace: b.ns, Name: name}
	require.NoError(b.t, b.user.Get(b.t.Context(), key, obj))
	return obj
}

// reference is what a renderer says of the owner.
func (b *bench) reference() *metav1ac.OwnerReferenceApplyConfiguration {
	r := b.owner.OwnerReference()
	return metav1ac.OwnerReference().WithAPIVersion(r.APIVersion).WithKind(r.Kind).WithName(r.Name).WithUID(r.UID).
		WithController(*r.Controller).WithBlockOwnerDeletion(*r.BlockOwnerDeletion)
}

func (b *bench) service() *corev1ac.ServiceApplyConfiguration {
	return corev1ac.Service("podinfo", b.ns).
		WithLabels(map[string]string{"app": "podinfo"}).
		WithOwnerReferences(b.reference()).
		WithSpec(corev1ac.ServiceSpec().
			WithSelector(map[string]string{"app": "podinfo-primary"}).
			WithPorts(
				corev1ac.ServicePort().WithName("http").WithPort(80).WithTargetPort(intstr.FromString("http")),
				corev1ac.ServicePort().WithName("grpc").WithPort(9090).WithTargetPort(intstr.FromInt32(9090))))
}

func (b *bench) deployment(image string) *appsv1ac.DeploymentApplyConfiguration {
	labels := map[string]string{"app": "podinfo-primary"}
	return appsv1ac.Deployment("podinfo-primary", b.ns).
		WithOwnerReferences(b.reference()).
		WithSpec(appsv1ac.DeploymentSpec().
			WithReplicas(2).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(labels)).
			WithTemplate(corev1ac.PodTemplateSpec().WithLabels(labels).
				WithSpec(corev1ac.PodSpec().WithContainers(container(image)))))
}

// container has what the API server rewrites or fills in.
func container(image string) *corev1ac.ContainerApplyConfiguration {
	probe := corev1ac.Probe().WithHTTPGet(corev1ac.HTTPGetAction().WithPath("/readyz").WithPort(intstr.FromString("http")))
	return corev1ac.Container().WithName("podinfod").WithImage(image).
		WithPorts(corev1ac.ContainerPort().WithName("http").WithContainerPort(9898)).
		WithEnv(corev1ac.EnvVar().WithName("COLOR").WithValue("blue")).
		WithReadinessProbe(probe).
		WithResources(corev1ac.ResourceRequirements().WithRequests(corev1.ResourceList{
			corev1.ResourceCPU: quantity("1000m"), corev1.ResourceMemory: quantity("1024Mi"),
		}))
}

func virtualService(b *bench, weight int64) runtime.ApplyConfiguration {
	route := func(host string, weight int64) any {
		return map[string]any{"destination": map[string]any{"host": host}, "weight": weight}
	}
	u := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": "podinfo", "namespace": b.ns},
		"spec": map[string]any{
			"hosts": []any{"podinfo"},
			"http":  []any{map[string]any{"route": []any{route("podinfo-primary", 100-weight), route("podinfo-canary", weight)}}},
		},
	}}
	u.SetGroupVersionKind(virtualServiceKind())
	return client.ApplyConfigurationFromUnstructured(u)
}

func virtualServiceKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "networking.istio.io", Version: "v1", Kind: "VirtualService"}
}

func anyVirtualService() *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(virtualServiceKind())
	return u
}

func quantity(text string) resource.Quantity { return resource.MustParse(text) }
