package router_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-cd/sluice/pkg/router"
)

func TestKumaNamesWhatItLeaves(t *testing.T) {
	u, ok := newKuma(t).(router.ClusterScoped)
	require.True(t, ok)
	c := podinfo(nil)
	o := one(t, newKuma(t), input(c))
	require.Equal(t, []router.Ref{{GroupVersionKind: o.GroupVersionKind(), Name: o.GetName()}}, u.ClusterScopedRoutes(c), "it is what is rendered")
	require.False(t, router.Object{Unstructured: o}.UserOwned(), "it is not the user's")
}

func TestCanaryOf(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, text string
		want         types.NamespacedName
	}{
		"Named":   {reason: "both parts", text: "test/podinfo", want: types.NamespacedName{Namespace: "test", Name: "podinfo"}},
		"None":    {reason: "an object of somebody else"},
		"Half":    {reason: "a name alone is in no namespace", text: "podinfo"},
		"NoName":  {reason: "a namespace has no routes", text: "test/"},
		"NoSpace": {reason: "as above", text: "/podinfo"},
	} {
		t.Run(name, func(t *testing.T) {
			o := &metav1.ObjectMeta{Annotations: map[string]string{router.CanaryAnnotation: tc.text}}
			require.Equal(t, tc.want, router.CanaryOf(o), tc.reason)
		})
	}
}
