package metric

import (
	"fmt"
	"time"
)

// point is what was measured in the interval that begins at a time.
type point struct {
	from  time.Time
	value *float64 // nil: nothing was reported
}

// newest is the last value, in the order of time, whose interval has ended by now. The one that is under way holds a part
// of what happens in it. A step of 0 is not known; then there is one value alone, which is taken.
func newest(points []point, step time.Duration, now time.Time) (float64, error) {
	err := ErrNoData
	for i := len(points) - 1; i >= 0; i-- {
		switch p := points[i]; {
		case p.value == nil:
		case p.from.Add(step).After(now):
			err = fmt.Errorf("%w: no interval of %s has ended", ErrNoData, step)
		default:
			return *p.value, nil
		}
	}
	return 0, err
}

// spacing is the time between the last two points, for systems that do not tell it.
func spacing(points []point) time.Duration {
	if len(points) < 2 {
		return 0
	}
	return points[len(points)-1].from.Sub(points[len(points)-2].from)
}
