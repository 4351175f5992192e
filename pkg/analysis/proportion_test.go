package analysis

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFisherPublished(t *testing.T) {
	cases := map[string]struct {
		reason          string // with the source
		canary, primary proportion
		want, within    float64
	}{
		"LadyTastingTea": {
			reason:  "Fisher, The Design of Experiments (1935): three of four cups right, 17/70.",
			canary:  proportion{1, 4},
			primary: proportion{3, 4},
			want:    17.0 / 70,
			within:  1e-12,
		},
		"LadyTastingTeaAll": {
			reason:  "The same, all four right: 1/70.",
			canary:  proportion{0, 4},
			primary: proportion{4, 4},
			want:    1.0 / 70,
			within:  1e-12,
		},
		"Convictions": {
			reason:  "Fisher's twins of criminals (1925, §21.02); R's help of fisher.test, alternative less: p = 0.0004652.",
			canary:  proportion{2, 17},
			primary: proportion{10, 13},
			want:    0.0004652,
			within:  0.00000005,
		},
		"NothingBad":  {reason: "Where nothing failed there is no evidence.", canary: proportion{50, 50}, primary: proportion{90, 90}, want: 1, within: 0},
		"NothingGood": {reason: "Where everything failed there is none either.", canary: proportion{0, 50}, primary: proportion{0, 90}, want: 1, within: 0},
		"FarBetter": {
			reason:  "However improbable so much better a canary is, it is not worse.",
			canary:  proportion{400, 400},
			primary: proportion{0, 900},
			want:    1,
			within:  0,
		},
		"FarWorse": {reason: "The other way round it is, for sure.", canary: proportion{0, 400}, primary: proportion{900, 900}, want: 0, within: 1e-300},
		"Better":   {reason: "A better canary is not worse.", canary: proportion{100, 100}, primary: proportion{50, 100}, want: 1, within: 1e-12},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.InDelta(t, tc.want, fisher(tc.canary, tc.primary), tc.within, tc.reason)
		})
	}
}

func TestPooledZPublished(t *testing.T) {
	// Physicians' Health Study, Agresti, Categorical Data Analysis (2002), table 2.3: heart attacks with aspirin and
	// with placebo. L. Thompson's R manual to that book, prop.test: X² = 24.4291 with Yates' correction, p = 7.71e-07.
	placebo, aspirin := proportion{11034 - 189, 11034}, proportion{11037 - 104, 11037}
	require.InDelta(t, 7.71e-07/2, pooledZ(placebo, aspirin), 0.005e-07/2)
	require.InDelta(t, 1, pooledZ(aspirin, placebo), 1e-6, "The other side is not worse.")
	require.InDelta(t, 1, pooledZ(proportion{5, 5}, proportion{9, 9}), 0, "No failure at all is no evidence.")
}

// TestWorseIsContinuous has both tests agree where one takes over from the other, for every shape of table.
func TestWorseIsContinuous(t *testing.T) {
	for _, good := range []float64{0.5, 0.9, 0.99, 0.999} {
		for _, ratio := range []float64{1, 3, 20} {
			n := math.Round(exactBelow / (1 - good))
			for _, z := range []float64{0.5, 1.2816, 1.6449, 2.3263, 3} {
				m := n * ratio
				lag := z * math.Sqrt(good*(1-good)*(1/n+1/m))
				canary, primary := proportion{math.Round(n * (good - lag)), n}, proportion{math.Round(m * good), m}
				require.InDelta(t, fisher(canary, primary), pooledZ(canary, primary), 0.002,
					"canary %v, primary %v", canary, primary)
			}
		}
	}
}

func TestWorseAtAnySize(t *testing.T) {
	for n := 1.0; n < 1e15; n *= 10 {
		even := proportion{math.Round(n * 0.99), n}
		require.GreaterOrEqual(t, even.worse(even), 0.45, "Two sides that are the same are not told apart at %v.", n)
		require.LessOrEqual(t, even.worse(even), 1.0, "A probability at %v.", n)
	}
	require.Less(t, proportion{98e10, 100e10}.worse(proportion{99e10, 100e10}), 1e-12, "A percent is much at this size.")
	require.Less(t, proportion{9990, 1e4}.worse(proportion{9.9999e8, 1e9}), 1e-9, "Sides may differ in size.")
}
