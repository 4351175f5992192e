package controller

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/simulate"
)

// TestForecastIsWhatHappens rolls files out, and compares phases and weights with those that a simulation of them foresees.
// e2e/suite does the same on a cluster.
func TestForecastIsWhatHappens(t *testing.T) {
	cases := map[string]struct {
		badAt int // weight from which on checks fail
		pods  int32
		ends  v1beta1.CanaryPhase
	}{
		"weights": {}, "bake": {}, "blue-green": {}, "mirror": {}, "replicas": {pods: 5}, "failing": {badAt: 40, ends: v1beta1.PhaseFailed},
	}
	files, err := os.ReadDir("../simulate/testdata/rollouts")
	require.NoError(t, err)
	require.Len(t, files, len(cases), "each of them is rolled out")
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile("../simulate/testdata/rollouts/" + name + ".yaml")
			require.NoError(t, err)
			file := &v1beta1.Canary{}
			require.NoError(t, yaml.UnmarshalStrict(text, file))
			want := foreseen(t, file, cmp.Or(tc.pods, 2), tc.badAt)

			w := newWorld(t)
			if tc.pods == 5 {
				w.scaleToFive()
			}
			w.begin(func(c *v1beta1.Canary) { c.Spec = file.Spec })
			if tc.badAt > 0 {
				w.judge.failFrom(tc.badAt, -1)
			}
			seen := w.history()
			w.setImage(imageTwo)
			w.awaitPhase(cmp.Or(tc.ends, v1beta1.PhaseSucceeded))
			w.awaitTargetStopped()
			require.Equal(t, want, ofRollout(seen()))
		})
	}
}

// foreseen are the phases and weights that a simulation has.
func foreseen(t *testing.T, c *v1beta1.Canary, pods int32, badAt int) []string {
	t.Helper()
	_, can, err := router.New(cmp.Or(c.Spec.Provider, "istio"), router.Options{APIVersions: router.EveryAPI()})
	require.NoError(t, err)
	plan, err := rollout.Compile(c.Spec, can)
	require.NoError(t, err)
	names := rollout.Names{Namespace: c.Namespace, Canary: c.Name, Kind: c.Spec.TargetRef.Kind, Target: c.Spec.TargetRef.Name, Primary: c.PrimaryWorkload()}
	forecast, err := simulate.Run(plan, simulate.Target{Names: names, Size: pods}, simulate.Circumstances{BadAt: badAt})
	require.NoError(t, err)
	var rows []string
	for _, r := range forecast.Rows {
		rows = append(rows, fmt.Sprintf("%s %d", r.Phase, r.Weight))
	}
	require.Greater(t, len(rows), 3)
	return slices.Compact(ofRollout(rows))
}

// ofRollout leaves out what was before a new revision was seen.
func ofRollout(rows []string) []string {
	begin := slices.IndexFunc(rows, func(row string) bool { return strings.HasPrefix(row, string(v1beta1.PhaseProgressing)) })
	return rows[max(begin, 0):]
}
