package traffic

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// firstFailures is how many failures a report shows in detail.
const firstFailures = 10

// Report sums up the requests sent in a stretch of time.
type Report struct {
	From, To      time.Time
	Total, Failed int
	Resent        int            // requests that took a second connection
	ByVersion     map[string]int // successful requests, by the version that answered
	ByStatus      map[int]int    // all requests; zero: no answer
	FirstFailures []Answer
}

// Since reports on what was sent from t on and has been answered.
func (c *Client) Since(t time.Time) Report { return c.Window(t, time.Time{}) }

// Window reports on what was sent in [from, to) and has been answered. A zero to has no end.
func (c *Client) Window(from, to time.Time) Report {
	report := Report{From: from, To: to, ByVersion: map[string]int{}, ByStatus: map[int]int{}}
	for _, a := range c.between(from, to) {
		report.add(a)
	}
	return report
}

// Second is what happened to the requests sent within one second.
type Second struct {
	At     time.Time
	Report Report
}

// Seconds reports on [from, to) second by second, quiet ones left out.
func (c *Client) Seconds(from, to time.Time) []Second {
	var out []Second
	for _, a := range c.between(from, to) {
		at := a.Sent.Truncate(time.Second)
		if len(out) == 0 || !out[len(out)-1].At.Equal(at) {
			out = append(out, Second{At: at, Report: Report{From: at, To: at.Add(time.Second), ByVersion: map[string]int{}, ByStatus: map[int]int{}}})
		}
		out[len(out)-1].Report.add(a)
	}
	return out
}

// ByWorker are the answers that each worker got to what it sent from t on, in the order of their sending.
func (c *Client) ByWorker(t time.Time) map[int][]Answer {
	all := map[int][]Answer{}
	for _, a := range c.between(t, time.Time{}) {
		all[a.Worker] = append(all[a.Worker], a)
	}
	return all
}

// between returns answers by the time their requests were sent, which is not the order they came in.
func (c *Client) between(from, to time.Time) []Answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []Answer
	for _, a := range c.answers {
		if !a.Sent.Before(from) && (to.IsZero() || a.Sent.Before(to)) {
			out = append(out, a)
		}
	}
	slices.SortStableFunc(out, func(a, b Answer) int { return a.Sent.Compare(b.Sent) })
	return out
}

func (r *Report) add(a Answer) {
	r.Total++
	r.ByStatus[a.Status]++
	if a.Resent {
		r.Resent++
	}
	if a.Err == "" {
		r.ByVersion[a.Version]++
		return
	}
	r.Failed++
	if len(r.FirstFailures) < firstFailures {
		r.FirstFailures = append(r.FirstFailures, a)
	}
}

// Share is the part, of one, of the successful requests that a version answered; zero if there were none.
func (r Report) Share(version string) float64 {
	if ok := r.Total - r.Failed; ok > 0 {
		return float64(r.ByVersion[version]) / float64(ok)
	}
	return 0
}

// String is the report in a line, followed by a line per failure shown.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d requests, %d failed", r.Total, r.Failed)
	if r.Resent > 0 {
		fmt.Fprintf(&b, ", %d sent twice", r.Resent)
	}
	for _, version := range slices.Sorted(maps.Keys(r.ByVersion)) {
		fmt.Fprintf(&b, ", %s %.1f%%", version, 100*r.Share(version))
	}
	for _, f := range r.FirstFailures {
		fmt.Fprintf(&b, "\n%s after %s: status %d: %s", f.Sent.Format("15:04:05.000"), f.Took.Round(time.Millisecond), f.Status, f.Err)
	}
	return b.String()
}

// Binomial says whether k hits in n tries are what a chance of p (of one) gives: an error means they are
// further off than z standard deviations. Half a hit is allowed for hits being whole numbers. A chance of
// zero or one allows no exception.
func Binomial(k, n int, p, z float64) error {
	if n <= 0 || k < 0 || k > n || p < 0 || p > 1 {
		return fmt.Errorf("%d of %d at a chance of %v: not an experiment", k, n, p)
	}
	expected := p * float64(n)
	allowed := z*math.Sqrt(expected*(1-p)) + 0.5
	if off := math.Abs(float64(k) - expected); off > allowed {
		return fmt.Errorf("%d of %d is %.2f%%: want %.2f%% within %.2f", k, n, 100*float64(k)/float64(n), 100*p, 100*allowed/float64(n))
	}
	return nil
}
