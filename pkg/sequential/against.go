package sequential

import (
	"math"

	"gonum.org/v1/gonum/stat/combin"
)

// mixture is how many odds ratios the evidence against the canary is averaged over.
const mixture = 11

// logWeights are the logarithms of these odds ratios w: from a canary that is a tenth worse to one that fails all.
var logWeights = [mixture]float64{.1, .15, .225, .34, .5, .75, 1.1, 1.7, 2.5, 3.8, 5.7}

const (
	// negligible is the share of a sum below which its terms are left out.
	negligible = 1e-14
	// smooth is the variance from which on a sum is its integral, by Laplace's method.
	smooth = 400
)

// logMoment is the logarithm of the mean of exp(l x), where x is how many of the K bad events are the canary's if both
// sides are alike: x has the hypergeometric distribution of N, K and nc.
//
//	lnM(l) = ln sum_x H(x) exp(l x)
//
// exp(l xc - lnM(l)) has the mean 1 given the margins of the table, whatever the rate that both sides have, so that its
// product over strata is a martingale. It is the likelihood ratio of Fisher's noncentral hypergeometric distribution with
// the odds ratio exp(l).
//
// Sources: R. Turner, A. Ly, P. Grünwald, Generic E-variables for exact sequential k-sample tests, arXiv 2106.02693;
// M. Lindon, A. Malek, Anytime-valid inference for multinomial count data, arXiv 2011.03567; for the sum from its largest
// term on J. G. Liao, O. Rosen, Fast and stable algorithms for computing and sampling from the noncentral hypergeometric
// distribution, Am. Stat. 55 (2001) 366-369.
func logMoment(t table, l float64) float64 {
	n, k, nc := t.all(), t.bad(), t.nc
	switch k {
	case 0:
		return 0
	case n:
		return l * nc
	}
	w := math.Exp(l)
	x := mode(t, w)
	height := logHypergeometric(t, x) + l*x
	rest := n - k - nc // good events that are not the canary's, plus x
	if v := 1 / (1/(x+1) + 1/(k-x+1) + 1/(nc-x+1) + 1/(rest+x+1)); v > smooth {
		return height + math.Log(2*math.Pi*v)/2
	}
	sum, term := 1.0, 1.0
	for i := x; i < min(k, nc) && term > sum*negligible; i++ {
		term *= w * (k - i) * (nc - i) / ((i + 1) * (rest + i + 1))
		sum += term
	}
	term = 1
	for i := x; i > max(0, -rest) && term > sum*negligible; i-- {
		term *= i * (rest + i) / (w * (k - i + 1) * (nc - i + 1))
		sum += term
	}
	return height + math.Log(sum)
}

// mode is where the terms of lnM are largest: the smaller root of
//
//	(w-1) x² - (w (K+nc) + N-K-nc) x + w K nc = 0
//
// rounded, and held within what x can be.
func mode(t table, w float64) float64 {
	n, k, nc := t.all(), t.bad(), t.nc
	a, b, c := w-1, w*(k+nc)+n-k-nc, w*k*nc
	// The root as a quotient: the difference of two large numbers would lose its digits.
	x := math.Round(2 * c / (b + math.Sqrt(max(0, b*b-4*a*c))))
	return min(max(x, 0, k+nc-n), k, nc)
}

// logHypergeometric is the logarithm of the probability that x of the K bad events are the canary's.
func logHypergeometric(t table, x float64) float64 {
	n, k, nc := t.all(), t.bad(), t.nc
	return combin.LogGeneralizedBinomial(k, x) + combin.LogGeneralizedBinomial(n-k, nc-x) - combin.LogGeneralizedBinomial(n, nc)
}

// against is lnE at one bound: the logarithm of the mean of the evidence for each odds ratio. Dividing by the dispersion
// phi takes it for that of 1/phi as many events (a quasi-likelihood).
//
//	lnE = ln( mean_j exp(L_j / phi) ),  L_j = sum over strata of l_j xc - lnM(l_j)
//
// Where both sides are alike, and phi = 1, E exceeds 1/a at any number of looks with a probability of at most a.
//
// Source: J. Ville, Étude critique de la notion de collectif (1939).
func (s *Sums) against(phi float64) float64 {
	var scaled [mixture]float64
	for j := range scaled {
		scaled[j] = s[j] / phi
	}
	return logMean(scaled[:])
}

// logMean is the logarithm of the mean of the numbers that have these logarithms.
func logMean(logs []float64) float64 {
	if len(logs) == 0 {
		return 0
	}
	most := logs[0]
	for _, l := range logs {
		most = max(most, l)
	}
	sum := 0.0
	for _, l := range logs {
		sum += math.Exp(l - most)
	}
	return most + math.Log(sum/float64(len(logs)))
}
