package rollout

import (
	"math"
	"strconv"
	"strings"
)

// Rounded is a number with as many digits as people compare. What is none stays as it is, and so does what would look like its limit.
func Rounded(value, limit string) string {
	v, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return value
	}
	digits := 2
	if math.Abs(v) < 1 {
		digits = 4
	}
	short := strconv.FormatFloat(v, 'f', digits, 64)
	if strings.Contains(short, ".") {
		short = strings.TrimRight(strings.TrimRight(short, "0"), ".")
	}
	if len(short) >= len(value) || short == "0" || short == "-0" || strings.Contains(limit, short) {
		return value
	}
	return short
}
