package rollout

import (
	"fmt"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// overruledFields remark on fields of an analysis that have no effect beside the others. What Services alone can't do is
// said in the contract's words, by swapRemarks.
func (p *Plan) overruledFields(a *v1beta1.CanaryAnalysis, can Capabilities) (remarks []Remark) {
	if p.Skip {
		return nil // all of it is left aside, as was asked for
	}
	iterated, climbs := a.Iterations > 0, a.StepWeight > 0
	// The contract's warning is about the top as well.
	warned := p.Swap && (climbs || len(a.StepWeights) > 0)
	for _, f := range []struct {
		name string
		set  bool
		why  string
	}{
		{"stepWeight", climbs && iterated && !p.Swap, "beside iterations"},
		{"stepWeights", len(a.StepWeights) > 0 && iterated && !p.Swap, "beside iterations"},
		{"stepWeights", len(a.StepWeights) > 0 && climbs && !iterated && !p.Swap, "beside stepWeight"},
		{"maxWeight", a.MaxWeight > 0 && iterated && !warned, "beside iterations"},
		{"maxWeight", a.MaxWeight > 0 && !iterated && !climbs && !warned, "without steps by stepWeight"},
		{"mirrorWeight", a.MirrorWeight > 0 && !a.Mirror, "without mirror"},
		{"stepWeightPromotion", a.StepWeightPromotion > 0 && p.Matched && (iterated || !can.Has(MatchedWeighted)), "where all requests that fit match go to the canary"},
		{"sessionAffinity", a.SessionAffinity != nil && iterated, "beside iterations"},
	} {
		if f.set {
			remarks = append(remarks, Remark{ReasonFieldIgnored, fmt.Sprintf("spec.analysis.%s has no effect %s", f.name, f.why)})
		}
	}
	return remarks
}
