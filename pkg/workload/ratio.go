package workload

import (
	"fmt"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// ApexLabel on the pods of both sides, with the name of the apex Service, has that lead to both. The label that tells
// the sides apart cannot do so, and others may change with the target or be on strangers' pods.
const ApexLabel = "sluice.dev/apex"

// CheckApexLabel refuses a target whose pods cannot stand behind the apex Service together with the primary's, by a
// *rollout.InvalidError.
func CheckApexLabel(target Object, c *v1beta1.Canary) error {
	if SummaryOf(target).Template.Labels[ApexLabel] == c.ApexName() {
		return nil
	}
	return &rollout.InvalidError{
		Field: "spec.analysis.replicaRatio",
		Problem: fmt.Sprintf("needs the label %s: %s in spec.template.metadata.labels of %s %q, by which the Service %q finds the pods of both sides",
			ApexLabel, c.ApexName(), SummaryOf(target).Kind, target.GetName(), c.ApexName()),
	}
}

// PrimaryReplicas renders a primary at a size, and nothing else of it. It is a Patch, since the rest of a primary is ours as well
// and must not go.
func PrimaryReplicas(primary Object, size int32) Patch {
	return patch("apps/v1", SummaryOf(primary).Kind, primary, map[string]any{
		"spec": map[string]any{"replicas": int64(size)},
	})
}
