package analysis

import (
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"
)

// TestDocumentedFalseAlarms computes the page's table: how many rollouts of ten steps end although the canary is as good
// as its primary. A failed check repeats its step, so that the rollout ends when `threshold` checks have failed before ten
// have passed: when of the first threshold + 9 at least so many fail.
func TestDocumentedFalseAlarms(t *testing.T) {
	page, err := os.ReadFile("../../docs/concepts/analysis.md")
	require.NoError(t, err)
	for _, confidence := range []float64{0.95, 0.99} {
		for metrics := 1; metrics <= 3; metrics++ {
			row := fmt.Sprintf("| %v | %d |", confidence, metrics)
			alarm := 1 - math.Pow(confidence, float64(metrics)) // at a check, of any of them
			for _, threshold := range []float64{1, 2, 3, 5} {
				failures := distuv.Binomial{N: threshold + 9, P: alarm}
				row += fmt.Sprintf(" %s |", rounded(100*failures.Survival(threshold-1)))
			}
			require.Contains(t, string(page), row+"\n")
		}
	}
}

// rounded has two digits that count, in the page's way.
func rounded(percent float64) string {
	if percent >= 1 && percent < 9.95 {
		return fmt.Sprintf("%.1f", percent)
	}
	return fmt.Sprintf("%.2g", percent)
}
