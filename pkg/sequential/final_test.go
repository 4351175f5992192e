package sequential

import (
	"math"
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"
)

// TestExactEnumerated holds the exact test to counting, over three strata, every way in which the bad events could have
// fallen on the canary's.
func TestExactEnumerated(t *testing.T) {
	t.Parallel()
	strata := [][4]int64{{2, 1, 4, 1}, {3, 2, 3, 1}, {1, 0, 4, 2}}
	for found := range int64(7) {
		var at [][4]int64
		left := found
		for _, s := range strata { // the same margins, with so many bad events of the canary in all
			x := min(left, min(s[0], s[1]+s[3]))
			at = append(at, [4]int64{s[0], x, s[2], s[1] + s[3] - x})
			left -= x
		}
		if left > 0 {
			continue
		}
		require.InDelta(t, counted(strata, found), exact(at), 1e-12, "%d bad events or more", found)
	}
}

// counted is the share of the ways to choose the canary's events in which it has so many bad ones, or more.
func counted(strata [][4]int64, least int64) float64 {
	ways := []map[int64]float64{{0: 1}}
	for i, s := range strata {
		n, bad := s[0]+s[2], uint(1)<<(s[1]+s[3])-1
		next := map[int64]float64{}
		for mask := range uint(1) << n {
			if int64(bits.OnesCount(mask)) != s[0] {
				continue
			}
			for x, w := range ways[i] {
				next[x+int64(bits.OnesCount(mask&bad))] += w
			}
		}
		ways = append(ways, next)
	}
	var all, as float64
	for x, w := range ways[len(ways)-1] {
		all += w
		if x >= least {
			as += w
		}
	}
	return as / all
}

// TestHypergeometric holds the distribution that is convolved to whole numbers.
func TestHypergeometric(t *testing.T) {
	t.Parallel()
	tables(6, func(tab table) {
		h := hypergeometric(tab)
		sum := 0.0
		for i, p := range h.p {
			require.InDelta(t, enumerated(tab, h.at+i), p, 1e-12, "%+v", tab)
			sum += p
		}
		require.InDelta(t, 1, sum, 1e-12, "%+v", tab)
	})
}

// TestTails holds the tails to those of a library.
func TestTails(t *testing.T) {
	t.Parallel()
	for _, x := range []float64{-30, -3, -0.1, 0, 0.5, 2, 3.5, 5, 30} {
		require.InDelta(t, distuv.UnitNormal.Survival(x), normal(x), 1e-15, "normal, %v", x)
		for _, nu := range []float64{2, 3, 11, 101} {
			require.InEpsilon(t, distuv.StudentsT{Sigma: 1, Nu: nu}.Survival(x), student(x, nu), 1e-9, "Student, %v, %v", nu, x)
		}
	}
	require.InEpsilon(t, 6.220960574271785e-16, normal(8), 1e-9, "far out")
	require.Zero(t, student(math.Inf(1), 5))
}

// TestFormsAgree holds the normal form to the exact one where that takes over.
func TestFormsAgree(t *testing.T) {
	t.Parallel()
	var e Evidence
	for i := range int64(10) {
		require.NoError(t, e.Add(stratum(i, 10000, 555, 10000, 510), defaults()))
	}
	s := e.Sums[0]
	require.InDelta(t, largeVariance, s[variance], 200)
	require.InEpsilon(t, exact(e.Recent), normal((s[excess]-0.5)/math.Sqrt(s[variance])), 0.1)
}

// TestFinal looks at which form of the test is made, and that it is made once.
func TestFinal(t *testing.T) {
	t.Parallel()
	add := func(n int64, p Parameters, f func(i int64) Stratum) *Evidence {
		e := &Evidence{}
		for i := range n {
			require.NoError(t, e.Add(f(i), p))
		}
		return e
	}
	worse := func(i int64) Stratum { return stratum(i, 100, 4, 100, 1) }
	p := defaults()

	few := add(3, p, worse)
	require.InDelta(t, exact([][4]int64{{100, 4, 100, 1}, {100, 4, 100, 1}, {100, 4, 100, 1}}), few.MakeFinal(p).P, 1e-6)
	noted := *few.Final
	require.NoError(t, few.Add(stratum(3, 100, 90, 100, 1), p))
	require.Equal(t, noted, *few.MakeFinal(p), "made again")

	many := add(MaxStrata+1, p, worse)
	s := many.Sums[0]
	require.InDelta(t, normal((s[excess]-0.5)/math.Sqrt(s[variance])), many.MakeFinal(p).P, 1e-6, "a stratum was folded")

	p.Dispersion = 2
	scattered := add(3, p, worse)
	s = scattered.Sums[0]
	require.InDelta(t, distuv.StudentsT{Sigma: 1, Nu: 4}.Survival((s[excess]-0.5)/math.Sqrt(2*s[variance])), scattered.MakeFinal(p).P, 1e-6)

	p.Tolerance = 0.05 // the difference is 0.03
	require.Equal(t, 1.0, add(3, p, worse).MakeFinal(p).P)
	require.Nil(t, (&Evidence{}).MakeFinal(p), "nothing was counted")
	require.Equal(t, 1.0, add(3, defaults(), func(i int64) Stratum { return stratum(i, 100, 0, 100, 0) }).MakeFinal(defaults()).P, "no bad events")
}
