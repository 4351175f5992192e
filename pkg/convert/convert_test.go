package convert_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/convert"
	"github.com/sluice-cd/sluice/pkg/lint"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/simulate"
)

var update = flag.Bool("update", false, "write the golden files")

// TestConvert converts Rollouts that walkthroughs print, and one with what has no counterpart. Lint has no error for the output,
// and its plan has the weights of the Rollout.
func TestConvert(t *testing.T) {
	cases := map[string]struct {
		reason  string
		weights []int
		notes   []string
	}{
		"istio":      {reason: "a pause and an analysis", weights: []int{50}, notes: []string{"has more routes than one"}},
		"replicas":   {reason: "no provider: weights by pods", weights: []int{20, 80}, notes: []string{"do not have the Service"}},
		"blue-green": {reason: "a Job after the switch", weights: []int{0, 100}, notes: []string{"leave it out of the Deployment"}},
		"nginx": {reason: "much that has no counterpart", weights: []int{10, 40}, notes: []string{
			"antiAffinity: has no counterpart", "steps[7].experiment: has no counterpart", "30 is below the 40 before", "provider.wavefront: has no counterpart",
			`"result == \"ok\"" cannot be said in CEL`, "tiles-canary, which is made",
		}},
		"argocd-blue-green": {reason: "a Job and answers before the switch, which a person decides; a preview host", weights: []int{0, 100}, notes: []string{
			"app-canary, which is made", "Application argocd/tiles: spec.source: take what the Canary makes out of what is applied: Services app, app-preview", "argocd-cm.yaml",
		}},
		"argocd-canary": {reason: "an Ingress of nginx, and a person at the end", weights: []int{20, 40, 80}, notes: []string{
			"app-stable-canary, which is made", "Application argocd/tiles-canary: spec.source",
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			in, err := os.ReadFile(filepath.Join("testdata", name+".yaml"))
			require.NoError(t, err)
			out, notes, err := convert.Convert(strings.NewReader(string(in)))
			require.NoError(t, err)
			golden(t, filepath.Join("testdata", name+".golden"), out)

			var said []string
			for _, n := range notes {
				said = append(said, n.String())
				require.Contains(t, out, "# "+n.String()+"\n", "a note is a comment too")
			}
			for _, want := range tc.notes {
				require.Contains(t, strings.Join(said, "\n"), want)
			}
			l, err := lint.New(lint.Options{})
			require.NoError(t, err)
			files, err := lint.Read([]string{"-"}, strings.NewReader(out))
			require.NoError(t, err)
			for _, f := range l.Lint(t.Context(), files).Findings {
				require.NotEqual(t, lint.Error, f.Level, "%+v", f)
			}
			plans, err := l.Plans(files)
			require.NoError(t, err)
			var weights []int
			for n := range plans[0].Plan.Length() {
				weights = append(weights, plans[0].Plan.Step(n+1).Weight)
			}
			require.Equal(t, tc.weights, slices.Compact(weights), tc.reason)
			require.Equal(t, slices.Compact(append([]int{0}, tc.weights...)), simulated(t, plans[0]))
		})
	}
}

// simulated are the weights of a good rollout until it is promoted.
func simulated(t *testing.T, p lint.Planned) []int {
	t.Helper()
	c := p.Canary
	names := rollout.Names{Namespace: c.Namespace, Canary: c.Name, Kind: c.Spec.TargetRef.Kind, Target: c.Spec.TargetRef.Name, Primary: c.PrimaryWorkload()}
	forecast, err := simulate.Run(p.Plan, simulate.Target{Names: names, Size: 5}, simulate.Circumstances{})
	require.NoError(t, err)
	require.Equal(t, simulate.Promoted, forecast.Outcome, forecast.Table())
	var weights []int
	for _, r := range forecast.Rows {
		if r.Phase == v1beta1.PhaseProgressing {
			weights = append(weights, r.Weight)
		}
	}
	return slices.Compact(weights)
}

// TestWorkloadRef keeps the Deployment that a Rollout refers to: the Canary names it, and no other is made.
func TestWorkloadRef(t *testing.T) {
	in, err := os.ReadFile("testdata/nginx.yaml")
	require.NoError(t, err)
	out, _, err := convert.Convert(strings.NewReader(string(in)))
	require.NoError(t, err)
	require.Contains(t, out, "  targetRef:\n    apiVersion: apps/v1\n    kind: Deployment\n    name: tiles\n")
	require.NotContains(t, out, "\nkind: Deployment\n")
}

func TestNothingToConvert(t *testing.T) {
	_, _, err := convert.Convert(strings.NewReader("kind: Service\napiVersion: v1\n"))
	require.ErrorContains(t, err, "there is no Rollout")
	_, _, err = convert.Convert(strings.NewReader("kind: Rollout\nspec: [\n"))
	require.ErrorContains(t, err, "read the manifests")
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}
