package analysis

import "math"

// proportion is how many of a number of events were good.
type proportion struct {
	good, all float64 // whole numbers
}

// share is the percentage that was good.
func (p proportion) share() float64 { return 100 * p.good / p.all }

// exactBelow is the least expected count of a table from which on the normal distribution is used. There it differs
// from the exact one by less than 0.002, and the exact one would take thousands of terms.
const exactBelow = 1000

// worse is the probability, were both sides equally good, of a canary that has at most as many good events as
// it has: the smaller, the surer it is worse. Both sides must have events.
//
// It is Fisher's exact test, one-sided, which never raises false alarms more often than it is asked to, and for large
// counts the pooled z test with Yates' correction, which approximates it.
//
// Sources: R. A. Fisher, The Design of Experiments (1935), §§ 5-12; F. Yates, Contingency tables involving small
// numbers and the χ² test, JRSS Suppl. 1 (1934) 217-235.
func (p proportion) worse(primary proportion) float64 {
	if p.expected(primary) < exactBelow {
		return fisher(p, primary)
	}
	return pooledZ(p, primary)
}

// expected is the smallest of the four counts that the table would have, were both sides equally good.
func (p proportion) expected(primary proportion) float64 {
	all := p.all + primary.all
	good := (p.good + primary.good) / all
	return min(good, 1-good) * min(p.all, primary.all)
}

// fisher adds up the hypergeometric probabilities of all tables with the same margins whose canary is as bad as
// this one, or worse. Where that is most of them it adds up the others: far from the middle a probability is too small
// for a number, and a sum that begins with nothing would come to nothing.
func fisher(canary, primary proportion) float64 {
	n, all, good := canary.all, canary.all+primary.all, canary.good+primary.good
	if canary.good > n*good/all {
		// Failures in the place of successes turn the table around.
		return 1 - fewer(n-canary.good-1, n, all-good, all)
	}
	return min(fewer(canary.good, n, good, all), 1)
}

// fewer is the probability of at most k good ones among n that are drawn from all, where k is not above the mean. Each
// term follows from the one before, and is smaller.
func fewer(k, n, good, all float64) float64 {
	least := max(0, n+good-all)
	if k < least {
		return 0
	}
	// By logarithms, since each of the three is far too large for a number, though their quotient is at most 1.
	term := math.Exp(choose(good, k) + choose(all-good, n-k) - choose(all, n))
	sum := term
	// Terms below that are less than a float64 can add to the sum.
	for ; k > least && term > sum*1e-17; k-- {
		term *= k * (all - good - n + k) / ((good - k + 1) * (n - k + 1))
		sum += term
	}
	return sum
}

// choose is the logarithm of the number of ways to take k of n.
func choose(n, k float64) float64 { return factorial(n) - factorial(k) - factorial(n-k) }

// factorial is the logarithm of n!, since that itself is too large from 171 on.
func factorial(n float64) float64 {
	v, _ := math.Lgamma(n + 1)
	return v
}

// pooledZ takes the variance from both sides together, as they are the same where there is no difference.
func pooledZ(canary, primary proportion) float64 {
	pooled := (canary.good + primary.good) / (canary.all + primary.all)
	parts := 1/canary.all + 1/primary.all
	sd := math.Sqrt(pooled * (1 - pooled) * parts)
	if sd == 0 { // everything was good, or nothing was
		return 1
	}
	// Yates' correction is half a step of each side's share: counts come in whole numbers.
	lag := primary.good/primary.all - canary.good/canary.all
	return above((lag - parts/2) / sd)
}

// above is the probability that a value of the standard normal distribution is greater than z. The library that the
// tests hold this against would be a twentieth of the program.
func above(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }
