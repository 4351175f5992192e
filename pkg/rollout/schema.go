package rollout

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// A cluster may serve a definition of Canaries that is older than this program: Helm never updates what is in a chart's
// folder crds. The API server then drops fields of the status without a word, and what they are there to remember would be
// done again in every pass. While one is missing nothing begins. What is under way goes on with what can be stored.

// stores says that a field of the status is stored, with all that is in it.
func (s Snapshot) stores(field string) bool {
	return !slices.ContainsFunc(s.SchemaMissing, func(missing string) bool { return strings.HasPrefix(missing, field) })
}

// schemaOutdated keeps a Canary in its phase at rest.
func schemaOutdated(t *transition) outcome {
	if len(t.SchemaMissing) == 0 || !t.Status.Phase.AtRest() {
		return nil
	}
	switch {
	case t.targetIs == targetMissing:
		return awaitTarget
	case t.targetIs == targetUnchanged && t.Status.Phase.Settled():
		return rest
	}
	return awaitSchema
}

// rest leaves a Canary with nothing to roll out as it is.
func rest(t *transition) {
	t.setSettled()
	releasePrimarySize(t)
}

func awaitSchema(t *transition) {
	t.setWaiting(WaitSchema, 0, "%s goes on when the custom resource definition %s is that of the operator.", t.Names.target(), v1beta1.DefinitionName)
}

// recordSchemaOutdated says in the condition Valid what is missing, and what to do. The event is sent once, whatever else is
// missing later.
func (t *transition) recordSchemaOutdated() {
	const most = 5
	var fields []string
	for _, field := range t.SchemaMissing[:min(len(t.SchemaMissing), most)] {
		fields = append(fields, "status."+field)
	}
	names := strings.Join(fields, ", ")
	if more := len(t.SchemaMissing) - most; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	text := fmt.Sprintf("No rollout begins: the custom resource definition %s is older than the operator, the API server does not store %s. "+
		"Update it: kubectl apply --server-side --force-conflicts -f artifacts/crds/flagger.app_canaries.yaml", v1beta1.DefinitionName, names)
	t.condition(v1beta1.ConditionValid, metav1.ConditionFalse, string(ReasonSchemaOutdated), text)
	if !t.toldSchemaOutdated() {
		t.warn(ReasonSchemaOutdated, "%s", text)
	}
}

// toldSchemaOutdated says that the condition Valid has told of it already. A field of its own could not be stored by then; the
// reason can, by every definition.
func (f *facts) toldSchemaOutdated() bool {
	why, _ := olderReason(f.Status, v1beta1.ConditionValid)
	return Reason(why) == ReasonSchemaOutdated
}

// storable is a status without the fields that are not stored. What comes back is compared with it: with them, every pass
// would have something to write.
func storable(s v1beta1.CanaryStatus, missing []string) v1beta1.CanaryStatus {
	if len(missing) == 0 {
		return s
	}
	text, err := json.Marshal(s)
	all := map[string]any{}
	if err != nil || json.Unmarshal(text, &all) != nil {
		return s // a status is made of what JSON has
	}
	for _, field := range missing {
		leaveOut(all, strings.Split(field, "."))
	}
	text, err = json.Marshal(all)
	kept := v1beta1.CanaryStatus{}
	if err != nil || json.Unmarshal(text, &kept) != nil {
		return s
	}
	return kept
}

// leaveOut removes a field from an object, or, where a list is on the way, from all of its objects.
func leaveOut(object map[string]any, path []string) {
	name, list := strings.CutSuffix(path[0], "[]")
	if len(path) == 1 {
		delete(object, name)
		return
	}
	if !list {
		if below, ok := object[name].(map[string]any); ok {
			leaveOut(below, path[1:])
		}
		return
	}
	items, _ := object[name].([]any)
	for _, item := range items {
		if below, ok := item.(map[string]any); ok {
			leaveOut(below, path[1:])
		}
	}
}
