package sequential

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// Final is the result of the final test, which is made once.
type Final struct {
	// P is how probable it is that a canary as good as the primary does as badly as this one, or worse, at one of the
	// bounds: the smallest of those at which the difference is not below the tolerance, times the number of bounds.
	P float64
	// Bound is the place in Bounds of the one that it is from.
	Bound int
}

// largeVariance is the variance of a sum of hypergeometric numbers from which on it is taken as normal.
const largeVariance = 2500

// MakeFinal makes the final test and notes it: at the first planned end of the last step that compares, or when that
// step is left by hand. Made again it returns what was noted. Without strata of both sides there is none, and nil.
func (e *Evidence) MakeFinal(p Parameters) *Final {
	if e.Final != nil || e.Strata == 0 || p.Check() != nil || e.check() != nil {
		return e.Final
	}
	final := Final{P: 1}
	for b := range e.Sums {
		if e.Difference(b) < p.Tolerance {
			continue
		}
		if chance := e.chance(b, p) * float64(len(e.Sums)); chance < final.P {
			final = Final{P: chance, Bound: b}
		}
	}
	final.P = math.Ceil(final.P*1e6) / 1e6 // upwards, so that less is claimed than was found
	e.Final = &final
	return e.Final
}

// chance is the p-value at one bound, by the form that fits what is known.
func (e *Evidence) chance(b int, p Parameters) float64 {
	s := &e.Sums[b]
	if s[variance] <= 0 {
		return 1
	}
	if phi := e.dispersion(b, p); phi > 1 {
		return student((s[excess]-0.5)/math.Sqrt(phi*s[variance]), float64(e.Strata)+1)
	}
	if len(e.Recent) < e.Strata || s[variance] > largeVariance {
		return normal((s[excess] - 0.5) / math.Sqrt(s[variance]))
	}
	return exact(e.Recent)
}

// normal is the probability that a value of the standard normal distribution is above z.
func normal(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }

// student is the probability that a value of Student's distribution with nu degrees of freedom is above t. The variance of
// the test is measured in as many strata, so that it is no better known than that.
//
//	I_x(nu/2, 1/2) / 2,  x = nu / (nu + t²),  for t >= 0
//
// Source: M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions (1964), 26.7.1.
func student(t, nu float64) float64 {
	tail := mathext.RegIncBeta(nu/2, 0.5, nu/(nu+t*t)) / 2
	if t < 0 {
		return 1 - tail
	}
	return tail
}

// exact is the probability that the canary has as many bad events as it has, or more, given the margins of each stratum:
// the number of them is a sum of independent hypergeometric numbers.
//
// Source: J. Gart, Point and interval estimation of the common odds ratio in the combination of 2×2 tables with fixed
// marginals, Biometrika 57 (1970) 471-475.
func exact(strata [][4]int64) float64 {
	total := spread{at: 0, p: []float64{1}}
	var found, mean, variance float64
	for _, r := range strata {
		t := table{nc: float64(r[0]), xc: float64(r[1]), np: float64(r[2]), xp: float64(r[3])}
		found += t.xc
		if !t.informs() { // then xc can be but one number
			total.at += int(t.xc)
			mean += t.xc
			continue
		}
		mean, variance = mean+t.expected(), variance+t.nullVariance()
		total = total.plus(hypergeometric(t)).within(mean, variance)
	}
	sum := 0.0
	// The smallest first, so that they add up to something.
	for i := len(total.p) - 1; i >= 0 && total.at+i >= int(found); i-- {
		sum += total.p[i]
	}
	return min(sum, 1)
}

// spread is how probable whole numbers are, from the number at on.
type spread struct {
	at int
	p  []float64
}

// hypergeometric is the distribution of xc, given the margins, where both sides are alike.
func hypergeometric(t table) spread {
	mean, variance := t.expected(), t.nullVariance()
	low, high := reach(mean, variance)
	first := int(max(low, 0, t.bad()+t.nc-t.all()))
	last := int(min(high, t.bad(), t.nc))
	h := spread{at: first, p: make([]float64, last-first+1)}
	peak := min(max(int(mode(t, 1)), first), last)
	h.p[peak-first] = math.Exp(logHypergeometric(t, float64(peak)))
	rest := t.all() - t.bad() - t.nc
	for x := peak; x < last; x++ {
		i := float64(x)
		h.p[x+1-first] = h.p[x-first] * (t.bad() - i) * (t.nc - i) / ((i + 1) * (rest + i + 1))
	}
	for x := peak; x > first; x-- {
		i := float64(x)
		h.p[x-1-first] = h.p[x-first] * i * (rest + i) / ((t.bad() - i + 1) * (t.nc - i + 1))
	}
	return h
}

// reach is where the distribution of a sum is cut: what is outside is far below what any verdict could see.
func reach(mean, variance float64) (low, high float64) {
	sd := math.Sqrt(variance)
	return math.Floor(mean - 9*sd - 12), math.Ceil(mean + 12*sd + 20)
}

// plus is the distribution of the sum of two independent numbers.
func (s spread) plus(o spread) spread {
	sum := spread{at: s.at + o.at, p: make([]float64, len(s.p)+len(o.p)-1)}
	for i, p := range s.p {
		for j, q := range o.p {
			sum.p[i+j] += p * q
		}
	}
	return sum
}

// within cuts a distribution of this mean and variance.
func (s spread) within(mean, variance float64) spread {
	low, high := reach(mean, variance)
	first := min(max(int(low)-s.at, 0), len(s.p)-1)
	last := max(min(int(high)-s.at, len(s.p)-1), first)
	return spread{at: s.at + first, p: s.p[first : last+1]}
}
