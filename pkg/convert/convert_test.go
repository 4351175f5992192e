package convert_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/convert"
	"github.com/sluice-cd/sluice/pkg/lint"
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
		})
	}
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
