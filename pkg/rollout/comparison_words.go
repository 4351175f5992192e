package rollout

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-cd/sluice/pkg/sequential"
)

// words are what a comparison is told as.
type words struct {
	value                     string // what was found, with the counts
	failed, unclear           string // messages
	against, inFavour, needed string // of the evidence
}

func wordsOf(s *Stratum, e sequential.Evidence, r sequential.Result, p sequential.Parameters) words {
	bad := s.bad(e, r)
	found := fmt.Sprintf("%s of %s, primary %s", portion(r.Canary), bad, portion(r.Primary))
	w := words{
		value:    fmt.Sprintf("%s of %d %s, primary %s of %d", portion(r.Canary), e.Canary, bad, portion(r.Primary), e.Primary),
		against:  "happens by chance once in " + rollouts(r.Against),
		inFavour: fmt.Sprintf("%.0f %% of what excludes that it is worse by %s", 100*min(max(r.For/r.Needed, 0), 1), portion(p.Margin)),
		needed:   needed(s, e, r),
	}
	chance := r.Against
	if r.Reason == sequential.FinalTest {
		chance = -math.Log(r.P)
	}
	w.failed = found + "; would happen by chance once in " + rollouts(chance)
	w.unclear = fmt.Sprintf("%s; that it is worse by %s is not excluded yet, and takes %s", found, portion(p.Margin), w.needed)
	if r.Against <= 0 {
		w.against = "none"
	}
	if e.Cleared() {
		w.inFavour, w.needed = fmt.Sprintf("that it is worse by %s is excluded", portion(p.Margin)), ""
	}
	return w
}

// bad are the bad events at the bound that is told.
func (s *Stratum) bad(e sequential.Evidence, r sequential.Result) string {
	bound := ""
	if r.Bound < len(e.Bounds) {
		bound = strings.TrimSpace(strconv.FormatFloat(e.Bounds[r.Bound], 'g', -1, 64) + " " + s.Unit)
	}
	return strings.ReplaceAll(s.Bad, "%s", bound)
}

// needed is how much more traffic clears the canary, if it goes on as it did.
func needed(s *Stratum, e sequential.Evidence, r sequential.Result) string {
	more, known := e.EventsNeeded(r)
	if !known {
		return "more than can be told from what was found so far"
	}
	text := grouped(float64(more)) + " more of the canary"
	if s.Canary.Events == 0 {
		return text
	}
	seconds := float64(more) * float64(s.End-s.Begin) / float64(s.Canary.Events)
	const most = 1000 * time.Hour
	if seconds > most.Seconds() {
		return text + ", more than 1000h at the present rate"
	}
	return text + ", " + time.Duration(math.Ceil(seconds)*float64(time.Second)).String() + " at the present rate"
}

// portion is a percentage, with two digits that count.
func portion(of float64) string {
	percent := 100 * of
	digits := 1
	if percent > 0 && percent < 1 {
		digits = min(1-int(math.Floor(math.Log10(percent))), 6)
	}
	text := strconv.FormatFloat(percent, 'f', digits, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + " %"
}

// rollouts is in how many of them something happens once, by the logarithm of that.
func rollouts(log float64) string {
	const most = 1e9
	n := math.Exp(log)
	switch {
	case n >= most || log > 100:
		return grouped(most) + " rollouts or more"
	case n < 2:
		return "1 or 2 rollouts"
	case n >= 100: // two digits count
		unit := math.Pow(10, math.Floor(math.Log10(n))-1)
		n = math.Floor(n/unit) * unit
	}
	return grouped(math.Floor(n)) + " rollouts"
}

// grouped is a whole number in groups of three digits.
func grouped(n float64) string {
	digits := strconv.FormatFloat(n, 'f', 0, 64)
	for at := len(digits) - 3; at > 0 && len(digits) > 4; at -= 3 {
		digits = digits[:at] + " " + digits[at:]
	}
	return digits
}
