package suite

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/e2e/internal/walk"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	machine "github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/simulate"
)

// forecasts are rollouts of files of which `kubectl sluice simulate` has told the phases and weights.
func forecasts() map[string]scenario {
	return map[string]scenario{
		"ForecastWeights":   {reason: "Weights up and, after the promotion, down.", play: forecast("weights", "Succeeded", 1, 0)},
		"ForecastBake":      {reason: "Steps of their own length, and all requests for a time before the promotion.", play: forecast("bake", "Succeeded", 1, 0)},
		"ForecastBlueGreen": {reason: "All users at once, after all checks.", play: forecast("blue-green", "Succeeded", 1, 0)},
		"ForecastMirror":    {reason: "Copies of requests are no weight.", play: forecast("mirror", "Succeeded", 1, 0)},
		"ForecastReplicas":  {reason: "Weights by numbers of pods.", play: forecast("replicas", "Succeeded", 5, 0)},
		"ForecastFailing":   {reason: "A step that fails its check takes everything back.", play: forecast("failing", "Failed", 1, 40)},
	}
}

// forecast rolls a file out as it is, until it ends, and wants just the rows that a simulation has.
func forecast(file, ends string, pods int32, badAt int) func(*scene) {
	return func(s *scene) {
		path, err := filepath.Abs(filepath.Join("../../pkg/simulate/testdata/rollouts", file+".yaml"))
		require.NoError(s.t, err)
		want := s.foreseen(path, pods, badAt)
		if pods > 1 {
			s.kubectl("scale", "deployment", "podinfo", "-n", s.namespace, fmt.Sprintf("--replicas=%d", pods))
			s.kubectl("rollout", "status", "deployment/podinfo", "-n", s.namespace, "--timeout=120s")
		}
		since := time.Now()
		s.kubectl("apply", "-n", s.namespace, "-f", path)
		s.reach("Initialized", since)
		s.stopped()
		since = s.release("3.1.1")
		s.reach(ends, since)
		require.NoError(s.t, walk.Sequence(s.rows(since), want...))
		s.stopped()
	}
}

// foreseen are the rows of a simulation from when the new revision is seen.
func (s *scene) foreseen(path string, pods int32, badAt int) []string {
	s.t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(s.t, err)
	c := &v1beta1.Canary{}
	require.NoError(s.t, yaml.UnmarshalStrict(text, c))
	_, can, err := router.New(cmp.Or(c.Spec.Provider, "istio"), router.Options{APIVersions: router.EveryAPI()})
	require.NoError(s.t, err)
	plan, err := machine.Compile(c.Spec, can)
	require.NoError(s.t, err)
	names := machine.Names{Namespace: s.namespace, Canary: c.Name, Kind: c.Spec.TargetRef.Kind, Target: c.Spec.TargetRef.Name, Primary: c.PrimaryWorkload()}
	told, err := simulate.Run(plan, simulate.Target{Names: names, Size: pods}, simulate.Circumstances{BadAt: badAt})
	require.NoError(s.t, err)
	var rows []string
	for _, r := range told.Rows {
		rows = append(rows, fmt.Sprintf("%s %d", r.Phase, r.Weight))
	}
	require.Greater(s.t, len(rows), 3, "%v", rows)
	return slices.Compact(rows)
}
