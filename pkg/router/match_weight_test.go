package router_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
)

// What every provider makes of analysis.match beside stepWeight: nobody who does not fit may meet the canary.
func TestMatchBesideStepWeight(t *testing.T) {
	const (
		split   = "those who fit are split by weight"
		all     = "all who fit go to the canary, and that is remarked"
		refused = "the provider cannot tell requests apart"
		ignored = "one after the other, all at once, and that is remarked"
	)
	want := map[string]string{
		"istio": split, "gatewayapi": split, "gatewayapi:v1": split, "gatewayapi:v1beta1": split, "linkerd": split, "contour": split, "gloo": split,
		"nginx":        all,
		"smi:v1alpha1": refused, "smi:v1alpha2": refused, "smi:v1alpha3": refused, "kuma": refused, "skipper": refused, "traefik": refused,
		"apisix": refused, "knative": refused,
		"kubernetes": ignored,
	}
	require.Len(t, want, 17)
	for name, outcome := range want {
		t.Run(name, func(t *testing.T) {
			_, can, err := router.New(name, allServed())
			require.NoError(t, err)
			c := podinfo(nil)
			c.Spec.Analysis = &v1beta1.CanaryAnalysis{StepWeight: 20, MaxWeight: 40, StepWeightPromotion: 10}
			insider := "insider"
			c.Spec.Analysis.Match = []v1beta1.HTTPMatchRequest{{Headers: map[string]v1beta1.StringMatch{"x-canary": {Exact: &insider}}}}
			plan, err := rollout.Compile(c.Spec, can)
			var invalid *rollout.InvalidError
			got := split
			switch {
			case errors.As(err, &invalid):
				require.Equal(t, "spec.analysis.match", invalid.Field)
				got = refused
			case !plan.Matched:
				require.True(t, plan.Swap)
				require.NotEmpty(t, plan.Remarks)
				got = ignored
			case len(plan.Remarks) > 0:
				require.Equal(t, []int{100, 100}, weights(plan.Steps))
				require.Empty(t, plan.StepsBack)
				got = all
			default:
				require.Equal(t, []int{20, 40}, weights(plan.Steps))
				require.Equal(t, []int{30, 20, 10}, weights(plan.StepsBack))
			}
			require.Equal(t, outcome, got)
		})
	}
}

// weights are those of steps.
func weights(steps []rollout.Step) (all []int) {
	for _, s := range steps {
		all = append(all, s.Weight)
	}
	return all
}
