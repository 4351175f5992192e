package sequential

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/combin"
)

// tables calls f with every table whose sides have up to so many events.
func tables(most int, f func(table)) {
	for nc := 1; nc <= most; nc++ {
		for np := 1; np <= most; np++ {
			for xc := 0; xc <= nc; xc++ {
				for xp := 0; xp <= np; xp++ {
					f(table{nc: float64(nc), xc: float64(xc), np: float64(np), xp: float64(xp)})
				}
			}
		}
	}
}

// enumerated is the probability of x by counting the ways to choose, in whole numbers.
func enumerated(t table, x int) float64 {
	k, nc, n := int(t.bad()), int(t.nc), int(t.all())
	if x < 0 || x > k || nc-x < 0 || nc-x > n-k {
		return 0
	}
	return float64(combin.Binomial(k, x)*combin.Binomial(n-k, nc-x)) / float64(combin.Binomial(n, nc))
}

// TestLogMomentEnumerated holds lnM to the sum over all that x can be, of every table up to seven by seven events.
func TestLogMomentEnumerated(t *testing.T) {
	t.Parallel()
	tables(7, func(tab table) {
		for _, l := range logWeights {
			sum := 0.0
			for x := range int(tab.nc) + 1 {
				sum += enumerated(tab, x) * math.Exp(l*float64(x))
			}
			require.InDelta(t, math.Log(sum), logMoment(tab, l), 1e-9, "%+v, l = %v", tab, l)
		}
	})
}

// TestLogMomentLarge holds both forms of lnM to the sum over all that x can be, of tables too large to count in whole numbers.
func TestLogMomentLarge(t *testing.T) {
	t.Parallel()
	for _, tab := range []table{
		{nc: 1000, np: 19000, xc: 12, xp: 180},
		{nc: 20000, np: 20000, xc: 700, xp: 900},     // below the variance of Laplace's form
		{nc: 50000, np: 50000, xc: 900, xp: 900},     // above it
		{nc: 1e6, np: 4e6, xc: 11000, xp: 40000},     // far above
		{nc: 100000, np: 100, xc: 99000, xp: 99},     // hardly any good ones
		{nc: 3, np: 5_000_000, xc: 3, xp: 2_500_000}, // hardly any of the canary
	} {
		for _, l := range logWeights {
			first, last := int(max(0, tab.bad()+tab.nc-tab.all())), int(min(tab.bad(), tab.nc))
			var logs []float64
			for x := first; x <= last; x++ {
				logs = append(logs, logHypergeometric(tab, float64(x))+l*float64(x))
			}
			want := logMean(logs) + math.Log(float64(len(logs)))
			require.InDelta(t, want, logMoment(tab, l), 1e-3, "%+v, l = %v", tab, l)
		}
	}
}

// TestMode holds the start of the sum to the largest of its terms.
func TestMode(t *testing.T) {
	t.Parallel()
	tables(6, func(tab table) {
		for _, l := range logWeights {
			best, most := 0.0, -1.0
			for x := range int(tab.nc) + 1 {
				if p := enumerated(tab, x) * math.Exp(l*float64(x)); p > most {
					best, most = float64(x), p
				}
			}
			require.InDelta(t, best, mode(tab, math.Exp(l)), 1, "%+v, l = %v", tab, l)
		}
	})
}

// TestEvidenceAgainstIsFair looks at every path of three strata: where both sides are alike the mean of E, given the
// margins, is 1, and never more after rounding.
func TestEvidenceAgainstIsFair(t *testing.T) {
	t.Parallel()
	strata := []table{{nc: 3, xc: 1, np: 5, xp: 1}, {nc: 4, xc: 2, np: 4, xp: 2}, {nc: 2, xc: 0, np: 6, xp: 1}}
	mean := 0.0
	var walk func(s Sums, i int, p float64)
	walk = func(s Sums, i int, p float64) {
		if i == len(strata) {
			mean += p * math.Exp(s.against(1))
			return
		}
		for x := range int(strata[i].nc) + 1 {
			chance := enumerated(strata[i], x)
			if chance == 0 {
				continue
			}
			next, tab := s, strata[i]
			tab.xp += tab.xc - float64(x)
			tab.xc = float64(x)
			next.add(tab, 0, 0.01)
			walk(next, i+1, p*chance)
		}
	}
	walk(Sums{}, 0, 1)
	require.LessOrEqual(t, mean, 1+1e-12)
	require.InDelta(t, 1, mean, 0.005)
}

// TestClearanceIsFair takes the mean of F over all that two sides can count: for every pair of rates in which the canary
// is worse by the margin or more it is at most 1, whatever rate was expected.
func TestClearanceIsFair(t *testing.T) {
	t.Parallel()
	for _, sizes := range [][2]float64{{6, 6}, {3, 12}, {12, 3}, {1, 1}} {
		for _, margin := range []float64{0.01, 0.1, 0.4} {
			for _, th := range []float64{0.001, 0.005, 0.1, 0.5, 0.8, 0.999} {
				greatest := 0.0
				for tp := 0.0; tp+margin <= 1; tp += 0.05 {
					for tc := tp + margin; tc <= 1; tc += 0.1 {
						greatest = max(greatest, meanClearance(sizes[0], sizes[1], tc, tp, th, margin))
					}
				}
				require.LessOrEqual(t, greatest, 1+1e-9, "nc, np = %v, margin %v, expected %v", sizes, margin, th)
			}
		}
	}
	// Where both sides are as expected, it grows.
	require.Greater(t, meanClearance(12, 12, 0.1, 0.1, 0.1, 0.1), 1.1)
}

func meanClearance(nc, np, tc, tp, th, margin float64) float64 {
	mean := 0.0
	for xc := 0.0; xc <= nc; xc++ {
		for xp := 0.0; xp <= np; xp++ {
			mean += chosen(nc, xc, tc) * chosen(np, xp, tp) * math.Exp(clearance(table{nc: nc, xc: xc, np: np, xp: xp}, th, margin))
		}
	}
	return mean
}

// chosen is the binomial probability of x among n, of rates 0 and 1 too.
func chosen(n, x, p float64) float64 {
	return float64(combin.Binomial(int(n), int(x))) * math.Pow(p, x) * math.Pow(max(0, 1-p), n-x)
}

// TestNearest holds the pair of rates to the one that a search finds nearest by the divergence of Kullback and Leibler.
func TestNearest(t *testing.T) {
	t.Parallel()
	divergence := func(th, p float64) float64 { return th*math.Log(th/p) + (1-th)*math.Log((1-th)/(1-p)) }
	for _, tab := range []table{{nc: 10, np: 90}, {nc: 50, np: 50}, {nc: 90, np: 10}} {
		for _, th := range []float64{0.005, 0.03, 0.4, 0.97, 0.995} {
			const margin = 0.02
			best, least := 0.0, math.Inf(1)
			for i := 1; i < 100_000; i++ {
				p := float64(i) / 100_000 * (1 - margin)
				if d := tab.nc*divergence(th, p+margin) + tab.np*divergence(th, p); d < least {
					best, least = p, d
				}
			}
			require.InDelta(t, best, nearest(tab, th, margin), 2e-5, "%+v, expected %v", tab, th)
		}
	}
}
