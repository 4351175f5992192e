package simulate

// scaler is the target's autoscaler, where its bounds matter.
type scaler struct {
	least, most int32 // most zero: there is none
	wants       int32 // pods that the load is worth
	was, led    int32 // the minimum before it was raised, and what it was raised to; led zero: it is its own
}

// lead raises the minimum; zero gives it back.
func (s *scaler) lead(minimum int32) {
	switch {
	case minimum > 0 && s.led == 0:
		s.was = s.least
		fallthrough
	case minimum > 0:
		s.least, s.led = minimum, minimum
	case s.taken():
		s.led = 0
	default:
		s.least, s.led = s.was, 0
	}
}

// taken says that somebody else has set the minimum since it was raised.
func (s scaler) taken() bool { return s.led > 0 && s.least != s.led }

// scale has the target follow. It rests while the target is stopped.
func (s scaler) scale(w *World) {
	if s.most > 0 && w.target.exists && w.target.size > 0 {
		w.resize(&w.target, min(max(s.wants, s.least), s.most))
	}
}

// limit is how many pods the target can have of a wanted number.
func (s scaler) limit(wanted, available int32) int32 {
	if s.taken() && s.least < wanted {
		return max(available, 1)
	}
	return s.most
}
