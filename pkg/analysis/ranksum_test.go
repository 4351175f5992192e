package analysis

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHigherPublished(t *testing.T) {
	cases := map[string]struct {
		reason          string // with the source
		canary, primary []float64
		want            float64
		within          float64
	}{
		"Permeability": {
			reason:  "Exact. Hollander & Wolfe, Nonparametric Statistical Methods (1973), p. 69; R's help of wilcox.test: W = 35, p = 0.1272.",
			canary:  []float64{0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46},
			primary: []float64{1.15, 0.88, 0.90, 0.74, 1.21},
			want:    0.1272,
			within:  0.00005,
		},
		"AgeAtDiagnosis": {
			reason:  "Exact. SciPy's help of mannwhitneyu: U = 17, two-sided p = 0.1111111111111111, half of which is one-sided.",
			canary:  []float64{19, 22, 16, 29, 24},
			primary: []float64{20, 11, 17, 12},
			want:    0.1111111111111111 / 2,
			within:  1e-15,
		},
		"Ozone": {
			reason:  "Ties. R's help of wilcox.test, airquality of August and May: W = 127.5, two-sided p = 0.0001208.",
			canary:  []float64{39, 9, 16, 78, 35, 66, 122, 89, 110, 44, 28, 65, 22, 59, 23, 31, 44, 21, 9, 45, 168, 73, 76, 118, 84, 85},
			primary: []float64{41, 36, 12, 18, 28, 23, 19, 8, 7, 16, 11, 14, 18, 14, 34, 6, 30, 11, 1, 11, 4, 32, 23, 45, 115, 37},
			want:    0.0001208 / 2,
			within:  0.00000005 / 2,
		},
		"Endmemo": {
			reason:  "Ties, 10 and 12 values. The tutorial endmemo.com/r/wilcoxon.php: W = 51.5, two-sided p = 0.5966.",
			canary:  []float64{12, 15, 5, 9, 9, 14, 56, 22, 3, 7, 32, 5},
			primary: []float64{1, 5, 9, 24, 56, 21, 3, 7, 21, 4},
			want:    0.5966 / 2,
			within:  0.00005 / 2,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.InDelta(t, tc.want, ranked(grouped(tc.canary, tc.primary)).higher(), tc.within, tc.reason)
		})
	}
}

// TestCountedOut compares with table I of Mann and Whitney (1947), which has the probability of a U at most as
// large as the column's; that of n·m - U at least is the same.
func TestCountedOut(t *testing.T) {
	cases := map[string]struct {
		reason string
		n, m   int
		want   []float64 // for U = 0, 1, 2, …
	}{
		"ThreeThree": {reason: "n = 3, m = 3", n: 3, m: 3, want: []float64{.050, .100, .200, .350, .500, .650}},
		"FourFour":   {reason: "n = 4, m = 4", n: 4, m: 4, want: []float64{.014, .029, .057, .100, .171, .243, .343, .443, .557}},
		"FiveFive":   {reason: "n = 5, m = 5", n: 5, m: 5, want: []float64{.004, .008, .016, .028, .048, .075, .111, .155, .210, .274, .345, .421, .500, .579}},
		"OneFour":    {reason: "n = 1, m = 4", n: 1, m: 4, want: []float64{.200, .400, .600}},
		"FourOne":    {reason: "It does not matter which side is which.", n: 4, m: 1, want: []float64{.200, .400, .600}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			for u, want := range tc.want {
				require.InDelta(t, want, countedOut(tc.n, tc.m, tc.n*tc.m-u), 0.00051, "%s, U = %d", tc.reason, u)
			}
		})
	}
}
