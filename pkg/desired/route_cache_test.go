package desired

import (
	"testing"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/router"
)

// counter is a provider that counts how often it is asked.
type counter struct{ asked *int }

func (counter) Writes() []schema.GroupVersionKind  { return nil }
func (counter) Reads(*v1beta1.Canary) []router.Ref { return nil }

func (c counter) Render(router.Input) ([]runtime.ApplyConfiguration, error) {
	*c.asked++
	return nil, nil
}

func TestRouteCache(t *testing.T) {
	source := router.Ref{GroupVersionKind: networkingv1.SchemeGroupVersion.WithKind("Ingress"), Namespace: "test", Name: "front"}
	cases := map[string]struct {
		reason string
		change func(*router.Input)
		want   int // times the router is asked in all
	}{
		"Nothing":    {reason: "The same input gives the same routes.", change: func(*router.Input) {}, want: 1},
		"Status":     {reason: "What the status says of routes is in the traffic.", change: func(i *router.Input) { i.Canary.ResourceVersion = "2" }, want: 1},
		"Weight":     {reason: "A step moves traffic.", change: func(i *router.Input) { i.Traffic.Weight = 10 }, want: 2},
		"Spec":       {reason: "Hosts and the like are in the spec.", change: func(i *router.Input) { i.Canary.Generation = 2 }, want: 2},
		"Annotation": {reason: "Kuma's mesh is named beside the spec.", change: func(i *router.Input) { i.Canary.Annotations = map[string]string{"kuma.io/mesh": "other"} }, want: 2},
		"Port":       {reason: "A container has another port.", change: func(i *router.Input) { i.Ports = map[string]int32{"http": 81} }, want: 2},
		"Revision":   {reason: "Some providers route by it.", change: func(i *router.Input) { i.Revision = "r1-b" }, want: 2},
		"Source":     {reason: "The user has edited what the routes are copied from.", change: func(i *router.Input) { i.Read[source].SetResourceVersion("2") }, want: 2},
		"Gone":       {reason: "Or deleted it.", change: func(i *router.Input) { delete(i.Read, source) }, want: 2},
		"Another":    {reason: "A Canary that was made again is another one.", change: func(i *router.Input) { i.Canary.UID = "b" }, want: 2},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var m routeCache
			var asked int
			read := &unstructured.Unstructured{}
			read.SetResourceVersion("1")
			in := router.Input{
				Canary: &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{UID: "a", Generation: 1, ResourceVersion: "1"}},
				Ports:  map[string]int32{"http": 80}, Revision: "r1-a", Read: map[router.Ref]*unstructured.Unstructured{source: read},
			}
			_, err := m.render(counter{asked: &asked}, in)
			require.NoError(t, err)
			in.Ports = map[string]int32{"http": 80}
			tc.change(&in)
			_, err = m.render(counter{asked: &asked}, in)
			require.NoError(t, err)
			require.Equal(t, tc.want, asked, tc.reason)
		})
	}
}
