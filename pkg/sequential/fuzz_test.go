package sequential

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzAdd adds strata of any counts: nothing panics, what is refused changes nothing, all numbers are finite, and a
// clearance stays.
func FuzzAdd(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0}, uint8(0), 0.01, 1.0)
	f.Add([]byte("a stratum, and another one that is as long as the first one is, and so on"), uint8(3), 0.3, 0.0)
	f.Add(make([]byte, 400), uint8(2), 0.5, 1e6)
	f.Fuzz(func(t *testing.T, data []byte, bounds uint8, margin, dispersion float64) {
		p := defaults()
		p.Margin, p.Dispersion = margin, dispersion
		var e Evidence
		cleared := false
		for i := int64(0); len(data) >= 16 && i < 100; i++ {
			var s Stratum
			s, data = decode(data, i, int(bounds%20))
			before := e.clone()
			if err := e.Add(s, p); err != nil {
				require.Equal(t, before, e)
				continue
			}
			require.ErrorIs(t, e.Add(s, p), ErrOverlap)
			require.NoError(t, e.check())
			require.True(t, e.Cleared() || !cleared, "a clearance was lost")
			cleared = e.Cleared()
			if i == 3 {
				e.MakeFinal(p)
			}
			sane(t, &e, p)
		}
	})
}

// decode makes the i-th stratum of four counts, at most times of which overlap.
func decode(data []byte, i int64, bounds int) (Stratum, []byte) {
	n := make([]int64, 4)
	for j := range n {
		// Of any size, and now and then negative.
		n[j] = int64(int32(binary.LittleEndian.Uint32(data[4*j:]))) >> (data[4*j] % 32)
	}
	s := Stratum{Begin: 60*i + n[0]%2, End: 60*i + 60, Canary: Counts{Events: n[0]}, Primary: Counts{Events: n[1]}}
	for b := range max(1, bounds) {
		if bounds > 0 {
			s.Bounds = append(s.Bounds, float64(b))
		}
		s.Canary.Bad = append(s.Canary.Bad, n[2]>>b)
		s.Primary.Bad = append(s.Primary.Bad, n[3]>>b)
	}
	return s, data[16:]
}

// sane says that all that is told of the evidence is a number.
func sane(t *testing.T, e *Evidence, p Parameters) {
	t.Helper()
	for _, last := range []bool{false, true} {
		r := e.Judge(p, last)
		for _, v := range []float64{r.Against, r.For, r.Needed, r.Difference, r.Canary, r.Primary, r.Dispersion, r.P} {
			require.False(t, math.IsNaN(v) || math.IsInf(v, 0), "%+v", r)
		}
		e.EventsNeeded(r)
	}
	read, err := Parse(e.Text())
	require.NoError(t, err)
	require.Equal(t, *e, read)
}

// FuzzStored goes on from whatever an API server has: nothing panics.
func FuzzStored(f *testing.F) {
	f.Add("")
	f.Add("v1 5 1 9 9 4.5 0 -1 0 0 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 9 1 9 1")
	f.Add("v1 5 1 9 9 4.5 0 0.5 7 0 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 9 1 9 1")
	f.Add("v1 5 1 9 9 4.5 0 -1 0 99999999999 1 NaN")
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Parse(text)
		if err != nil {
			return
		}
		p := defaults()
		p.Dispersion = Auto
		e.MakeFinal(p)
		sane(t, &e, p)
		e.Judge(p, true)
		s := stratum(0, 100, 1, 100, 1)
		s.Begin, s.End = max(0, e.Until), max(0, e.Until)+1
		if s.End > s.Begin && e.Add(s, p) == nil {
			sane(t, &e, p)
		}
	})
}

// BenchmarkCheck is what a check costs: a stratum added, and a verdict.
func BenchmarkCheck(b *testing.B) {
	for name, s := range map[string]Stratum{
		"Usual":   stratum(0, 1000, 10, 9000, 90),
		"Busy":    stratum(0, 1_000_000, 10_000, 9_000_000, 90_000),
		"Slowest": stratum(0, 1500, 750, 1500, 750), // just below the variance of Laplace's form
	} {
		b.Run(name, func(b *testing.B) {
			p := defaults()
			p.Dispersion = Auto
			var e Evidence
			for i := range int64(10) {
				s.Begin, s.End = 60*i, 60*i+60
				must(e.Add(s, p))
			}
			s.Begin, s.End = 600, 660
			for b.Loop() {
				next := e.clone()
				must(next.Add(s, p))
				next.Judge(p, true)
			}
		})
	}
}
