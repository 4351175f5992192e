package observe

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func TestConcerns(t *testing.T) {
	c := &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Name: "release"}}
	c.Spec.TargetRef.Name = "podinfo"
	c.Spec.Service.Name = "shop"
	c.Spec.AutoscalerRef = &v1beta1.AutoscalerRef{Name: "scaler"}
	c.Spec.IngressRef = &v1beta1.IngressRef{Name: "front"}
	c.Spec.RouteRef = &v1beta1.RouteRef{Name: "way"}
	c.Spec.UpstreamRef = &v1beta1.UpstreamRef{Name: "source"}
	c.Spec.Service.RouteRefs = []v1beta1.OwnRoute{{Name: "own"}}
	cases := map[string]struct {
		reason string
		name   string
		want   bool
	}{
		"Target":         {reason: "A change of the target is what rollouts begin with.", name: "podinfo", want: true},
		"Primary":        {reason: "A rival's primary stands in the way until it goes.", name: "podinfo-primary", want: true},
		"Apex":           {reason: "The apex Service may be the user's own.", name: "shop", want: true},
		"PrimaryService": {reason: "So does a rival's Service.", name: "shop-primary", want: true},
		"CanaryService":  {reason: "And that of its canary, which may be the last to go.", name: "shop-canary", want: true},
		"Autoscaler":     {reason: "The primary's autoscaler follows the target's.", name: "scaler", want: true},
		"PrimaryScaler":  {reason: "A rival's autoscaler stands in the way as well.", name: "scaler-primary", want: true},
		"Ingress":        {reason: "Routes are made from what the spec names for them.", name: "front", want: true},
		"Route":          {reason: "A route of APISIX as well.", name: "way", want: true},
		"Upstream":       {reason: "And what Gloo sends to.", name: "source", want: true},
		"OwnRoute":       {reason: "The user's own route gets its weights back when somebody moves them.", name: "own", want: true},
		"Stranger":       {reason: "Others cost nothing.", name: "frontend"},
		"LikelyName":     {reason: "A name that only looks related is a stranger's.", name: "podinfo-canary-2"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, slices.Contains(concerns(c), tc.name), tc.reason)
		})
	}
}
