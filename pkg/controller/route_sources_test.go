package controller

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/observe"
	"github.com/sluice-cd/sluice/pkg/router"
)

// copier is a provider that reads and writes nothing.
type copier []router.Ref

func (copier) Writes() []schema.GroupVersionKind                                { return nil }
func (c copier) Reads(*v1beta1.Canary) []router.Ref                             { return c }
func (copier) Render(router.Input) (none []runtime.ApplyConfiguration, _ error) { return none, nil }

var (
	ingressKind = networkingv1.SchemeGroupVersion.WithKind("Ingress")
	entryKind   = schema.GroupVersionKind{Group: "networking.istio.io", Version: "v1", Kind: "ServiceEntry"}
	strangeKind = schema.GroupVersionKind{Group: "gloo.solo.io", Version: "v1", Kind: "Upstream"}
)

func (w *world) ref(kind schema.GroupVersionKind, name string) router.Ref {
	return router.Ref{GroupVersionKind: kind, Namespace: w.ns, Name: name}
}

// ingress makes an Ingress that sends everything to the apex.
func (w *world) ingress(name string) *networkingv1.Ingress {
	w.Helper()
	i := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name}}
	i.Spec.DefaultBackend = &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
		Name: "podinfo", Port: networkingv1.ServiceBackendPort{Number: 9898},
	}}
	require.NoError(w, w.Create(w.Context(), i))
	return i
}

// entry makes an object of a kind that has no Go type here.
func (w *world) entry(name string) {
	w.Helper()
	u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"hosts": []any{"example.com"}, "resolution": "DNS", "ports": []any{map[string]any{"number": int64(80), "name": "http"}},
	}}}
	u.SetGroupVersionKind(entryKind)
	u.SetNamespace(w.ns)
	u.SetName(name)
	require.NoError(w, w.Create(w.Context(), u))
}

func TestSources(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ingress("front")
	w.entry("outside")
	o := w.begin()
	cases := map[string]struct {
		reason string
		refs   []router.Ref
		path   []string // of a text in what is found
		want   string
	}{
		"Typed": {
			reason: "A kind that is Kubernetes' own is found as the map that routers copy from, with its kind.",
			refs:   []router.Ref{w.ref(ingressKind, "front")}, path: []string{"spec", "defaultBackend", "service", "name"}, want: "podinfo",
		},
		"Map": {
			reason: "So is one that is known by its CRD alone.",
			refs:   []router.Ref{w.ref(entryKind, "outside")}, path: []string{"spec", "resolution"}, want: "DNS",
		},
		"Missing": {
			reason: "What is not there is left out, and no error here.",
			refs:   []router.Ref{w.ref(ingressKind, "elsewhere")},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			found, err := o.reconcr.reader.RouteSources(t.Context(), &desired.Facts{Canary: w.canary(), Router: copier(tc.refs)})
			require.NoError(t, err, tc.reason)
			if tc.want == "" {
				require.Empty(t, found, tc.reason)
				return
			}
			u := found[tc.refs[0]]
			require.Equal(t, tc.refs[0].GroupVersionKind, u.GroupVersionKind(), tc.reason)
			got, _, err := unstructured.NestedString(u.Object, tc.path...)
			require.NoError(t, err)
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}

func TestSourcesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin()
	o.reconcr.Routers.Local = true
	cases := map[string]struct {
		reason string
		ref    router.Ref
		want   string
	}{
		"Unserved": {
			reason: "A watch of a kind that is not served would hang; the user is told what to install.",
			ref:    w.ref(strangeKind, "podinfo"),
			want:   `provider "istio": the cluster does not serve gloo.solo.io, install its custom resources`,
		},
		"Abroad": {
			reason: "Other namespaces are out of bounds where the operator was told so.",
			ref:    router.Ref{GroupVersionKind: ingressKind, Namespace: "default", Name: "front"},
			want:   `spec.upstreamRef.namespace: Ingress "default/front" is in another namespace, which --no-cross-namespace-refs forbids`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := o.reconcr.reader.RouteSources(t.Context(), &desired.Facts{Canary: w.canary(), Router: copier{tc.ref}})
			require.EqualError(t, err, tc.want, tc.reason)
			require.True(t, observe.UserError(err), "it is said on the Canary, not retried")
		})
	}
}

// calm is how long nothing has to happen, on the real clock, before what comes next has a cause of its own.
const calm = 500 * time.Millisecond

// TestSourceWakesItsCanary changes an Ingress that a Canary names, once its kind is watched.
func TestSourceWakesItsCanary(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	front := w.ingress("front")
	o := w.run(func(c *v1beta1.Canary) {
		c.Spec.IngressRef = &v1beta1.IngressRef{APIVersion: "networking.k8s.io/v1", Kind: "Ingress", Name: "front"}
	})
	w.await("the operator works", func() bool { return o.passes() > 0 })
	_, err := o.reconcr.reader.RouteSources(t.Context(), &desired.Facts{Canary: w.canary(), Router: copier{w.ref(ingressKind, "front")}})
	require.NoError(t, err)
	before, since := o.passes(), time.Now()
	w.await("nothing is left that wakes it", func() bool {
		if n := o.passes(); n != before {
			before, since = n, time.Now()
		}
		return time.Since(since) > calm
	})
	front.Spec.DefaultBackend.Service.Port.Number = 80
	require.NoError(t, w.Update(t.Context(), front))
	w.await("the Canary is looked at", func() bool { return o.passes() > before })
}
