package workload

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-cd/sluice/pkg/rollout"
)

// revisionDigits is the length of a revision behind its prefix.
// 64 bits: two templates of one Canary do not meet, and a name stays readable.
const revisionDigits = 16

// Revision names what a target's pods are made of: the pod template as the API server returned it, and
// the checksums of the configs it refers to, by `configmap/<name>` and `secret/<name>`.
//
// The same template has the same revision under every version of Sluice and of the Kubernetes client:
// what is hashed is JSON with sorted keys and without the values that the Go types make up, and a type
// that learns a new field leaves it out where nobody set it. The tests hold revisions that must never
// change; a change of how they are made needs another rollout.RevisionPrefix.
func Revision(template corev1.PodTemplateSpec, configs map[string]string) string {
	t, err := toJSON(template)
	if err != nil {
		panic(err) // a pod template always has a JSON form
	}
	content := map[string]any{"template": prune("", t)}
	if len(configs) > 0 {
		content["configs"] = configs
	}
	raw, err := json.Marshal(content)
	if err != nil {
		panic(err) // it was decoded from JSON a moment ago
	}
	sum := sha256.Sum256(raw)
	return rollout.RevisionPrefix + hex.EncodeToString(sum[:])[:revisionDigits]
}
