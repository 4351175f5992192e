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

func successes(r *rand.Rand, n, good float64) proportion {
	return proportion{good: distuv.Binomial{N: n, P: good, Src: r}.Rand(), all: n}
}

func TestSimulatedProportions(t *testing.T) {
	type power struct{ worse, least float64 } // share of successes; least share of runs it is noticed in
	cases := map[string]struct {
		reason string
		n      float64
		primed float64 // the primary's share of successes
		powers []power
	}{
		"Hundred":     {reason: "A quarter of failures is seen in a hundred requests, a few are not.", n: 100, primed: 0.99, powers: []power{{0.98, 0}, {0.95, 0.5}, {0.90, 0.97}}},
		"Thousand":    {reason: "A thousand show five percent of failures for sure.", n: 1000, primed: 0.99, powers: []power{{0.985, 0.2}, {0.98, 0.7}, {0.95, 0.999}}},
		"TenThousand": {reason: "Ten thousand show half a percent.", n: 10000, primed: 0.99, powers: []power{{0.9875, 0.6}, {0.985, 0.95}, {0.98, 0.999}}},
		"Rare":        {reason: "Failures that are rare need more requests.", n: 10000, primed: 0.999, powers: []power{{0.9985, 0.3}, {0.998, 0.65}, {0.995, 0.999}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			same := alarms(name, runs, func(r *rand.Rand) float64 {
				return successes(r, tc.n, tc.primed).worse(successes(r, ratio*tc.n, tc.primed))
			})
			t.Logf("n %6v  %.2f %% against %.2f %%: alarms %.3f", tc.n, 100*tc.primed, 100*tc.primed, same)
			require.LessOrEqual(t, same, level+margin(runs), "False alarms. %s", tc.reason)
			for _, p := range tc.powers {
				seen := alarms(fmt.Sprint(name, p.worse), runs, func(r *rand.Rand) float64 {
					return successes(r, tc.n, p.worse).worse(successes(r, ratio*tc.n, tc.primed))
				})
				t.Logf("n %6v  %.2f %% against %.2f %%: alarms %.3f", tc.n, 100*p.worse, 100*tc.primed, seen)
				require.GreaterOrEqual(t, seen, p.least, "Power against %v. %s", p.worse, tc.reason)
			}
		})
	}
}

// durations are requests of a service whose median takes 40 ms and whose 99th percentile takes 400 ms.
func durations(r *rand.Rand, n int, slower float64) []float64 {
	d := distuv.LogNormal{Mu: math.Log(40), Sigma: 1, Src: r}
	all := make([]float64, n)
	for i := range all {
		all[i] = d.Rand() * slower
	}
	return all
}

// bounds are the upper ends, in milliseconds, of the first buckets of istio_request_duration_milliseconds.
var bounds = []float64{0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000}

// drawn is how many of n requests fall into each bucket, by chance.
func drawn(r *rand.Rand, n int, slower float64) []float64 {
	d := distuv.LogNormal{Mu: math.Log(40 * slower), Sigma: 1}
	counts := make([]float64, len(bounds)+1)
	left, below := float64(n), 0.0
	for i := range counts {
		upTo := 1.0
		if i < len(bounds) {
			upTo = d.CDF(bounds[i])
		}
		p := min(1, (upTo-below)/(1-below))
		if i < len(bounds) && left > 0 && p > 0 {
			counts[i] = distuv.Binomial{N: left, P: p, Src: r}.Rand()
		} else if i == len(bounds) {
			counts[i] = left
		}
		left -= counts[i]
		below = upTo
	}
	return counts
}

func TestSimulatedDistributions(t *testing.T) {
	values := func(r *rand.Rand, n int, slower float64) []group {
		return grouped(durations(r, n, slower), durations(r, ratio*n, 1))
	}
	buckets := func(r *rand.Rand, n int, slower float64) []group {
		canary, primary := drawn(r, n, slower), drawn(r, ratio*n, 1)
		groups := make([]group, len(canary))
		for i := range groups {
			groups[i] = group{canary: canary[i], primary: primary[i]}
		}
		return groups
	}
	type power struct{ slower, least float64 } // times as slow; least share of runs it is noticed in
	cases := map[string]struct {
		reason string
		draw   func(r *rand.Rand, n int, slower float64) []group
		n      int
		runs   int
		powers []power
	}{
		"ValuesFew":          {reason: "Exact where no side has more than twenty.", draw: func(r *rand.Rand, n int, s float64) []group { return grouped(durations(r, n, s), durations(r, n, 1)) }, n: 20, runs: runs, powers: []power{{2, 0.6}}},
		"ValuesHundred":      {reason: "A hundred values show half as slow again.", draw: values, n: 100, runs: runs, powers: []power{{1.1, 0.1}, {1.2, 0.4}, {1.5, 0.9}}},
		"ValuesThousand":     {reason: "A thousand values show ten percent.", draw: values, n: 1000, runs: 1000, powers: []power{{1.1, 0.8}, {1.2, 0.99}}},
		"BucketsHundred":     {reason: "Buckets tell less than values.", draw: buckets, n: 100, runs: runs, powers: []power{{1.1, 0.1}, {1.2, 0.35}, {1.5, 0.9}}},
		"BucketsThousand":    {reason: "A thousand requests show ten percent also in buckets.", draw: buckets, n: 1000, runs: runs, powers: []power{{1.05, 0.25}, {1.1, 0.7}, {1.2, 0.99}}},
		"BucketsTenThousand": {reason: "Ten thousand show five percent.", draw: buckets, n: 10000, runs: runs, powers: []power{{1.02, 0.4}, {1.05, 0.98}, {1.1, 0.999}}},
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
