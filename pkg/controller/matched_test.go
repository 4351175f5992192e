package controller

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// TestMatchBesideWeights has whoever does not fit the match stay with the primary for the whole rollout.
func TestMatchBesideWeights(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	insider := "insider"
	w.begin(func(c *v1beta1.Canary) {
		c.Spec.Analysis.Match = []v1beta1.HTTPMatchRequest{{Headers: map[string]v1beta1.StringMatch{"x-canary": {Exact: &insider}}}}
	})
	seen := map[string]bool{}
	w.judge.hold(50)
	w.setImage(imageTwo)
	w.await("the rollout is over", func() bool {
		http, _, err := unstructured.NestedSlice(w.route().Object, "spec", "http")
		require.NoError(t, err)
		text := ""
		for _, r := range http {
			_, matched := r.(map[string]any)["match"]
			sides := r.(map[string]any)["route"].([]any)
			text += fmt.Sprintf("%t:%d ", matched, sides[1].(map[string]any)["weight"])
		}
		seen[text] = true
		if seen["true:50 false:0 "] {
			w.judge.goOn()
		}
		return w.status().Phase == v1beta1.PhaseSucceeded
	})
	require.Contains(t, seen, "true:50 false:0 ", "those who fit are split")
	for text := range seen {
		require.True(t, strings.HasSuffix(text, "false:0 "), "everybody else is with the primary: %s", text)
	}
}
