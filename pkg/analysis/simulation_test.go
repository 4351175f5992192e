package analysis

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"
)

// The tables of docs/concepts/analysis.md come from here: go test ./pkg/analysis -run TestSimulated -v

const (
	runs  = 2000
	level = 0.05 // 1 - confidence
	ratio = 4    // the primary has so many times the canary's requests, as at a weight of 20
)

// alarms is the share of runs whose p is below the level. Each name has a seed of its own.
func alarms(name string, runs int, p func(r *rand.Rand) float64) float64 {
	seed := uint64(0)
	for _, b := range []byte(name) {
		seed = seed*131 + uint64(b)
	}
	r := rand.New(rand.NewPCG(seed, 1))
	raised := 0
	for range runs {
		if p(r) < level {
			raised++
		}
	}
	return float64(raised) / float64(runs)
}

// margin is what chance may add to a share of that many runs, at four standard deviations.
func margin(runs int) float64 { return 4 * math.Sqrt(level*(1-level)/float64(runs)) }

// durations are requests of a service whose median takes 40 ms and whose 99th percentile takes 400 ms.
func durations(r *rand.Rand, n int, slower float64) []float64 {
	d := distuv.LogNormal{Mu: math.Log(40), Sigma: 1, Src: r}
	all := make([]float64, n)
	for i := range all {
		all[i] = d.Rand() * slower
	}
	return all
}

func TestSimulatedDistributions(t *testing.T) {
	values := func(r *rand.Rand, n int, slower float64) []group {
		return grouped(durations(r, n, slower), durations(r, ratio*n, 1))
	}
	type power struct{ slower, least float64 } // times as slow; least share of runs it is noticed in
	cases := map[string]struct {
		reason string
		draw   func(r *rand.Rand, n int, slower float64) []group
		n      int
		runs   int
		powers []power
	}{
		"ValuesFew":      {reason: "Exact where no side has more than twenty.", draw: func(r *rand.Rand, n int, s float64) []group { return grouped(durations(r, n, s), durations(r, n, 1)) }, n: 20, runs: runs, powers: []power{{2, 0.6}}},
		"ValuesHundred":  {reason: "A hundred values show half as slow again.", draw: values, n: 100, runs: runs, powers: []power{{1.1, 0.1}, {1.2, 0.4}, {1.5, 0.9}}},
		"ValuesThousand": {reason: "A thousand values show ten percent.", draw: values, n: 1000, runs: 1000, powers: []power{{1.1, 0.8}, {1.2, 0.99}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			same := alarms(name, tc.runs, func(r *rand.Rand) float64 { return ranked(tc.draw(r, tc.n, 1)).higher() })
			t.Logf("n %6v  as slow: alarms %.3f", tc.n, same)
			require.LessOrEqual(t, same, level+margin(tc.runs), "False alarms. %s", tc.reason)
			for _, p := range tc.powers {
				seen := alarms(fmt.Sprint(name, p.slower), tc.runs, func(r *rand.Rand) float64 { return ranked(tc.draw(r, tc.n, p.slower)).higher() })
				t.Logf("n %6v  %v times as slow: alarms %.3f", tc.n, p.slower, seen)
				require.GreaterOrEqual(t, seen, p.least, "Power against %v. %s", p.slower, tc.reason)
			}
		})
	}
}
