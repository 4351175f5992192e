package rollout

import (
	"fmt"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// What a spec may ask for at most. More is a slip of the pen, or somebody who wants the operator's memory: all of a spec is
// gone through, and its routes rendered, in every pass.
const (
	mostIterations = 100_000 // they are counted, not laid out
	mostSteps      = 50      // that are listed, each with much of its own
	mostEntries    = 1024    // of a list, and of the combinations of two lists of matches
	mostName       = 256     // bytes of a metric's name
	mostChecks     = 64      // metrics, or webhooks, which are asked at the same time
)

// validateLengths refuses what would take no end of time and memory in every pass. The schema has no such bounds: they
// would make each patch of the status of a stored Canary beyond them fail, and so leave its rollout where it is.
func validateLengths(spec v1beta1.CanarySpec, _ Capabilities) error {
	a, s := spec.Analysis, spec.Service
	if a == nil {
		a = &v1beta1.CanaryAnalysis{}
	}
	for _, f := range []struct {
		field      string
		size, most int
	}{
		{"analysis.iterations", a.Iterations, mostIterations},
		{"analysis.stepWeights", len(a.StepWeights), mostEntries},
		{"analysis.steps", len(a.Steps), mostSteps},
		{"analysis.metrics", len(a.Metrics), mostChecks},
		{"analysis.webhooks", len(a.Webhooks), mostChecks},
		{"analysis.alerts", len(a.Alerts), mostChecks},
		{"analysis.match", len(a.Match), mostEntries},
		{"analysis.previewMatch", len(a.PreviewMatch), mostEntries},
		{"service.match", len(s.Match), mostEntries},
		{"service.hosts", len(s.Hosts), mostEntries},
		{"service.gateways", len(s.Gateways), mostEntries},
		{"service.gatewayRefs", len(s.GatewayRefs), mostEntries},
		{"service.routeRefs", len(s.RouteRefs), mostEntries},
		{"service.mirror", len(s.Mirror), mostEntries},
		{"service.backends", len(s.Backends), mostEntries},
	} {
		if f.size > f.most {
			return invalid("spec."+f.field, "%d are too many, at most %d are possible", f.size, f.most)
		}
	}
	for i, m := range a.Metrics {
		// It is kept in the status, which has a bound of its own.
		if len(m.Name) > mostName {
			return invalid(fmt.Sprintf("spec.analysis.metrics[%d].name", i), "has %d bytes, at most %d are possible", len(m.Name), mostName)
		}
	}
	// Proxies take one list, so that the two are multiplied out.
	for _, f := range []struct {
		field string
		size  int
	}{{"match", len(a.Match)}, {"previewMatch", len(a.PreviewMatch)}} {
		if err := validateCombinations("spec.analysis."+f.field, f.size, len(s.Match)); err != nil {
			return err
		}
	}
	return nil
}

// validateCombinations bounds a list that is combined with another.
func validateCombinations(field string, size, by int) error {
	if size*by > mostEntries {
		return invalid(field, "%d by %d of spec.service.match are too many, at most %d combinations are possible", size, by, mostEntries)
	}
	return nil
}
