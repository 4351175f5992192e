package workload

import (
	"encoding/json"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// promotionAnnotation is put on the pods of a primary by another controller of this API, anew at each promotion.
// What follows is for primaries that were there before us: docs/decisions/0012.
const promotionAnnotation = "flagger-id"

// PromotedByOther says that another controller made a primary.
func PromotedByOther(k Kind, primary Object) bool {
	_, ok := k.Summarize(primary).Template.Annotations[promotionAnnotation]
	return ok
}

// keepPodAnnotations gives a copy the marks of promotions that it has already.
func (m PrimaryOptions) keepPodAnnotations(t *corev1.PodTemplateSpec) {
	if m.PodAnnotations == nil {
		return
	}
	for _, mark := range []string{promotionAnnotation, configsAnnotation} {
		// A mark that the live pods lack must not come in either: a copy that is the same replaces no pod.
		delete(t.Annotations, mark)
		if v, ok := m.PodAnnotations[mark]; ok {
			if t.Annotations == nil {
				t.Annotations = map[string]string{}
			}
			t.Annotations[mark] = v
		}
	}
}

// PrimaryMatchesTarget says whether a primary that somebody else may have made runs what a copy of the target would. What only
// tells one promotion from the next is left out of the comparison.
func PrimaryMatchesTarget(k Kind, target, primary Object, c *v1beta1.Canary, configs Configs) (bool, error) {
	copied, err := copiedTemplate(k, target, c, PrimaryOptions{Configs: configs, Live: primary})
	if err != nil {
		return false, err
	}
	return templateRevision(copied) == templateRevision(*k.Summarize(primary).Template), nil
}

// PrimaryIsCopy says whether a primary runs what a copy of the target would, to the last of what tells promotions apart. Of a
// primary that another controller made, only that can tell which content its configs had.
func PrimaryIsCopy(k Kind, target, primary Object, c *v1beta1.Canary, configs Configs) (bool, error) {
	if PromotedByOther(k, primary) {
		same := c.Status.TrackedConfigs == nil || maps.Equal(*c.Status.TrackedConfigs, configs.Sums)
		copied, err := PrimaryMatchesTarget(k, target, primary, c, configs)
		return same && copied, err
	}
	copied, err := copiedTemplate(k, target, c, PrimaryOptions{Configs: configs, Live: primary})
	if err != nil {
		return false, err
	}
	return Revision(copied, nil) == Revision(*k.Summarize(primary).Template, nil), nil
}

// copiedTemplate is the pod template that a primary is rendered with.
func copiedTemplate(k Kind, target Object, c *v1beta1.Canary, m PrimaryOptions) (corev1.PodTemplateSpec, error) {
	rendered, err := k.Primary(target, c, m)
	if err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	raw, err := json.Marshal(rendered)
	if err != nil {
		return corev1.PodTemplateSpec{}, fmt.Errorf("encode the primary of %q: %w", target.GetName(), err)
	}
	// Rendered and live templates are of two types; through JSON they are of one.
	var copied struct {
		Spec struct {
			Template corev1.PodTemplateSpec `json:"template"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(raw, &copied); err != nil {
		return corev1.PodTemplateSpec{}, fmt.Errorf("decode the primary of %q: %w", target.GetName(), err)
	}
	return copied.Spec.Template, nil
}

// templateRevision is the revision of a template without the marks of promotions.
func templateRevision(t corev1.PodTemplateSpec) string {
	t = *t.DeepCopy()
	for _, mark := range []string{promotionAnnotation, configsAnnotation} {
		delete(t.Annotations, mark)
	}
	if len(t.Annotations) == 0 {
		t.Annotations = nil
	}
	return Revision(t, nil)
}
