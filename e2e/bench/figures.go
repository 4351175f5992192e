package bench

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A page of figures has one table below the heading figuresHeading: a row for each figure, a column for each number of Canaries.
// A run writes its own column, and leaves the others.

const figuresHeading = "## Many Canaries\n"

// figures is that table.
type figures struct {
	columns []string // without those of names and targets
	rows    []figure
}

// figure is one row. Measured are the cells by column.
type figure struct {
	name, target string
	measured     map[string]string
}

// columnOf is the name of a run's column.
func columnOf(o Options) string {
	name := thousands(o.N)
	if o.Settled {
		name += " at rest"
	}
	return name
}

// thousands is a number as people read it: 10 000.
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s %03d", thousands(n/1000), n%1000)
}

// splitPage cuts a page into what is before its table, the table, and what is after it.
func splitPage(text string) (before, table, after string, err error) {
	before, rest, found := strings.Cut(text, figuresHeading)
	start := strings.Index(rest, "\n| |")
	if !found || start < 0 {
		return "", "", "", fmt.Errorf("no table below %q", strings.TrimSpace(figuresHeading))
	}
	before += figuresHeading + rest[:start+1]
	rest = rest[start+1:]
	end := strings.Index(rest, "\n\n")
	if end < 0 {
		end = len(strings.TrimRight(rest, "\n"))
	}
	return before, rest[:end], rest[end:], nil
}

// parseFigures reads a table.
func parseFigures(table string) (*figures, error) {
	f := &figures{}
	for i, line := range strings.Split(table, "\n") {
		cells := strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|"), "|")
		for k := range cells {
			cells[k] = strings.TrimSpace(cells[k])
		}
		switch {
		case len(cells) < 2 || i > 0 && len(cells) != len(f.columns)+2:
			return nil, fmt.Errorf("line %d of the table has %d cells", i+1, len(cells))
		case i == 0:
			f.columns = cells[2:]
		case i == 1: // the rule below the head
		default:
			row := figure{name: cells[0], target: cells[1], measured: map[string]string{}}
			for k, column := range f.columns {
				row.measured[column] = cells[k+2]
			}
			f.rows = append(f.rows, row)
		}
	}
	return f, nil
}

func (f *figures) String() string {
	var text strings.Builder
	line := func(cells ...string) {
		text.WriteString("|")
		for _, c := range cells {
			text.WriteString(strings.TrimSuffix(" "+c, " ") + " |")
		}
		text.WriteString("\n")
	}
	line(append([]string{"", "Target"}, f.columns...)...)
	text.WriteString("|" + strings.Repeat("---|", len(f.columns)+2) + "\n")
	for _, row := range f.rows {
		cells := []string{row.name, row.target}
		for _, column := range f.columns {
			cells = append(cells, row.measured[column])
		}
		line(cells...)
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// set replaces a column. What is new comes before what it came before in the report.
func (f *figures) set(column string, measured []figure) {
	if !slices.Contains(f.columns, column) {
		f.columns = append(f.columns, column)
		slices.SortFunc(f.columns, func(a, b string) int { return cmp.Or(cmp.Compare(leading(a), leading(b)), cmp.Compare(a, b)) })
	}
	for _, row := range f.rows {
		delete(row.measured, column)
	}
	for at, m := range slices.Backward(measured) {
		row := f.row(m.name)
		if row < 0 {
			row = len(f.rows)
			if at+1 < len(measured) {
				row = f.row(measured[at+1].name)
			}
			f.rows = slices.Insert(f.rows, row, figure{name: m.name, measured: map[string]string{}})
		}
		f.rows[row].target = m.target
		f.rows[row].measured[column] = m.measured[column]
	}
}

// row is the index of a figure; below zero: it is not there.
func (f *figures) row(name string) int {
	return slices.IndexFunc(f.rows, func(r figure) bool { return r.name == name })
}

// leading is the number that a text begins with, spaces between thousands included; zero: there is none.
func leading(text string) float64 {
	var digits strings.Builder
	for i, r := range text {
		switch {
		case r >= '0' && r <= '9' || r == '.':
			digits.WriteRune(r)
		case r == ' ' && i+1 < len(text) && text[i+1] >= '0' && text[i+1] <= '9':
		default:
			n, _ := strconv.ParseFloat(digits.String(), 64)
			return n
		}
	}
	n, _ := strconv.ParseFloat(digits.String(), 64)
	return n
}

// tolerated is by what a figure may be above the one that is committed without being named.
const tolerated = 1.10

// worse are the requests, the processor time and the memory of a run that are more than a tenth above those of a page.
func (f *figures) worse(column string, measured []figure, watched func(string) bool) []string {
	var found []string
	for _, m := range measured {
		at := f.row(m.name)
		if at < 0 || !watched(m.name) {
			continue
		}
		was, is := f.rows[at].measured[column], m.measured[column]
		if was != "" && leading(is) > tolerated*leading(was) {
			found = append(found, fmt.Sprintf("%s: %s, was %s", m.name, is, was))
		}
	}
	return found
}

// figures are those of a report, for one column. How it was measured comes first.
func (r *Report) figures(column, commit string, now time.Time) []figure {
	in := func(name, target, value string) figure {
		return figure{name: name, target: target, measured: map[string]string{column: value}}
	}
	all := []figure{in("Measured", "", now.UTC().Format(time.DateOnly)), in("Commit", "", commit), in("Machine", "", machine())}
	for _, s := range r.sections {
		for _, w := range s.rows {
			all = append(all, in(s.name+": "+w.what, w.target, w.measured))
		}
	}
	return all
}

// watched says that a figure is about requests, processor time or memory, which depend less on the machine than times do.
func (r *Report) watched(name string) bool {
	for _, s := range r.sections {
		for _, w := range s.rows {
			if s.name+": "+w.what == name {
				return w.from == fromAudit || w.from == fromProc
			}
		}
	}
	return false
}

// writeFigures puts what a run measured into a page.
func (b *Bench) writeFigures(page string) error {
	return onPage(page, func(before, after string, f *figures) error {
		f.set(columnOf(b.Options), b.report.figures(columnOf(b.Options), b.commit(), time.Now()))
		return os.WriteFile(page, []byte(before+f.String()+after), 0o644)
	})
}

// compareFigures prints what got worse than on a page.
func (b *Bench) compareFigures(page string) error {
	return onPage(page, func(_, _ string, f *figures) error {
		column := columnOf(b.Options)
		if !slices.Contains(f.columns, column) {
			fmt.Fprintf(b.Out, "\n%s has no figures of %s Canaries to compare with\n", page, column)
			return nil
		}
		found := f.worse(column, b.report.figures(column, b.commit(), time.Now()), b.report.watched)
		if len(found) == 0 {
			fmt.Fprintf(b.Out, "\nno figure is more than a tenth above that of %s\n", page)
			return nil
		}
		fmt.Fprintf(b.Out, "\nWORSE by more than a tenth than in %s:\n", page)
		for _, line := range found {
			fmt.Fprintf(b.Out, "  %s\n", line)
		}
		return nil
	})
}

func onPage(page string, do func(before, after string, f *figures) error) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, table, after, err := splitPage(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	f, err := parseFigures(table)
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	return do(before, after, f)
}

// commit is what was measured, by its short name.
func (b *Bench) commit() string {
	if b.Peer {
		return "another operator"
	}
	git := func(args ...string) (string, error) {
		cmd := exec.Command("git", args...)
		cmd.Dir = b.Root
		return run(cmd)
	}
	name, err := git("describe", "--always", "--exclude=*")
	if err != nil {
		return "unknown"
	}
	// Not the page that the run before has written into.
	if changed, err := git("status", "--porcelain", "--", ".", ":!docs/operations/figures.md"); err != nil || changed != "" {
		name += "-dirty"
	}
	return name
}

// machine is what it was measured on: processors and memory.
func machine() string {
	text, _ := os.ReadFile("/proc/meminfo") // another system has none, and is not told of
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "MemTotal:" {
			kib, _ := strconv.ParseFloat(fields[1], 64)
			return fmt.Sprintf("%d processors, %.0f GiB", runtime.NumCPU(), kib/(1<<20))
		}
	}
	return fmt.Sprintf("%d processors", runtime.NumCPU())
}
