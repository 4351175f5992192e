package bench

import (
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

// Report is what is printed in the end: figures beside what they should be, each
// with where it comes from, and below what they are made of.
type Report struct {
	sections []*section
	details  []detail
}

type section struct {
	name  string // the same in each run
	title string // with the load under which it was measured
	rows  []row
}

type row struct{ what, measured, target, from string }

// detail is a table of its own.
type detail struct {
	title string
	lines []string
}

func (r *Report) section(name, title string) {
	r.sections = append(r.sections, &section{name: name, title: fmt.Sprintf("%s (load average %s)", title, load())})
}

func (r *Report) row(what, measured, target, from string) {
	s := r.sections[len(r.sections)-1]
	s.rows = append(s.rows, row{what: what, measured: measured, target: target, from: from})
}

func (r *Report) trace(lines []string) {
	r.details = append(r.details, detail{title: "requests about one rollout, seconds since its trigger", lines: lines})
}

// counts lists how often each thing was asked for, for each of n Canaries.
func (r *Report) counts(title string, counts []Count, n int) {
	d := detail{title: title}
	for _, c := range counts {
		d.lines = append(d.lines, fmt.Sprintf("%9s  %s", per(c.N, n), c.What))
	}
	r.details = append(r.details, d)
}

// way lists when Canaries came to each point of a rollout.
func (r *Report) way(m *Moments, since time.Time) {
	d := detail{title: "way of a rollout, seconds since the last trigger: first, median, last Canary"}
	for _, p := range way() {
		times := m.reached(p)
		if len(times) == 0 {
			continue
		}
		slices.SortFunc(times, time.Time.Compare)
		at := func(i int) float64 { return times[i].Sub(since).Seconds() }
		d.lines = append(d.lines, fmt.Sprintf("%9.2f%9.2f%9.2f  %s", at(0), at(len(times)/2), at(len(times)-1), p))
	}
	r.details = append(r.details, d)
}

// processors lists what every program took of the machine: where that is all of it,
// times say more about the machine than about the product.
func (r *Report) processors(seen rollout, n int) {
	d := detail{title: fmt.Sprintf("processor time per rollout; there are %d processors", runtime.NumCPU())}
	for _, name := range slices.Sorted(maps.Keys(seen.after)) {
		d.lines = append(d.lines, fmt.Sprintf("%12s  %s", millis(seen.took(name), n), name))
	}
	r.details = append(r.details, d)
}

func (r *Report) print(out io.Writer) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range r.sections {
		fmt.Fprintf(table, "\n%s\tmeasured\ttarget\tfrom\n", s.title)
		for _, w := range s.rows {
			fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", w.what, w.measured, w.target, w.from)
		}
	}
	_ = table.Flush() // a terminal that is gone can't be told
	for _, d := range r.details {
		fmt.Fprintf(out, "\n%s\n", d.title)
		for _, line := range d.lines {
			fmt.Fprintln(out, line)
		}
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// millis is a share of processor time; /proc counts in hundredths of a second.
func millis(d time.Duration, n int) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000/float64(n))
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

func per(count, n int) string { return fmt.Sprintf("%.1f", float64(count)/float64(n)) }
