package analysis

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"
)

// orders runs through all ways to give n of n+m places to the canary.
func orders(n, m int, visit func(canary uint)) {
	for set := range uint(1) << (n + m) {
		if bits.OnesCount(set) == n {
			visit(set)
		}
	}
}

// split divides values: those whose bits are set are the canary's.
func split(values []float64, set uint) (canary, primary []float64) {
	for i, v := range values {
		if set>>i&1 == 1 {
			canary = append(canary, v)
			continue
		}
		primary = append(primary, v)
	}
	return canary, primary
}

// TestHigherCounted compares the exact test with all orders of the values, one by one.
func TestHigherCounted(t *testing.T) {
	for _, size := range []struct{ n, m int }{{1, 1}, {1, 6}, {3, 4}, {5, 5}, {7, 4}} {
		values := make([]float64, size.n+size.m)
		for i := range values {
			values[i] = float64(i * i)
		}
		var all []ranks
		orders(size.n, size.m, func(set uint) { all = append(all, ranked(grouped(split(values, set)))) })
		for _, one := range all {
			atLeast := 0
			for _, other := range all {
				if other.u >= one.u {
					atLeast++
				}
			}
			require.InDelta(t, float64(atLeast)/float64(len(all)), one.higher(), 1e-12, "n = %d, m = %d, U = %v", size.n, size.m, one.u)
		}
	}
}

// TestVarianceOfTies computes the variance of U over all orders of values of which some are equal, and expects that of
// the formula with the correction, from the p it leads to.
func TestVarianceOfTies(t *testing.T) {
	cases := map[string]struct {
		reason string
		n      int
		values []float64
	}{
		"Pairs":  {reason: "Every value twice.", n: 5, values: []float64{1, 1, 2, 2, 3, 3, 4, 4, 5, 5}},
		"Bucket": {reason: "Most of all in one bucket.", n: 4, values: []float64{1, 2, 2, 2, 2, 2, 2, 2, 3, 4, 5}},
		"Two":    {reason: "Only two values, as of a proportion.", n: 6, values: []float64{0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m := len(tc.values) - tc.n
			mean := float64(tc.n*m) / 2
			sum, square, count := 0.0, 0.0, 0.0
			orders(tc.n, m, func(set uint) {
				r := ranked(grouped(split(tc.values, set)))
				sum += r.u
				square += (r.u - mean) * (r.u - mean)
				count++
			})
			require.InDelta(t, mean, sum/count, 1e-9, "The mean is in the middle. %s", tc.reason)
			sd := math.Sqrt(square / count)
			orders(tc.n, m, func(set uint) {
				r := ranked(grouped(split(tc.values, set)))
				require.InDelta(t, distuv.UnitNormal.Survival((r.u-mean-0.5)/sd), r.higher(), 1e-9, tc.reason)
			})
		})
	}
}

func TestAbove(t *testing.T) {
	for z := -8.0; z <= 8; z += 0.25 {
		require.InDelta(t, distuv.UnitNormal.Survival(z), above(z), 1e-15, "z = %v", z)
	}
	// Far out, where the library's difference of two numbers near 1 is nothing. M. Abramowitz, I. A. Stegun,
	// Handbook of Mathematical Functions (1964), table 26.2.
	require.InEpsilon(t, 2.866515718e-7, above(5), 1e-8)
	require.InEpsilon(t, 7.619853024e-24, above(10), 1e-8)
}

func TestHigherEdges(t *testing.T) {
	cases := map[string]struct {
		reason string
		groups []group
		want   float64
	}{
		"AllTheSame": {reason: "One value of all is no evidence.", groups: []group{{100, 500}}, want: 1},
		"EmptyGroup": {reason: "Buckets that nobody is in change nothing.", groups: []group{{0, 0}, {100, 500}, {0, 0}}, want: 1},
		"Nobody":     {reason: "Nor do sides without values.", groups: nil, want: 1},
		"Highest":    {reason: "Three above three, one order of twenty.", groups: []group{{0, 1}, {0, 1}, {0, 1}, {1, 0}, {1, 0}, {1, 0}}, want: 0.05},
		"Lowest":     {reason: "Three below three, all orders are at least as high.", groups: []group{{1, 0}, {1, 0}, {1, 0}, {0, 1}, {0, 1}, {0, 1}}, want: 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { require.InDelta(t, tc.want, ranked(tc.groups).higher(), 1e-12, tc.reason) })
	}
}

// TestHigherMirrors has both sides, and the direction, change places: the same question.
func TestHigherMirrors(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		groups := make([]group, 1+r.IntN(12))
		for i := range groups {
			groups[i] = group{canary: float64(r.IntN(40)), primary: float64(r.IntN(90))}
		}
		other := reversed(groups)
		for i, g := range other {
			other[i] = group{canary: g.primary, primary: g.canary}
		}
		require.InDelta(t, ranked(groups).higher(), ranked(other).higher(), 1e-9, fmt.Sprint(groups))
	}
}

// TestExactMeetsNormal has the two ways to compute p agree where one takes over from the other.
func TestExactMeetsNormal(t *testing.T) {
	const n = exactUpTo
	sd := math.Sqrt(n * n / 12.0 * (2*n + 1))
	for u := n * n / 2; u <= n*n; u++ {
		normal := distuv.UnitNormal.Survival((float64(u) - n*n/2.0 - 0.5) / sd)
		require.InDelta(t, countedOut(n, n, u), normal, 0.003, "U = %d", u)
	}
}
