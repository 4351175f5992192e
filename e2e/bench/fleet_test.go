package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
)

func TestKey(t *testing.T) {
	seen := map[types.NamespacedName]bool{}
	team := map[string][]string{}
	for i := range 250 {
		k := key(i)
		require.False(t, seen[k], "application %d has a name of its own", i)
		seen[k] = true
		team[k.Namespace] = append(team[k.Namespace], k.Name)
	}
	require.Len(t, team, 25, "ten to a namespace")
	for _, names := range team {
		for _, a := range names {
			for _, b := range names {
				require.False(t, a != b && strings.HasPrefix(a, b), "requests are told apart by how names begin: %s, %s", a, b)
			}
		}
	}
}

func TestFleetNamespaces(t *testing.T) {
	tests := map[string]struct {
		reason string
		size   int
		want   []string
	}{
		"One":     {reason: "the first has a namespace", size: 1, want: []string{"bench-000"}},
		"Full":    {reason: "ten fit into one", size: 10, want: []string{"bench-000"}},
		"OneMore": {reason: "the eleventh needs another", size: 11, want: []string{"bench-000", "bench-001"}},
		"None":    {reason: "an empty fleet lives nowhere"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, (&Fleet{Size: tc.size}).namespaces(), tc.reason)
		})
	}
}

func TestCanaryFitsItsDeployment(t *testing.T) {
	k := key(7)
	c, d := canary(k, 10*time.Second), deployment(k, 3)
	require.Equal(t, d.Name, c.Spec.TargetRef.Name)
	require.Equal(t, d.Namespace, c.Namespace)
	require.Equal(t, d.Spec.Template.Labels, d.Spec.Selector.MatchLabels)
	require.EqualValues(t, 3, *d.Spec.Replicas)
	require.Equal(t, d.Spec.Template.Spec.Containers[0].Ports[0].ContainerPort, c.Spec.Service.Port)
	require.Equal(t, "10s", c.Spec.Analysis.Interval)
	require.Equal(t, 5, c.Spec.Analysis.MaxWeight/c.Spec.Analysis.StepWeight, "the figures to reach are about five steps")
	require.Empty(t, c.Spec.Analysis.Metrics, "no monitoring system is there to be asked")
}

func TestDocuments(t *testing.T) {
	tests := map[string]struct {
		reason, text string
		want         []string
		fails        bool
	}{
		"Several": {
			reason: "one file has many, with comments and nothing in between",
			text:   "# first\n---\nkind: A\n---\n# nothing\n---\nkind: B\n", want: []string{"A", "B"},
		},
		"None":    {reason: "an empty file has none", text: "\n", want: []string{}},
		"Garbage": {reason: "half a file must not pass for a whole one", text: "kind: A\n---\n{", fails: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			objects, err := documents([]byte(tc.text))
			require.Equal(t, tc.fails, err != nil, "%s: %v", tc.reason, err)
			if tc.fails {
				return
			}
			kinds := []string{}
			for _, o := range objects {
				kinds = append(kinds, o.GetKind())
			}
			require.Equal(t, tc.want, kinds, tc.reason)
		})
	}
}
