package sequential

import "math"

// bisections is how often the interval of the nearest pair of rates is halved: to the last digit of a float64.
const bisections = 60

// clearance is what one stratum adds to lnF, the evidence that the canary is not worse by the margin or more. th is the
// rate that both sides are expected to have: it may depend on the strata before and on nothing else.
//
//	xc ln(th/q) + (nc-xc) ln((1-th)/(1-q)) + xp ln(th/p) + (np-xp) ln((1-th)/(1-p)),  q = p + margin
//
// It compares the rates (th, th) with the nearest pair (q, p) in which the canary is worse by the margin: nearest in
// the sense of Kullback and Leibler, which makes the mean of F at most 1 for every pair that is worse by as much or more.
//
// Sources: T. Lardy, P. Grünwald, P. Harremoës, Reverse information projections and optimal e-statistics, arXiv
// 2306.16646; R. Turner, A. Ly, P. Grünwald, arXiv 2106.02693, § 3.
func clearance(t table, th, margin float64) float64 {
	p := nearest(t, th, margin)
	q := p + margin
	return weighed(t.xc, th/q) + weighed(t.nc-t.xc, (1-th)/(1-q)) + weighed(t.xp, th/p) + weighed(t.np-t.xp, (1-th)/(1-p))
}

// weighed is n ln(ratio), of which none is nothing whatever the ratio.
func weighed(n, ratio float64) float64 {
	if n == 0 {
		return 0
	}
	return n * math.Log(ratio)
}

// nearest is the primary's rate in the pair nearest to (th, th) in which the canary is worse by the margin: the root of
//
//	nc (th-q) / (q (1-q)) + np (th-p) / (p (1-p)) = 0,  max(0, th-margin) < p < min(th, 1-margin)
//
// whose left side falls from above 0 to below it.
func nearest(t table, th, margin float64) float64 {
	low, high := max(0, th-margin), min(th, 1-margin)
	p := (low + high) / 2
	for range bisections {
		q := p + margin
		if t.nc*(th-q)/(q*(1-q))+t.np*(th-p)/(p*(1-p)) > 0 {
			low = p
		} else {
			high = p
		}
		p = (low + high) / 2
	}
	return p
}
