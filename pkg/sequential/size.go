package sequential

import "math"

// File size.go keeps Evidence small: that of MaxMetrics metrics with MaxBounds bounds each is less than 24 KiB of text (text.go).
// Numbers are rounded when they are added, so that what is stored and read again is what was computed with.

const (
	// maxLog is the greatest logarithm that is kept. Verdicts are found at about 8, with dispersion at a few hundred.
	maxLog = 99_999
	// maxRecent is how many characters the strata that are kept one by one may have in the text.
	maxRecent = 2470
)

// precision is what numbers are multiplied by before they are cut to whole ones, by how large they are; beyond the last: 1.
type precision []struct{ below, unit float64 }

var (
	// Of logarithms six characters are kept.
	ofLogs = precision{{9.999, 1000}, {99.99, 100}, {999.9, 10}}
	// Of sums ten are, and the sign.
	ofSums = precision{{999.9999, 100_000}, {99_999.99, 1000}, {9_999_999, 10}}
)

func (p precision) unit(v float64) float64 {
	for _, one := range p {
		if math.Abs(v) < one.below {
			return one.unit
		}
	}
	return 1
}

// floored cuts a logarithm downwards: what is lost is never evidence.
func floored(v float64) float64 {
	v = min(max(v, -maxLog), maxLog)
	unit := ofLogs.unit(v)
	return math.Floor(v*unit) / unit
}

// rounded rounds a sum.
func rounded(v float64) float64 {
	v = min(max(v, -MaxEvents), MaxEvents)
	unit := ofSums.unit(v)
	return math.Round(v*unit) / unit
}

// length is how many characters the strata have in the text.
func length(recent [][4]int64) int {
	n := 0
	for _, r := range recent {
		n += 4 // spaces
		for _, v := range r {
			n += digits(v)
		}
	}
	return n
}

// digits is how many a number has that is not negative.
func digits(v int64) int {
	n := 1
	for ; v >= 10; v /= 10 {
		n++
	}
	return n
}
