package sequential

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	repeat := func(n, nc, xc, np, xp int64) (all []Stratum) {
		for i := range n {
			all = append(all, stratum(i, nc, xc, np, xp))
		}
		return all
	}
	for name, c := range map[string]struct {
		strata      []Stratum
		change      func(*Parameters)
		last, final bool
		verdict     Verdict
		reason      Reason
		why         string
	}{
		"Nothing":          {nil, nil, false, false, Passed, Continuing, "an early step holds nothing up"},
		"NothingAtTheEnd":  {nil, nil, true, true, Inconclusive, NotExcluded, "nobody was seen"},
		"Alike":            {repeat(3, 1000, 10, 1000, 10), nil, false, false, Passed, Continuing, "later steps compare, too"},
		"Cleared":          {repeat(10, 1000, 10, 1000, 10), nil, true, true, Passed, Cleared, "10 000 requests exclude one point"},
		"FewRequests":      {repeat(10, 20, 0, 20, 0), nil, true, true, Inconclusive, NotExcluded, "200 requests without an error do not"},
		"AlwaysFails":      {repeat(1, 10, 10, 90, 0), nil, false, false, Failed, EvidenceAgainst, "no least number of requests"},
		"AlwaysFailsLast":  {repeat(1, 10, 10, 90, 0), nil, true, true, Failed, EvidenceAgainst, "before the final test is looked at"},
		"BothFail":         {repeat(5, 100, 100, 900, 900), nil, false, false, Passed, Continuing, "the primary is no better"},
		"Better":           {repeat(5, 1000, 0, 1000, 50), nil, true, true, Passed, Cleared, "it is one-sided"},
		"OnlyAtTheEnd":     {repeat(4, 1000, 17, 1000, 8), nil, true, true, Failed, FinalTest, "a test with one look sees more"},
		"NotYetTheEnd":     {repeat(4, 1000, 17, 1000, 8), nil, true, false, Inconclusive, NotExcluded, "the same without it"},
		"BelowTolerance":   {repeat(10, 1000, 25, 1000, 10), func(p *Parameters) { p.Tolerance = 0.02 }, true, true, Inconclusive, NotExcluded, "1.5 points are tolerated, and are not cleared"},
		"TooSmallToMatter": {repeat(10, 1_000_000, 10200, 1_000_000, 10000), nil, true, true, Passed, Cleared, "0.02 points are certain, and tolerated"},
		"MoreMetrics":      {repeat(4, 1000, 14, 1000, 7), func(p *Parameters) { p.Metrics = 8 }, true, true, Inconclusive, NotExcluded, "each has its part of alpha"},
		"MoreMetricsAlone": {repeat(4, 1000, 14, 1000, 7), nil, true, true, Failed, FinalTest, "the same alone"},
		"Scatters":         {repeat(1, 100, 8, 900, 9), func(p *Parameters) { p.Dispersion = Auto }, false, false, Passed, Continuing, "one bad window does not decide"},
		"ScattersNot":      {repeat(1, 100, 12, 900, 9), nil, false, false, Failed, EvidenceAgainst, "independent ones do"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := defaults()
			if c.change != nil {
				c.change(&p)
			}
			var e Evidence
			for _, s := range c.strata {
				require.NoError(t, e.Add(s, p))
			}
			if c.final {
				e.MakeFinal(p)
			}
			r := e.Judge(p, c.last)
			require.Equal(t, c.verdict, r.Verdict, "%s: %+v", c.why, r)
			require.Equal(t, c.reason, r.Reason, "%s: %+v", c.why, r)
		})
	}
}

// TestJudgeIsTotal asks for a verdict by parameters that are none.
func TestJudgeIsTotal(t *testing.T) {
	t.Parallel()
	var e Evidence
	require.NoError(t, e.Add(stratum(0, 100, 100, 100, 0), defaults()))
	require.Equal(t, Passed, e.Judge(Parameters{}, false).Verdict)
	require.Equal(t, Inconclusive, e.Judge(Parameters{}, true).Verdict)
	broken := Evidence{Sums: make([]Sums, 3)}
	require.Equal(t, Inconclusive, broken.Judge(defaults(), true).Verdict)
	require.Nil(t, broken.MakeFinal(defaults()))
}

// TestStaysCleared adds strata that speak against a clearance that was reached: only evidence against can fail it.
func TestStaysCleared(t *testing.T) {
	t.Parallel()
	var e Evidence
	p := defaults()
	for i := range int64(5) {
		require.NoError(t, e.Add(stratum(i, 2000, 20, 2000, 20), p))
	}
	require.True(t, e.Cleared())
	for i := range int64(5) {
		require.NoError(t, e.Add(stratum(5+i, 200, 5, 200, 2), p))
	}
	require.Equal(t, Cleared, e.Judge(p, true).Reason)
	require.NoError(t, e.Add(stratum(10, 2000, 200, 2000, 20), p))
	require.Equal(t, Failed, e.Judge(p, true).Verdict)
}

// TestEventsNeeded looks at how many more events are told, and that about as many clear the canary.
func TestEventsNeeded(t *testing.T) {
	t.Parallel()
	var e Evidence
	p := defaults()
	_, can := e.EventsNeeded(e.Judge(p, true))
	require.False(t, can)
	for i := range int64(3) {
		require.NoError(t, e.Add(stratum(i, 200, 2, 200, 2), p))
	}
	more, can := e.EventsNeeded(e.Judge(p, true))
	require.True(t, can)
	require.Positive(t, more)
	n := int64(0)
	for i := int64(3); !e.Cleared(); i++ {
		require.NoError(t, e.Add(stratum(i, 200, 2, 200, 2), p))
		n += 200
	}
	require.InEpsilon(t, float64(n), float64(more), 0.5)
	more, can = e.EventsNeeded(e.Judge(p, true))
	require.True(t, can)
	require.Zero(t, more)
}

// TestHistograms reads histograms, and chooses bounds.
func TestHistograms(t *testing.T) {
	t.Parallel()
	inf := math.Inf(1)
	canary := map[float64]int64{1: 10, 5: 90, 10: 95, inf: 100}
	primary := map[float64]int64{1: 20, 10: 190, 20: 199, inf: 200}
	bounds := Shared(canary, primary)
	require.Equal(t, []float64{1, 10}, bounds)
	slower, err := Slower(canary, bounds)
	require.NoError(t, err)
	require.Equal(t, Counts{Events: 100, Bad: []int64{90, 5}}, slower)
	faster, err := Faster(primary, bounds)
	require.NoError(t, err)
	require.Equal(t, Counts{Events: 200, Bad: []int64{20, 190}}, faster)
	none, err := Slower(nil, bounds)
	require.NoError(t, err)
	require.Zero(t, none.Events)
	_, err = Slower(map[float64]int64{1: 3}, []float64{1})
	require.EqualError(t, err, "a histogram without the bound +Inf")
	_, err = Slower(canary, []float64{2})
	require.EqualError(t, err, "a histogram without the bound 2")
	_, err = Slower(map[float64]int64{1: 3, 2: 2, inf: 9}, []float64{1, 2})
	require.EqualError(t, err, "2 values up to 2, of 9, and 3 up to the bound below")
	_, err = Slower(map[float64]int64{1: -3, inf: 9}, []float64{1})
	require.Error(t, err)
}

func TestInformative(t *testing.T) {
	t.Parallel()
	many := make([]float64, 40)
	half := make([]int64, 40)
	for i := range many {
		many[i], half[i] = float64(i), 500
	}
	for name, c := range map[string]struct {
		bounds, want []float64
		bad          []int64 // of a thousand, of each side
	}{
		"Some":         {[]float64{1, 2, 3, 4}, []float64{2, 3}, []int64{1000, 998, 3, 0}},
		"BetweenTwo":   {[]float64{1, 2, 3, 4}, []float64{2, 3}, []int64{1000, 1000, 0, 0}},
		"BelowAll":     {[]float64{1, 2, 3}, []float64{1, 3}, []int64{0, 0, 0}},
		"AboveAll":     {[]float64{1, 2, 3}, []float64{1, 3}, []int64{1000, 1000, 1000}},
		"OneBound":     {[]float64{1}, []float64{1}, []int64{0}},
		"WorseIsLower": {[]float64{1, 2, 3, 4}, []float64{2, 3}, []int64{0, 0, 1000, 1000}},
		"TooMany":      {many, []float64{0, 2, 5, 7, 10, 13, 15, 18, 20, 23, 26, 28, 31, 33, 36, 39}, half},
		"Share":        {nil, nil, []int64{3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			side := Counts{Events: 1000, Bad: c.bad}
			require.Equal(t, c.want, informative(Stratum{Bounds: c.bounds, Canary: side, Primary: side}))
		})
	}
}
