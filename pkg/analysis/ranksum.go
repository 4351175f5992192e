package analysis

import (
	"cmp"
	"math"
	"slices"
)

// group is how often each side had one value, or values of one bucket, which are not told apart.
type group struct {
	canary, primary float64 // whole numbers
}

// exactUpTo is the greatest size of a side whose distribution of U is counted out.
// The normal distribution is near enough above. Up to here the counts, of at most 40 over 20, are exact in a float64.
const exactUpTo = 20

// ranks sums up how the values of two sides lie among each other.
type ranks struct {
	n, m float64 // values of the canary and of the primary
	u    float64 // pairs of one of each in which the canary's is the higher one; one that ties counts half
	ties float64
}

// ranked takes groups in ascending order of their values.
func ranked(groups []group) ranks {
	var r ranks
	for _, g := range groups {
		t := g.canary + g.primary
		// r.m holds the primary's values of all groups before this one, which are lower.
		r.u += g.canary * (r.m + g.primary/2)
		r.ties += t * (t*t - 1)
		r.n += g.canary
		r.m += g.primary
	}
	return r
}

// higher is the probability, were both sides alike, of a canary whose values are as much higher than the
// primary's as they are: the smaller, the surer they are higher.
//
// It is the test of Mann and Whitney, one-sided: exact for small sides without ties, else by the normal
// distribution with the correction for ties and for continuity.
//
// Sources: H. B. Mann, D. R. Whitney, On a test of whether one of two random variables is stochastically larger than
// the other, Ann. Math. Statist. 18 (1947) 50-60; for ties E. L. Lehmann, Nonparametrics (1975), ch. 1 §4.
func (r ranks) higher() float64 {
	if r.ties == 0 && max(r.n, r.m) <= exactUpTo {
		return countedOut(int(r.n), int(r.m), int(r.u))
	}
	all := r.n + r.m
	sd := math.Sqrt(r.n * r.m / 12 * (all + 1 - r.ties/(all*(all-1))))
	if sd == 0 || math.IsNaN(sd) { // all values are the same
		return 1
	}
	return above((r.u - r.n*r.m/2 - 0.5) / sd)
}

// countedOut is the share of all orders of n and m values whose U is at least u. The number of orders with each
// U is a coefficient of the Gaussian polynomial, ∏ (1 - q^(m+i)) / (1 - q^i), which is multiplied out.
func countedOut(n, m, u int) float64 {
	ways := make([]float64, n*m+1)
	ways[0] = 1
	for i := 1; i <= n; i++ {
		for v := n * m; v >= m+i; v-- {
			ways[v] -= ways[v-m-i]
		}
		for v := i; v <= n*m; v++ {
			ways[v] += ways[v-i]
		}
	}
	tail, all := 0.0, 0.0
	for v, w := range ways {
		all += w
		if v >= u {
			tail += w
		}
	}
	return tail / all
}

// grouped puts values into groups of equal ones.
// The test needs no more: by how much values differ has no part in it.
func grouped(canary, primary []float64) []group {
	type one struct {
		value float64
		group
	}
	all := make([]one, 0, len(canary)+len(primary))
	for _, v := range canary {
		all = append(all, one{v, group{canary: 1}})
	}
	for _, v := range primary {
		all = append(all, one{v, group{primary: 1}})
	}
	slices.SortFunc(all, func(a, b one) int { return cmp.Compare(a.value, b.value) })
	var groups []group
	for i, o := range all {
		if i > 0 && all[i-1].value == o.value {
			groups[len(groups)-1].canary += o.canary
			groups[len(groups)-1].primary += o.primary
			continue
		}
		groups = append(groups, o.group)
	}
	return groups
}

// reversed has the values in descending order, for those of which the lower ones are worse.
func reversed(groups []group) []group {
	other := slices.Clone(groups)
	slices.Reverse(other)
	return other
}

// above is the probability that a value of the standard normal distribution is greater than z. The library that the
// tests hold this against would be a twentieth of the program.
func above(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }
