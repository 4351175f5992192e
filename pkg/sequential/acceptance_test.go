package sequential

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"
)

var (
	rollouts = flag.Int("rollouts", 0, "simulated rollouts of each cell; 0: as few as a limit needs to hold")
	update   = flag.Bool("update", false, "write the table into the page")
)

// page has the table of the acceptance list between two markers.
const page = "../../docs/concepts/verdicts.md"

// Limits hold in so many standard errors of a share that is exactly at the limit: of 400 rollouts 4 may fail at 1 %, and up
// to 8 may be chance. The seeds are fixed, so that a test that passed passes again.
const errorsAllowed = 2

// cell is one case of the acceptance list.
type cell struct {
	group, name string
	run         func(*rand.Rand) outcome
	least, most float64 // limits of the share of rollouts that were found to be so
	found       func(outcome) bool
	want        string
	short       int // rollouts in a short run
	median      int64
}

// outcome is how one simulated rollout ended.
type outcome struct {
	failed, cleared bool
	checks          int
	events          int64 // of the canary, until it ended
}

func hasFailed(o outcome) bool  { return o.failed }
func isCleared(o outcome) bool  { return o.cleared }
func inOneCheck(o outcome) bool { return o.failed && o.checks == 1 }

// world draws what both sides count in one check.
type world func(r *rand.Rand, check int) (canary, primary Counts, bounds []float64)

// plan is a rollout of so many checks, and of so many times as many in which it holds for a clearance.
type plan struct {
	checks  int
	hold    int
	p       Parameters
	metrics []world
}

func defaults() Parameters {
	return Parameters{Confidence: 0.99, Margin: 0.01, Missed: 0.05, Tolerance: 0.001, Dispersion: 1, Metrics: 1}
}

func (pl plan) run(r *rand.Rand) (o outcome) {
	p := pl.p
	p.Metrics = len(pl.metrics)
	evidence := make([]Evidence, len(pl.metrics))
	for i := range evidence {
		_, before, bounds := pl.metrics[i](r, 0)
		if len(bounds) == 0 { // the bounds of a histogram are fixed by both sides
			must(evidence[i].Add(Stratum{Begin: 1, End: 60, Primary: before}, p))
		}
	}
	checks := pl.checks * (1 + pl.hold)
	for check := 1; check <= checks; check++ {
		o.checks = check
		cleared := true
		for i := range evidence {
			e := &evidence[i]
			c, pr, bounds := pl.metrics[i](r, check)
			must(e.Add(Stratum{Begin: int64(check) * 60, End: int64(check)*60 + 60, Bounds: bounds, Canary: c, Primary: pr}, p))
			if i == 0 {
				o.events += c.Events
			}
			if check == pl.checks {
				e.MakeFinal(p)
			}
			verdict := e.Judge(p, check >= pl.checks).Verdict
			if verdict == Failed {
				o.failed = true
				return o
			}
			cleared = cleared && verdict == Passed
		}
		if check >= pl.checks && cleared {
			o.cleared = true
			return o
		}
	}
	return o
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func binomial(r *rand.Rand, n int64, p float64) int64 {
	if p <= 0 || n == 0 {
		return 0
	}
	if p >= 1 {
		return n
	}
	return int64(distuv.Binomial{N: float64(n), P: p, Src: r}.Rand())
}

func counts(r *rand.Rand, n int64, p float64) Counts {
	return Counts{Events: n, Bad: []int64{binomial(r, n, p)}}
}

// besides is how many requests the primary has while the canary has n, and this weight.
func besides(n int64, weight float64) int64 {
	return int64(math.Round(float64(n) * (100 - weight) / weight))
}

// shares is a world in which the canary has n requests a check, at this weight, with these rates.
func shares(n int64, weight, primary, canary float64) world {
	return func(r *rand.Rand, _ int) (Counts, Counts, []float64) {
		return counts(r, n, canary), counts(r, besides(n, weight), primary), nil
	}
}

// drifting is a world whose rate goes from 0.3 to 3 times the base while the weight goes from 10 to 50.
func drifting(n int64, base float64, checks int) world {
	return func(r *rand.Rand, check int) (Counts, Counts, []float64) {
		part := float64(max(check, 1)-1) / float64(checks-1)
		return shares(n, 10+40*part, base*0.3*math.Pow(10, part), base*0.3*math.Pow(10, part))(r, check)
	}
}

// clustered is a world in which a hundred requests at a time share their rate: the correlation within them is icc.
func clustered(n int64, weight, base, icc float64) world {
	side := func(r *rand.Rand, n int64) Counts {
		c := Counts{Bad: []int64{0}}
		for n > 0 {
			size := min(n, 100)
			scale := 1/icc - 1
			rate := distuv.Beta{Alpha: base * scale, Beta: (1 - base) * scale, Src: r}.Rand()
			c.Events, c.Bad[0], n = c.Events+size, c.Bad[0]+binomial(r, size, rate), n-size
		}
		return c
	}
	return func(r *rand.Rand, _ int) (Counts, Counts, []float64) {
		return side(r, n), side(r, besides(n, weight)), nil
	}
}

// istioBuckets are bounds of Istio's histograms, in milliseconds.
var istioBuckets = []float64{0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000}

// latencies is a world of latencies around 100 ms. The canary's p99 is so many times the primary's, with the same median,
// and this share of its requests takes 400 ms instead.
func latencies(n int64, weight, tail, slow float64) world {
	const sigma = 0.5
	side := func(r *rand.Rand, n int64, sigma, slow float64) Counts {
		c := Counts{Events: n, Bad: make([]int64, len(istioBuckets))}
		above, slower := n, 1.0 // how many are above the bound before, of what share
		for i, bound := range istioBuckets {
			share := (1 - slow) * distuv.LogNormal{Mu: math.Log(100), Sigma: sigma}.Survival(bound)
			if bound < 400 {
				share += slow
			}
			above, slower = binomial(r, above, share/slower), share
			c.Bad[i] = above
		}
		return c
	}
	return func(r *rand.Rand, _ int) (Counts, Counts, []float64) {
		// p99 is 2.326 standard deviations of the logarithm above the median.
		return side(r, n, sigma+math.Log(tail)/2.326, slow), side(r, besides(n, weight), sigma, 0), istioBuckets
	}
}

var (
	bases   = []float64{0.001, 0.01, 0.05}
	weights = []float64{5, 20, 50}
)

func one(w world) plan             { return plan{checks: 10, p: defaults(), metrics: []world{w}} }
func held(w world, times int) plan { pl := one(w); pl.hold = times; return pl }
func long(w world) plan            { pl := one(w); pl.checks = 100; return pl }
func three(w world) plan           { pl := one(w); pl.metrics = []world{w, w, w}; return pl }
func auto(pl plan) plan            { pl.p.Dispersion = Auto; return pl }
func percent(v float64) string     { return fmt.Sprintf("%.3g %%", 100*v) }
func at(base, w float64) string    { return fmt.Sprintf("base %s, weight %.0f", percent(base), w) }
func atMost(v float64) string      { return "≤ " + percent(v) }
func atLeast(v float64) string     { return "≥ " + percent(v) }
func alike(b, w float64) world     { return shares(1000, w, b, b) }
func onePoint(b, w float64) world  { return shares(1000, w, b, b+0.01) }

// acceptance is the list of what a comparison has to reach.
func acceptance() []cell {
	var cells []cell
	most := func(group, name string, limit float64, found func(outcome) bool, short int, pl plan) {
		cells = append(cells, cell{group: group, name: name, run: pl.run, least: 0, most: limit, found: found, want: atMost(limit), short: short})
	}
	least := func(group, name string, limit float64, found func(outcome) bool, short int, pl plan) {
		cells = append(cells, cell{group: group, name: name, run: pl.run, least: limit, most: 1, found: found, want: atLeast(limit), short: short})
	}
	for _, b := range bases {
		for _, w := range weights {
			most("No difference: failed", at(b, w), 0.01, hasFailed, 400, one(alike(b, w)))
			most("No difference, 100 checks of 100: failed", at(b, w), 0.01, hasFailed, 100, long(shares(100, w, b, b)))
			most("No difference, three metrics: failed", at(b, w), 0.01, hasFailed, 100, three(alike(b, w)))
			most("One point worse, with a hold: promoted", at(b, w), 0.05, isCleared, 200, held(onePoint(b, w), 1))
		}
	}
	for _, b := range []float64{0.001, 0.01, 0.02} {
		for _, w := range weights {
			least("One point worse, without a hold: failed", at(b, w), 0.95, hasFailed, 200, one(onePoint(b, w)))
		}
	}
	least("One point worse, without a hold: failed", at(0.05, 5), 0.95, hasFailed, 400, one(onePoint(0.05, 5)))
	least("One point worse, without a hold: failed", at(0.05, 20), 0.91, hasFailed, 400, one(onePoint(0.05, 20)))
	for _, b := range bases {
		most("Base drifting from 0.3 to 3 times, weights from 10 to 50: failed", "base "+percent(b), 0.01, hasFailed, 400, one(drifting(1000, b, 10)))
	}
	for _, w := range weights {
		most("10⁶ requests a check, 0.02 points worse: failed", at(0.01, w), 0.01, hasFailed, 100, one(shares(1_000_000, w, 0.01, 0.0102)))
		most("Errors in clusters of 100, ICC 0.01, dispersion auto: failed", at(0.01, w), 0.015, hasFailed, 400, auto(one(clustered(1000, w, 0.01, 0.01))))
	}
	most("Latencies, no difference: failed", "weight 20", 0.01, hasFailed, 100, one(latencies(1000, 20, 1, 0)))
	least("Latencies, p99 × 1.5 and the same median: failed", "weight 20", 0.95, hasFailed, 100, one(latencies(1000, 20, 1.5, 0)))
	// 0.0104 of all are 0.01 of those below 250 ms.
	most("Latencies, one point more above 250 ms, with a hold: promoted", "weight 20", 0.05, isCleared, 100, held(latencies(1000, 20, 1, 0.0104), 1))
	most("One point worse, checks of 100, with a hold of nine times the plan: promoted", at(0.05, 50), 0.05, isCleared, 50, held(shares(100, 50, 0.05, 0.06), 9))
	most("No difference, dispersion auto: failed", at(0.01, 20), 0.01, hasFailed, 400, auto(one(alike(0.01, 20))))
	for _, w := range []float64{20, 50} {
		least("A canary that always fails, 20 requests a check: failed in one check", at(0.01, w), 1, inOneCheck, 100, one(shares(20, w, 0.01, 1)))
	}
	for _, w := range weights {
		fivePoints := shares(1000, w, 0.01, 0.06)
		cells = append(cells,
			cell{group: "Five points worse: median of requests until failed", name: at(0.01, w), run: one(fivePoints).run, median: 1000, want: "≤ 1000", short: 200},
			cell{group: "Five points worse: median of requests until failed", name: at(0.01, w) + ", dispersion auto", run: auto(one(fivePoints)).run, median: 2000, want: "≤ 2000", short: 200})
	}
	slices.SortStableFunc(cells, func(a, b cell) int { return strings.Compare(a.group, b.group) })
	return cells
}

// TestAcceptance simulates rollouts and holds what came of them to the list. With -rollouts many of them are simulated
// for each case, and with -update the table is written into the page.
func TestAcceptance(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	for i, c := range acceptance() {
		n := c.short
		if *rollouts > 0 {
			n = *rollouts
		}
		r := rand.New(rand.NewPCG(14, uint64(i)))
		var events []int64
		found := 0
		for range n {
			o := c.run(r)
			events = append(events, o.events)
			if c.found != nil && c.found(o) {
				found++
			}
		}
		if c.median > 0 {
			slices.Sort(events)
			row(&table, c, fmt.Sprint(events[n/2]))
			assert.LessOrEqual(t, events[n/2], c.median, "%s, %s", c.group, c.name)
			continue
		}
		share := float64(found) / float64(n)
		row(&table, c, percent(share))
		lack := func(limit float64) float64 { return errorsAllowed * math.Sqrt(limit*(1-limit)/float64(n)) }
		assert.LessOrEqual(t, share, c.most+lack(c.most), "%s, %s", c.group, c.name)
		assert.GreaterOrEqual(t, share, c.least-lack(c.least), "%s, %s", c.group, c.name)
	}
	t.Log("\n" + table.String())
	if *update {
		writeTable(t, "acceptance", fmt.Sprintf("%d rollouts of each case.\n\n| Case | | Wanted | Found |\n|---|---|---|---|\n%s", max(*rollouts, 1), table.String()))
		writeTable(t, "requests", requests(max(*rollouts/50, 1)))
	}
}

// requests is the table of how many requests of the canary clear it, or fail it: the median of rollouts with checks of a
// hundred that have no end.
func requests(n int) string {
	var table strings.Builder
	table.WriteString("| Base | Weight | cleared, no difference | failed, one point worse | failed, five points worse |\n|---|---|---|---|---|\n")
	for i, b := range bases {
		for j, w := range weights {
			r := rand.New(rand.NewPCG(15, uint64(3*i+j)))
			fmt.Fprintf(&table, "| %s | %.0f | %d | %d | %d |\n", percent(b), w,
				median(n, r, shares(100, w, b, b), func(e *Evidence, _ Result) bool { return e.Cleared() }),
				median(n, r, shares(100, w, b, b+0.01), func(_ *Evidence, res Result) bool { return res.Reason == EvidenceAgainst }),
				median(n, r, shares(100, w, b, b+0.05), func(_ *Evidence, res Result) bool { return res.Reason == EvidenceAgainst }))
		}
	}
	return table.String()
}

// median is how many requests of the canary it takes in the middle of n rollouts.
func median(n int, r *rand.Rand, w world, done func(*Evidence, Result) bool) int64 {
	all, promise := make([]int64, n), defaults()
	promise.Dispersion = Auto
	for i := range all {
		var e Evidence
		for check := int64(0); check < 5000; check++ {
			c, p, _ := w(r, 1)
			s := Stratum{Begin: 60 * check, End: 60*check + 60, Canary: c, Primary: p}
			if check == 0 {
				_, s.Before, _ = w(r, 1)
			}
			must(e.Add(s, promise))
			all[i] += c.Events
			if done(&e, e.Judge(promise, false)) {
				break
			}
		}
	}
	slices.Sort(all)
	return all[n/2]
}

func row(table *strings.Builder, c cell, found string) {
	fmt.Fprintf(table, "| %s | %s | %s | %s |\n", c.group, c.name, c.want, found)
}

func writeTable(t *testing.T, name, table string) {
	t.Helper()
	between := regexp.MustCompile(`(?s)(<!-- ` + name + ` -->\n).*(<!-- /` + name + ` -->)`)
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Regexp(t, between, string(text))
	require.NoError(t, os.WriteFile(page, []byte(between.ReplaceAllString(string(text), "${1}"+table+"${2}")), 0o644))
}
