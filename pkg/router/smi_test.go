package router_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/router/routertest"
)

func TestSMIGolden(t *testing.T) {
	routertest.Golden(t, "testdata/smi", "smi:v1alpha2", *update, routertest.Read(t, "testdata/smi/crd.yaml"))
}

// Each version is a provider of its own, and its object has to fit its own schema.
func TestSMIContract(t *testing.T) {
	for _, version := range []string{"v1alpha1", "v1alpha2", "v1alpha3"} {
		t.Run(version, func(t *testing.T) {
			r := build(t, "smi:"+version, rollout.Weighted, "split.smi-spec.io/"+version)
			routertest.Contract(t, r, podinfo(nil), listed([]string{"service"}, []string{"weight"}, "spec", "backends"))
			o := one(t, r, input(podinfo(nil)))
			require.Equal(t, "split.smi-spec.io/"+version, o.GetAPIVersion())
			routertest.Read(t, "testdata/smi/crd.yaml").Validate(t, objects(o))
		})
	}
}

func TestSMIVersionsAreApart(t *testing.T) {
	_, _, err := router.New("smi:v1alpha1", router.Options{APIVersions: []string{"split.smi-spec.io/v1alpha2"}})
	require.EqualError(t, err, `provider "smi:v1alpha1": the cluster does not serve split.smi-spec.io, install its custom resources`)
}

func TestSMIRoot(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(*v1beta1.CanaryService)
		want   string
	}{
		"Apex":  {reason: "clients ask the apex", want: "podinfo"},
		"Named": {reason: "under the name it was given", change: func(s *v1beta1.CanaryService) { s.Name = "shop" }, want: "shop"},
		"Host":  {reason: "or another name, which is the first host", change: func(s *v1beta1.CanaryService) { s.Hosts = []string{"shop.example.com", "b"} }, want: "shop.example.com"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := one(t, build(t, "smi:v1alpha3", rollout.Weighted, "split.smi-spec.io/v1alpha3"), input(podinfo(tc.change)))
			require.Equal(t, tc.want, o.Object["spec"].(map[string]any)["service"], tc.reason)
		})
	}
}
