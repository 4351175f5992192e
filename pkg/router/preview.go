package router

import (
	"fmt"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// preview is one list of requests that all go to the canary.
type preview struct {
	field string // of the spec, without `spec.analysis.`
	match []v1beta1.HTTPMatchRequest
}

// previews are all such lists of a Canary. Each is looked at whatever the step, so that what cannot be done is said when a Canary
// is applied and not in the middle of a rollout.
func previews(a *v1beta1.CanaryAnalysis) []preview {
	if a == nil {
		return nil
	}
	all := []preview{{"previewMatch", a.PreviewMatch}}
	for i, s := range a.Steps {
		if s.PreviewMatch != nil {
			all = append(all, preview{fmt.Sprintf("steps[%d].previewMatch", i), *s.PreviewMatch})
		}
	}
	return all
}

// previewed is the list that traffic calls for, empty where it calls for none.
func previewed(a *v1beta1.CanaryAnalysis, t rollout.Traffic) []v1beta1.HTTPMatchRequest {
	switch {
	case a == nil, !t.Preview:
		return nil
	case t.PreviewOf == 0:
		return a.PreviewMatch
	case t.PreviewOf > len(a.Steps) || a.Steps[t.PreviewOf-1].PreviewMatch == nil:
		return nil
	}
	return *a.Steps[t.PreviewOf-1].PreviewMatch
}
