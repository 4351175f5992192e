package rollout

// A workload whose own update takes all of its pods down, as a Deployment with the strategy Recreate, has nobody to answer
// while it is given a new revision. Before such a primary is promoted, its users are with the canary.

// RouteAllBeforePromotion adds the step that is taken before a primary is promoted whose update, for this reason, takes all
// of its pods down. Where the steps end with all users at the canary they stay as they are.
func (p *Plan) RouteAllBeforePromotion(why string) {
	p.PrimaryStops = true
	if p.fast != nil {
		p.fast.RouteAllBeforePromotion(why)
	}
	if n := len(p.Steps); n > 0 && p.Steps[n-1].Weight == everything && (!p.Matched || p.Steps[n-1].All) {
		return
	}
	p.Steps = append(p.Steps, Step{Weight: everything, All: true, Event: "Routing all traffic to canary"})
	p.Hash += "-all"
	text := "An update of the primary takes all of its pods down (" + why + "): all requests go to the canary before"
	if len(p.StepsBack) > 0 {
		text += ", and come back at once, whatever spec.analysis.stepWeightPromotion says"
		p.StepsBack = nil
	}
	p.remark(text)
}
