package view

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// List is a table of Canaries, a line each.
func (s Style) List(views []View, namespaces bool) []string {
	head := []string{"NAME", "PHASE", "STEP", "WEIGHT", "RUN", "CHECKS", "WAITING-FOR", "AGE"}
	if namespaces {
		head = append([]string{"NAMESPACE"}, head...)
	}
	var rows [][]line
	for i := range views {
		rows = append(rows, s.listed(&views[i], namespaces))
	}
	return s.text(table(head, rows))
}

func (s Style) text(lines []line) (out []string) {
	for _, l := range lines {
		out = append(out, s.write(l))
	}
	return out
}

func (s Style) listed(v *View, namespaces bool) []line {
	step, run, checks, waits := "-", "-", "-", "-"
	if v.Step.Number > 0 || v.Step.Of > 0 {
		step = Step{Number: v.Step.Number, Of: v.Step.Of}.String()
	}
	if v.Run != nil {
		run = strconv.FormatInt(v.Run.Number, 10)
	}
	if v.Phase.UnderWay() || v.Checks.Failed > 0 {
		checks = fmt.Sprintf("%d/%d", v.Checks.Failed, v.Checks.Threshold)
	}
	if v.Waiting != nil {
		waits = v.Waiting.Reason
	}
	phase := string(v.Phase)
	if phase == "" {
		phase = "Unknown"
	}
	row := []line{{{text: v.Name}}, {{phase, v.State.color()}}, {{text: step}}, {{text: strconv.Itoa(v.Weight)}}, {{text: run}}, {{text: checks}}, {{text: waits}}, {{text: s.age(v.Created)}}}
	if namespaces {
		row = append([]line{{{text: v.Namespace}}}, row...)
	}
	return row
}

// Transition is where a Canary is, in one line: `13:02:11 Progressing 20% step 3/6 StepPaused: waits for promote`.
func (s Style) Transition(v View) string {
	return s.Now.Format("15:04:05") + " " + s.write(line{{text: v.Where()}})
}

// Where is a transition without its time.
func (v *View) Where() string {
	words := []string{string(v.Phase)}
	if v.Phase == "" {
		words[0] = "Unknown"
	}
	if v.Phase.Unfinished() && v.Phase != v1beta1.PhaseInitializing {
		words = append(words, strconv.Itoa(v.Weight)+"%")
	}
	if v.Step.Number > 0 && v.Phase.Analysing() {
		words = append(words, "step "+v.Step.String())
	}
	switch {
	case v.Waiting != nil && v.Waiting.For != "":
		words = append(words, v.Waiting.Reason+": "+v.Waiting.For)
	case v.Waiting != nil:
		words = append(words, v.Waiting.Reason)
	case v.Problem != "":
		words = append(words, v.Problem)
	}
	return strings.Join(words, " ")
}

// History is a table of runs, the newest first.
func (s Style) History(v View) []string {
	var rows [][]line
	if run := v.Run; run != nil && run.Finished == nil {
		rows = append(rows, s.past(RunSummary{Number: run.Number, Revision: run.Revision, Images: run.Images, Started: run.Started}))
	}
	for _, past := range v.Runs {
		rows = append(rows, s.past(past))
	}
	return s.text(table([]string{"RUN", "OUTCOME", "REVISION", "IMAGES", "STARTED", "TOOK", "BY", "REASON"}, rows))
}

func (s Style) past(r RunSummary) []line {
	outcome, took := status(outcomeState(r.Outcome), string(r.Outcome)), ""
	if r.Outcome == "" {
		outcome = segment{"under way", cyan}
	} else if !r.Finished.Before(r.Started) {
		took = duration.HumanDuration(r.Finished.Sub(r.Started))
	}
	return []line{{{text: strconv.FormatInt(r.Number, 10)}}, {outcome}, {{text: r.Revision}}, {{text: r.Images}}, {{text: when(r.Started)}}, {{text: took}}, {{text: r.By}}, {{text: r.Reason}}}
}

func when(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format("2006-01-02 15:04:05Z")
}

// template is the pod template of a run, with its place in the target's own history.
func (r *Run) template() string {
	if r.Target == "" {
		return r.Template
	}
	return r.Template + " (revision " + r.Target + " of the target)"
}

// RunLines are what is known of one run: of the View's own its way, what people did and the last measurements, of another its summary.
// None: it is not kept.
func (s Style) RunLines(v View, number int64) []string {
	run := v.Run
	if run == nil || run.Number != number {
		past := v.Ended(number)
		if past == nil {
			return nil
		}
		run = &Run{Number: past.Number, Revision: past.Revision, Images: past.Images, Started: past.Started, Finished: &past.Finished, Outcome: past.Outcome, Cause: past.Reason,
			Template: past.Template, Target: past.Target}
	}
	lines := []line{{label("Run"), {text: strconv.FormatInt(run.Number, 10)}}, {label("Revision"), {text: run.Revision}}, {label("Images"), {text: run.Upgrade()}}, {label("Started"), {text: when(run.Started)}}}
	if run.Finished != nil {
		lines = append(lines, line{label("Finished"), {text: when(*run.Finished)}}, line{label("Outcome"), status(outcomeState(run.Outcome), string(run.Outcome))})
	}
	if run.Cause != "" {
		lines = append(lines, line{label("Cause"), {text: run.Cause}})
	}
	if run.Template != "" {
		lines = append(lines, line{label("Template"), {text: run.template()}})
	}
	var track, acts, metrics [][]line
	for _, p := range run.Track {
		track = append(track, []line{{{text: when(p.At)}}, {{text: strconv.Itoa(p.Step)}}, {{text: strconv.Itoa(p.Weight)}}})
	}
	for _, a := range run.Actions {
		acts = append(acts, []line{{{text: when(a.At)}}, {{text: strconv.Itoa(a.Step)}}, {{text: a.Verb}}, {{text: a.By}}, {{text: a.Reason}}})
	}
	if v.Run == run {
		for _, m := range v.Checks.Metrics {
			metrics = append(metrics, []line{{{text: m.Name}}, {{text: m.Value}}, {{text: m.Limit}}, {{text: string(m.Verdict)}}, {{text: m.Message}}})
		}
	}
	if len(track) > 0 {
		lines = append(append(lines, line{}), table([]string{"TIME", "STEP", "WEIGHT"}, track)...)
	}
	if len(acts) > 0 {
		lines = append(append(lines, line{}), table([]string{"TIME", "STEP", "ACTION", "BY", "REASON"}, acts)...)
	}
	if len(metrics) > 0 {
		lines = append(append(lines, line{}), table([]string{"METRIC", "VALUE", "LIMIT", "VERDICT", "MESSAGE"}, metrics)...)
	}
	return s.text(lines)
}
