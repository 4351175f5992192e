package sequential

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// stratum is the i-th minute of a share.
func stratum(i, nc, xc, np, xp int64) Stratum {
	return Stratum{Begin: 1000 + 60*i, End: 1060 + 60*i,
		Canary: Counts{Events: nc, Bad: []int64{xc}}, Primary: Counts{Events: np, Bad: []int64{xp}}}
}

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	good := func() Stratum { return stratum(1, 100, 1, 100, 1) }
	histogram := func(bounds ...float64) Stratum {
		bad := make([]int64, len(bounds))
		return Stratum{Begin: 1060, End: 1120, Bounds: bounds, Canary: Counts{Events: 9, Bad: bad}, Primary: Counts{Events: 9, Bad: bad}}
	}
	for name, c := range map[string]struct {
		change func(*Stratum, *Parameters)
		err    string
	}{
		"MoreBadThanAll":     {func(s *Stratum, _ *Parameters) { s.Canary.Bad[0] = 101 }, "canary: 101 bad events of 100"},
		"NegativeBad":        {func(s *Stratum, _ *Parameters) { s.Primary.Bad[0] = -1 }, "primary: -1 bad events of 100"},
		"NegativeEvents":     {func(s *Stratum, _ *Parameters) { s.Before.Events = -1 }, "primary before: -1 events"},
		"TooManyEvents":      {func(s *Stratum, _ *Parameters) { s.Canary.Events = MaxEvents + 1 }, "canary: 10000000000 events"},
		"NoBadCounts":        {func(s *Stratum, _ *Parameters) { s.Canary.Bad = nil }, "canary: 0 counts of bad events, not 1"},
		"BackwardsInTime":    {func(s *Stratum, _ *Parameters) { s.End = s.Begin }, "a stratum from 1060 to 1060"},
		"Overlap":            {func(s *Stratum, _ *Parameters) { s.Begin-- }, ErrOverlap.Error()},
		"Again":              {func(s *Stratum, _ *Parameters) { *s = stratum(0, 100, 1, 100, 1) }, ErrOverlap.Error()},
		"HistogramNow":       {func(s *Stratum, _ *Parameters) { *s = histogram(1, 2) }, "the strata before were no histograms"},
		"BoundsNotAscending": {func(s *Stratum, _ *Parameters) { *s = histogram(2, 1) }, "bound 1 of a histogram"},
		"InfiniteBound":      {func(s *Stratum, _ *Parameters) { *s = histogram(1, math.Inf(1)) }, "bound +Inf of a histogram"},
		"NoNumber":           {func(s *Stratum, _ *Parameters) { *s = histogram(math.NaN()) }, "bound NaN of a histogram"},
		"TooManyBounds":      {func(s *Stratum, _ *Parameters) { *s = histogram(make([]float64, MaxBuckets+1)...) }, "1025 bounds"},
		"Confidence":         {func(_ *Stratum, p *Parameters) { p.Confidence = 1 }, "confidence is 1"},
		"ConfidenceNoNumber": {func(_ *Stratum, p *Parameters) { p.Confidence = math.NaN() }, "confidence is NaN"},
		"Margin":             {func(_ *Stratum, p *Parameters) { p.Margin = 0 }, "margin is 0"},
		"Missed":             {func(_ *Stratum, p *Parameters) { p.Missed = 0.6 }, "missed is 0.6"},
		"Tolerance":          {func(_ *Stratum, p *Parameters) { p.Tolerance = -0.1 }, "tolerance is -0.1"},
		"Dispersion":         {func(_ *Stratum, p *Parameters) { p.Dispersion = 0.5 }, "dispersion is 0.5"},
		"Metrics":            {func(_ *Stratum, p *Parameters) { p.Metrics = MaxMetrics + 1 }, "9 metrics"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var e Evidence
			require.NoError(t, e.Add(stratum(0, 100, 1, 100, 1), defaults()))
			before := e.clone()
			s, p := good(), defaults()
			c.change(&s, &p)
			require.ErrorContains(t, e.Add(s, p), c.err)
			require.Equal(t, before, e, "the evidence is as it was")
			require.NoError(t, e.Add(good(), defaults()), "and goes on")
		})
	}
}

func TestAddFull(t *testing.T) {
	t.Parallel()
	var e Evidence
	require.NoError(t, e.Add(stratum(0, MaxEvents-10, 1, 100, 1), defaults()))
	require.ErrorIs(t, e.Add(stratum(1, 11, 1, 100, 1), defaults()), ErrFull)
	require.NoError(t, e.Add(stratum(1, 10, 1, 100, 1), defaults()))
}

// TestAddHistogram follows the bounds: fixed by the first stratum of both sides, and wanted from then on.
func TestAddHistogram(t *testing.T) {
	t.Parallel()
	at := func(i int64, bounds []float64, canary, primary []int64) Stratum {
		s := Stratum{Begin: 60 * i, End: 60*i + 60, Bounds: bounds, Primary: Counts{Events: 1000, Bad: primary}}
		if canary != nil {
			s.Canary = Counts{Events: 1000, Bad: canary}
		}
		return s
	}
	var e Evidence
	p, bounds := defaults(), []float64{1, 10, 100, 1000}
	require.NoError(t, e.Add(at(1, bounds, nil, []int64{1000, 500, 5, 0}), p))
	require.Empty(t, e.Bounds, "the canary had nothing")
	require.NoError(t, e.Add(at(2, bounds, []int64{1000, 520, 6, 0}, []int64{999, 500, 5, 0}), p))
	require.Equal(t, []float64{10, 100}, e.Bounds)
	require.ErrorIs(t, e.Add(at(3, []float64{1, 10}, []int64{1000, 520}, []int64{999, 500}), p), ErrBounds)
	require.NoError(t, e.Add(at(3, []float64{10, 50, 100}, []int64{520, 90, 50}, []int64{500, 20, 5}), p))
	require.Equal(t, 56.0, e.Sums[1][canaryBad])
	require.Empty(t, e.Recent, "of histograms there are sums alone")
	r := e.Judge(p, false)
	require.Equal(t, EvidenceAgainst, r.Reason)
	require.Equal(t, 100.0, e.Bounds[r.Bound])
	require.InDelta(t, 0.028, r.Canary, 1e-9)
	require.InDelta(t, 0.005, r.Primary, 1e-9)
	require.InDelta(t, 0.023, r.Difference, 1e-9)
}

// TestOneSideSaysNothing looks at strata in which a side had no events.
func TestOneSideSaysNothing(t *testing.T) {
	t.Parallel()
	var e Evidence
	p := defaults()
	require.NoError(t, e.Add(stratum(0, 1000, 5, 1000, 5), p))
	before := e.clone()
	require.NoError(t, e.Add(Stratum{Begin: 1060, End: 1120, Canary: Counts{Events: 50, Bad: []int64{50}}}, p))
	require.Equal(t, before.Sums, e.Sums, "at weight 100 nothing is compared")
	require.NoError(t, e.Add(Stratum{Begin: 1120, End: 1180, Primary: Counts{Events: 50, Bad: []int64{3}}}, p))
	require.Equal(t, before.Sums[0][:badBefore], e.Sums[0][:badBefore])
	require.Equal(t, 8.0, e.Sums[0][badBefore], "what the primary is expected to do was seen")
	require.Equal(t, before.Sums[0][inFavour], e.Sums[0][inFavour])
	require.Equal(t, 1, e.Strata)
}

// TestBefore looks at what the evidence for the canary begins with.
func TestBefore(t *testing.T) {
	t.Parallel()
	p := defaults()
	var without, with, apart Evidence
	first := stratum(1, 1000, 0, 1000, 0)
	require.NoError(t, without.Add(first, p))
	require.Zero(t, without.Sums[0][inFavour])
	first.Before = Counts{Events: 1000, Bad: []int64{1}}
	require.NoError(t, with.Add(first, p))
	require.Greater(t, with.Sums[0][inFavour], 3.0)
	require.NoError(t, apart.Add(Stratum{Begin: 1000, End: 1060, Primary: first.Before}, p))
	first.Before = Counts{}
	require.NoError(t, apart.Add(first, p))
	require.Equal(t, with, apart, "a stratum of the primary alone is the same")
}

// TestDifference is Simpson's paradox: at each weight both sides are alike, and in all the canary fails three times as often.
func TestDifference(t *testing.T) {
	t.Parallel()
	var e Evidence
	require.NoError(t, e.Add(stratum(0, 100, 1, 900, 9), defaults()))
	require.NoError(t, e.Add(stratum(1, 900, 90, 100, 10), defaults()))
	require.InDelta(t, 0, e.Difference(0), 1e-9)
	require.NoError(t, e.Add(stratum(2, 500, 50, 500, 0), defaults()))
	// u is 90, 90 and 250, and the difference of the third 0.1.
	require.InDelta(t, 25.0/430, e.Difference(0), 1e-6)
	require.Zero(t, e.Difference(1))
}

// TestDispersion holds the measured dispersion to one that is computed by hand, and to what it is known to be.
func TestDispersion(t *testing.T) {
	t.Parallel()
	p := defaults()
	p.Dispersion = Auto
	var e Evidence
	require.NoError(t, e.Add(stratum(0, 50, 5, 50, 5), p))
	require.Equal(t, 10.0, e.dispersion(0, p))
	// w = 1, m = 8, var = 8/2 × 84/100 = 3.36, V of the first 10/4 × 90/99 = 2.27273: Q = 36 / (3.36 + 3.36²/2.27273).
	require.NoError(t, e.Add(stratum(1, 50, 14, 50, 2), p))
	require.InDelta(t, 4.32307, e.Sums[0][residuals], 1e-4)
	require.Equal(t, 5.0, e.dispersion(0, p))
	require.NoError(t, e.Add(stratum(2, 50, 2, 50, 14), p))
	require.Greater(t, e.dispersion(0, p), 3.0)

	mean := func(w world) float64 {
		sum := 0.0
		const runs = 200
		for seed := range runs {
			r := rand.New(rand.NewPCG(1, uint64(seed)))
			var e Evidence
			for i := range int64(40) {
				c, pr, _ := w(r, 1)
				require.NoError(t, e.Add(stratum(i, c.Events, c.Bad[0], pr.Events, pr.Bad[0]), p))
			}
			sum += e.dispersion(0, p) / runs
		}
		return sum
	}
	require.InDelta(t, 1.1, mean(shares(1000, 50, 0.02, 0.02)), 0.1, "independent, and at least 1")
	require.InDelta(t, 1.1, mean(shares(1000, 50, 0.02, 0.06)), 0.1, "that the canary is worse is no dispersion")
	// Of clusters of m with correlation r it is 1 + (m-1) r.
	require.InDelta(t, 1.99, mean(clustered(1000, 50, 0.02, 0.01)), 0.15)
}

// TestFold adds more strata than are kept: the sums go on.
func TestFold(t *testing.T) {
	t.Parallel()
	var small, large Evidence
	for i := range int64(100) {
		require.NoError(t, small.Add(stratum(i, 100, 1, 100, 1), defaults()))
	}
	for i := range int64(66) {
		require.NoError(t, large.Add(stratum(i, 150_000_000, 123_456_789, 150_000_000, 123_456_789), defaults()))
	}
	require.Len(t, small.Recent, MaxStrata)
	require.Equal(t, 100, small.Strata)
	require.Equal(t, 100.0, small.Sums[0][informed])
	require.Less(t, len(large.Recent), MaxStrata, "while they fit")
	require.NotEmpty(t, large.Recent)
}

// TestStored writes and reads the evidence between two checks: it goes on as if it had not been.
func TestStored(t *testing.T) {
	t.Parallel()
	p := defaults()
	p.Dispersion = Auto
	for name, w := range map[string]world{"Share": shares(300, 20, 0.013, 0.017), "Histogram": latencies(300, 20, 1.2, 0)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(3, 3))
			var kept, stored Evidence
			for i := range int64(30) {
				c, pr, bounds := w(r, 1)
				s := Stratum{Begin: 60 * i, End: 60*i + 60, Bounds: bounds, Canary: c, Primary: pr}
				require.NoError(t, kept.Add(s, p))
				require.NoError(t, stored.Add(s, p))
				if i == 20 {
					require.NotNil(t, kept.MakeFinal(p))
					require.NotNil(t, stored.MakeFinal(p))
				}
				var err error
				stored, err = Parse(stored.Text())
				require.NoError(t, err)
				require.Equal(t, kept, stored)
			}
		})
	}
}

// TestSize holds the evidence of as many metrics and bounds as there can be to what a status has room for, with the
// longest numbers that there are.
func TestSize(t *testing.T) {
	t.Parallel()
	const room = 24 << 10
	histogram := Evidence{Until: 9_999_999_999, Strata: 99_999, Canary: MaxEvents, Primary: MaxEvents, Pairs: rounded(9_999_998.76),
		Crossed: 1<<MaxBounds - 1, Final: &Final{P: 0.123456, Bound: MaxBounds - 1}}
	var long Sums
	for i := range long {
		long[i] = rounded(-99_998.7654)
	}
	for j := range mixture {
		long[j] = floored(-99_999)
	}
	long[inFavour], long[residuals], long[informed] = floored(-9.1234), maxResiduals, 99_999
	for i := range MaxBounds {
		histogram.Bounds = append(histogram.Bounds, 0.1370000000000000*math.Pow(1.37, float64(i)))
		histogram.Sums = append(histogram.Sums, long)
	}
	share := Evidence{Until: histogram.Until, Strata: 99_999, Canary: MaxEvents, Primary: MaxEvents, Pairs: histogram.Pairs, Sums: []Sums{long},
		Crossed: 1, Final: histogram.Final}
	for range MaxStrata {
		share.Recent = append(share.Recent, [4]int64{150_000_000, 149_999_999, 150_000_000, 149_999_999})
	}
	share.fold()
	for name, e := range map[string]Evidence{"Histograms": histogram, "Shares": share} {
		size := MaxMetrics * len(e.Text())
		t.Logf("%s: %d bytes", name, size)
		require.LessOrEqual(t, size, room, name)
	}
	alone := share
	alone.Recent = nil
	require.Len(t, share.Text(), len(alone.Text())+length(share.Recent)+len(strconv.Itoa(len(share.Recent)))-1, "the rest is how many there are")
}

// TestRounding looks at how long what is kept gets, and on which side of what was computed it is.
func TestRounding(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 5))
	for range 100_000 {
		v := math.Exp(30*r.Float64()-12) * (r.Float64() - 0.5)
		text := strconv.FormatFloat(floored(v), 'f', -1, 64) + " " + strconv.FormatFloat(rounded(v), 'f', -1, 64)
		require.LessOrEqual(t, len(text), len("-99999 -9999999999"), "%v: %s", v, text)
		if math.Abs(v) < maxLog {
			require.LessOrEqual(t, floored(v), v)
			require.InDelta(t, v, floored(v), 0.001+math.Abs(v)/900)
		}
		require.InDelta(t, v, rounded(v), 0.000005+math.Abs(v)/1e5)
	}
	require.Equal(t, -float64(maxLog), floored(math.Inf(-1)))
	require.Equal(t, float64(maxLog), floored(math.Inf(1)))
}
