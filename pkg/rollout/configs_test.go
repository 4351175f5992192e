package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConfigsAreRecorded(t *testing.T) {
	before := map[string]string{"configmap/settings": "01"}
	now := map[string]string{"configmap/settings": "02"}
	for name, tc := range map[string]struct {
		reason  string
		configs map[string]string
		applied string
		want    map[string]string
	}{
		"NewRevision": {reason: "a rollout is about a revision and its configs", configs: now, applied: "r1-b", want: now},
		"None":        {reason: "that there is none is noted as well", configs: map[string]string{}, applied: "r1-b", want: map[string]string{}},
		"Same":        {reason: "what the status is about already is not written again", configs: now, applied: "r1-a", want: before},
		"NotTracked":  {reason: "with tracking turned off, what was noted stays", applied: "r1-b", want: before},
	} {
		t.Run(name, func(t *testing.T) {
			s := Snapshot{Revision: tc.applied, Configs: tc.configs}
			s.Status.LastAppliedSpec, s.Status.TrackedConfigs = "r1-a", &before
			made := newTransition(s)
			made.next.LastAppliedSpec = tc.applied
			d := made.conclude()
			require.Equal(t, tc.want, *d.Status.TrackedConfigs, tc.reason)
		})
	}
}
