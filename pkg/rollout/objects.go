package rollout

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Forget takes an object that is gone out of what was made.
func (s *Snapshot) Forget(gone v1beta1.MadeObject) {
	s.Objects = slices.DeleteFunc(slices.Clone(s.Objects), func(o v1beta1.MadeObject) bool { return o == gone })
}

// recordObjects records what was made for the Canary, and says whether that is all there is to store. An unfinished rollout
// stores it with its next decision, unless something was taken over, which nobody could give back else.
func recordObjects(t *transition) (only bool) {
	if t.refused || slices.Equal(t.Objects, t.next.Objects) {
		return false
	}
	only = equality.Semantic.DeepEqual(t.next, t.base)
	if only && !t.next.Phase.Settled() && !slices.ContainsFunc(t.Objects, func(o v1beta1.MadeObject) bool { return newlyAdopted(t, o) }) {
		return false
	}
	t.next.Objects = slices.Clone(t.Objects)
	return only
}

func newlyAdopted(t *transition, o v1beta1.MadeObject) bool {
	return o.Adopted && !slices.Contains(t.next.Objects, o)
}
