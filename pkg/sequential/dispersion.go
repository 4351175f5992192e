package sequential

// File dispersion.go measures by how much the canary's bad events scatter more from stratum to stratum than those of
// independent requests would: errors come in clusters.

// What the estimate of dispersion begins with: as though two strata had shown one of two.
const (
	priorResiduals = 4
	priorStrata    = 2
)

// leastDispersion is what dispersion is taken for at least after one, two and three strata: one bad window must not decide.
var leastDispersion = [...]float64{10, 5, 3}

// oddsRatio is the odds ratio of the two sides in all strata so far, shrunk towards 1.
//
//	w = (1/2 + sum xc (np-xp) / N) / (1/2 + sum xp (nc-xc) / N)
//
// The two sums differ by D, the sum of xc - K nc/N.
//
// Source: N. Mantel, W. Haenszel, J. Natl. Cancer Inst. 22 (1959) 719-748.
func (s *Sums) oddsRatio() float64 {
	return (s[crossOdds] + 0.5) / (max(0, s[crossOdds]-s[excess]) + 0.5)
}

// scatter adds the squared residual of one stratum. What is expected of it follows from the strata before, so that no
// stratum has to be kept for it; that these are uncertain makes the variance of the difference larger, by var²/V.
//
//	m = K rho w / (1 - rho + rho w),  rho = nc/N,  var = m (1 - m/K) (1 - K/N)
//	Q += (xc - m)² / (var + var²/V)
//
// The first stratum has nothing before it: k strata have k-1 residuals, independent of each other.
//
// Source: R. L. Brown, J. Durbin, J. M. Evans, Techniques for testing the constancy of regression relationships over
// time, JRSS B 37 (1975) 149-192, § 2.1.
func (s *Sums) scatter(t table) {
	if s[variance] <= 0 {
		return
	}
	w, rho := s.oddsRatio(), t.nc/t.all()
	m := t.bad() * rho * w / (1 - rho + rho*w)
	v := m * (1 - m/t.bad()) * (1 - t.bad()/t.all())
	if v <= 0 {
		return
	}
	square := (t.xc - m) * (t.xc - m) / (v + v*v/s[variance])
	s[residuals] = min(rounded(s[residuals]+square), maxResiduals)
}

// maxResiduals is the greatest sum of squared residuals that is kept.
const maxResiduals = 9_999_999

// dispersion is by how much the variance is larger than that of independent requests, at one bound: the number that the
// parameters name, or the measured one.
//
//	phi = max(1, (4 + Q) / (2 + k - 1))
//
// Source: P. McCullagh, J. A. Nelder, Generalized Linear Models (1989), § 4.5.
func (e *Evidence) dispersion(b int, p Parameters) float64 {
	if p.Dispersion != Auto {
		return p.Dispersion
	}
	s := &e.Sums[b]
	phi := max(1, (priorResiduals+s[residuals])/(priorStrata+s[informed]-1))
	if i := e.Strata - 1; i >= 0 && i < len(leastDispersion) {
		phi = max(phi, leastDispersion[i])
	}
	return phi
}
