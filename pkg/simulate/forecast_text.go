package simulate

import (
	"fmt"
	"strings"
	"time"
)

// Summary is what a forecast comes to, in one line.
func (f *Forecast) Summary() string {
	how := map[Outcome]string{Promoted: "is promoted after", RolledBack: "is rolled back after", Waits: "still waits after"}[f.Outcome]
	return fmt.Sprintf("%s %s %s; at most %d pods; %s", f.Name, how, f.Took, f.Peak, f.acts())
}

func (f *Forecast) acts() string {
	switch len(f.Acts) {
	case 0:
		return "nobody has to act"
	case 1:
		return "somebody has to act once"
	}
	return fmt.Sprintf("somebody has to act %d times", len(f.Acts))
}

// Table is the forecast as columns: what people would see, and who has to act.
func (f *Forecast) Table() string {
	out := &strings.Builder{}
	const columns = "%9s  %-16s  %7s  %6s  %7s  %7s  %s\n"
	fmt.Fprintf(out, columns, "AFTER", "PHASE", "STEP", "WEIGHT", "CANARY", "PRIMARY", "TOLD")
	for _, r := range f.Rows {
		weight := fmt.Sprintf("%d%%", r.Weight)
		if r.Mirror > 0 {
			weight = fmt.Sprintf("%d%%(m)", r.Mirror)
		}
		told := append([]string{}, r.Told...)
		if len(told) == 0 {
			told = []string{""}
		}
		line := fmt.Sprintf(columns, r.At, r.Phase, fmt.Sprintf("%d/%d", r.Step, r.Steps), weight,
			fmt.Sprintf("%d/%d", r.CanaryReady, r.Canary), fmt.Sprintf("%d/%d", r.PrimaryReady, r.Primary), told[0])
		out.WriteString(strings.TrimRight(line, " \n") + "\n")
		for _, more := range told[1:] {
			fmt.Fprintf(out, "%s%s\n", strings.Repeat(" ", 64), more)
		}
	}
	if len(f.Acts) > 0 {
		fmt.Fprintf(out, "\n%9s  %-24s  %s\n", "AFTER", "WHO", "HAS TO")
		for _, a := range f.Acts {
			fmt.Fprintf(out, "%9s  %-24s  %s\n", a.At, a.Who, a.What)
		}
	}
	fmt.Fprintf(out, "\n%s\n", f.Summary())
	return out.String()
}

// Mermaid is the forecast as a Gantt chart, as Markdown of GitHub and GitLab shows it.
func (f *Forecast) Mermaid() string {
	out := &strings.Builder{}
	fmt.Fprintf(out, "gantt\n    title %s\n    dateFormat X\n    axisFormat %%H:%%M:%%S\n    section Rollout\n", strings.ReplaceAll(f.Summary(), ";", ","))
	for i := 0; i < len(f.Rows); {
		r, end := f.Rows[i], f.Took
		next := i + 1
		for next < len(f.Rows) && f.Rows[next].Phase == r.Phase && f.Rows[next].Weight == r.Weight && f.Rows[next].Mirror == r.Mirror {
			next++
		}
		if next < len(f.Rows) {
			end = f.Rows[next].At
		}
		if end > r.At {
			fmt.Fprintf(out, "    %s %d%% :%d, %d\n", r.Phase, max(r.Weight, r.Mirror), int(r.At.Seconds()), int(end.Seconds()))
		}
		i = next
	}
	if len(f.Acts) > 0 {
		out.WriteString("    section Somebody acts\n")
	}
	for _, a := range f.Acts {
		at := int(a.At / time.Second)
		fmt.Fprintf(out, "    %s, %s :milestone, %d, %d\n", a.Who, strings.NewReplacer(",", "", ":", "").Replace(a.What), at, at)
	}
	return out.String()
}
