package workload

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestStopsOnUpdate(t *testing.T) {
	rolling := func(unavailable intstr.IntOrString) client.Object {
		d := &appsv1.Deployment{}
		d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: &unavailable}}
		return d
	}
	daemons := func(unavailable intstr.IntOrString) client.Object {
		d := &appsv1.DaemonSet{}
		d.Spec.UpdateStrategy = appsv1.DaemonSetUpdateStrategy{Type: appsv1.RollingUpdateDaemonSetStrategyType, RollingUpdate: &appsv1.RollingUpdateDaemonSet{MaxUnavailable: &unavailable}}
		return d
	}
	recreate := &appsv1.Deployment{}
	recreate.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType
	cases := map[string]struct {
		reason string
		given  client.Object
		pods   int32
		want   string
	}{
		"Recreate":     {"It ends all pods first.", recreate, 3, "strategy Recreate"},
		"Default":      {"A quarter of one pod is none.", rolling(intstr.FromString("25%")), 1, ""},
		"One":          {"One of one is all.", rolling(intstr.FromInt32(1)), 1, "maxUnavailable 1"},
		"OneOfTwo":     {"One of two is not.", rolling(intstr.FromInt32(1)), 2, ""},
		"All":          {"So is a hundred percent.", rolling(intstr.FromString("100%")), 4, "maxUnavailable 100%"},
		"None":         {"Nothing is ever missing.", rolling(intstr.FromInt32(0)), 0, ""},
		"Daemons":      {"A DaemonSet on one node has one pod.", daemons(intstr.FromInt32(1)), 1, "maxUnavailable 1"},
		"DaemonsRound": {"Its controller rounds up.", daemons(intstr.FromString("10%")), 1, "maxUnavailable 10%"},
		"DaemonsTwo":   {"On two nodes the other serves.", daemons(intstr.FromInt32(1)), 2, ""},
		"Unset":        {"What nobody has defaulted says nothing.", &appsv1.Deployment{}, 1, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, StopsOnUpdate(c.given, c.pods), c.reason) })
	}
}
