package simulate

import (
	"bufio"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// Script plays a rollout from lines of plain words and writes down what people would see of it.
type Script struct {
	*Operator
	can   rollout.Capabilities
	spec  v1beta1.CanarySpec
	out   strings.Builder
	shown string
}

// commands are the words a script can be made of; each takes the rest of its line.
var commands = map[string]func(*Script, string) error{
	"provider": (*Script).provider,
	"analysis": (*Script).analysis,
	"recreate": func(s *Script, _ string) error {
		s.w.target.recreates, s.w.primary.recreates = true, true
		return s.compile()
	},
	"skip analysis": func(s *Script, _ string) error { s.spec.SkipAnalysis = true; return s.compile() },
	"set image":     func(s *Script, v string) error { s.w.Release(rollout.RevisionPrefix + v); return nil },
	"fail checks":   func(s *Script, n string) (err error) { s.w.failures, err = strconv.Atoi(n); return err },
	"break":         (*Script).breakPods,
	"lose primary":  func(s *Script, _ string) error { s.w.losePrimary(); return nil },
	"heal":          func(s *Script, _ string) error { clear(s.w.trouble); return nil },
	"suspend":       func(s *Script, _ string) error { s.w.Suspend(true); return nil },
	"resume":        func(s *Script, _ string) error { s.w.Suspend(false); return nil },
	"scale target":  (*Script).scale,
	"autoscaler":    (*Script).autoscaler,
	"autoscaler wants": func(s *Script, n string) error {
		_, err := fmt.Sscan(n, &s.w.scaler.wants)
		return err
	},
	"pods need":      func(s *Script, n string) (err error) { s.w.podStart, err = strconv.Atoi(n); return err },
	"delete":         (*Script).remove,
	"upgrade server": func(s *Script, _ string) error { s.w.UpgradeServer(); return nil },
	"dismiss":        func(s *Script, _ string) error { s.w.Delete(); return nil },
	"make target":    (*Script).make,
	"keep window":    (*Script).rollbackWindow,
	"adopt":          (*Script).adopt,
	"close":          func(s *Script, gate string) error { s.w.gates[v1beta1.HookType(gate)] = true; return nil },
	"open":           func(s *Script, gate string) error { delete(s.w.gates, v1beta1.HookType(gate)); return nil },
	"recall":         func(s *Script, _ string) error { s.w.rollbackAsked = true; return nil },
	"relent":         func(s *Script, _ string) error { s.w.rollbackAsked = false; return nil },
	"forget":         func(s *Script, _ string) error { s.w.drop(); return nil },
	"metrics are":    func(s *Script, v string) error { s.w.metricVerdict = verdicts[v]; return nil },
	"proxies take":   func(s *Script, n string) (err error) { s.w.proxyDelay, err = strconv.Atoi(n); return err },
	"act":            func(s *Script, what string) error { s.w.Act(what, "anna"); return nil },
	"request":        func(s *Script, text string) error { s.w.Request(text, "anna"); return nil },
	"crash canary":   func(s *Script, how string) error { s.w.crashed = how; return nil },
	"wait":           (*Script).wait,
	"until":          (*Script).until,
}

// rollbackWindow takes the N of spec.history.rollbackWindow.
func (s *Script) rollbackWindow(text string) error {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return fmt.Errorf("keep window %q: %w", text, err)
	}
	window, limit := int32(n), int32(1)
	s.spec.History = &v1beta1.CanaryHistory{RollbackWindow: &window, Limit: &limit}
	return s.compile()
}

// verdicts are what metrics can be made to be.
var verdicts = map[string]v1beta1.Verdict{"passing": "", "pending": v1beta1.Waiting, "inconclusive": v1beta1.Inconclusive}

// Play runs a script and returns its transcript. A broken rule is an error.
func Play(text string) (string, error) { return play(text, func(*Script) {}) }

func play(text string, change func(*Script)) (string, error) {
	spec := v1beta1.CanarySpec{TargetRef: v1beta1.TargetRef{Kind: "Deployment", Name: "podinfo"}}
	spec.Analysis = &v1beta1.CanaryAnalysis{Interval: "10s", Threshold: 3, StepWeight: 10, MaxWeight: 50,
		Metrics: []v1beta1.CanaryMetric{{Name: "request-success-rate"}}}
	deadline := int32(60)
	spec.ProgressDeadlineSeconds = &deadline
	can := rollout.Weighted | rollout.Mirrored | rollout.Matched | rollout.MatchedWeighted | rollout.Sticky
	return playOn(spec, can, Target{}, text, change)
}

// PlayOn is Play with a spec and a target to begin with.
func PlayOn(spec v1beta1.CanarySpec, can rollout.Capabilities, t Target, text string) (string, error) {
	return playOn(spec, can, t, text, func(*Script) {})
}

func playOn(spec v1beta1.CanarySpec, can rollout.Capabilities, t Target, text string, change func(*Script)) (string, error) {
	s := &Script{can: can, spec: spec}
	w := New(rollout.Plan{}, 1)
	if t.Size > 0 {
		t.bring(w)
	}
	s.Operator = NewOperator(w)
	s.notify = s.tell
	change(s)
	if err := s.compile(); err != nil {
		return "", err
	}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if err := s.do(lines.Text()); err != nil {
			return "", fmt.Errorf("line %q: %w", lines.Text(), err)
		}
	}
	if wrong := s.w.Violations(); len(wrong) > 0 {
		return "", fmt.Errorf("%s", strings.Join(wrong, "; "))
	}
	return s.out.String(), nil
}

// Notices runs a script and returns all that is told in it.
func Notices(text string) (told []rollout.Notice, err error) {
	_, err = play(text, func(s *Script) {
		s.notify = func(said []rollout.Notice) { told = append(told, said...) }
	})
	return told, err
}

// Statuses runs a script and returns each status that was stored.
func Statuses(text string) (stored []v1beta1.CanaryStatus, err error) {
	_, err = play(text, func(s *Script) {
		s.w.waitedFor = true
		s.notify = func([]rollout.Notice) { stored = append(stored, *s.w.status.DeepCopy()) }
	})
	return stored, err
}

// do plays one line; an empty one and a comment say nothing.
func (s *Script) do(line string) error {
	if line == "" || strings.HasPrefix(line, "#") {
		return nil
	}
	fmt.Fprintf(&s.out, "> %s\n", line)
	for _, word := range slices.Backward(slices.Sorted(maps.Keys(commands))) { // the longer of two that begin alike first
		run := commands[word]
		if rest, ok := strings.CutPrefix(line+" ", word+" "); ok {
			return run(s, strings.TrimSpace(rest))
		}
	}
	return fmt.Errorf("no such command")
}

func (s *Script) compile() error {
	p, err := rollout.Compile(s.spec, s.can)
	if err == nil && s.w.primary.recreates {
		p.RouteAllBeforePromotion("strategy Recreate")
	}
	if err == nil {
		s.w.ChangePlan(p)
	}
	return err
}

func (s *Script) provider(name string) error {
	if name == "kubernetes" {
		s.can = 0
	}
	return s.compile()
}

// analysis replaces fields of the analysis, given as flow YAML.
func (s *Script) analysis(text string) error {
	a := v1beta1.CanaryAnalysis{Interval: "10s", Threshold: 3, Metrics: s.spec.Analysis.Metrics}
	if err := yaml.UnmarshalStrict([]byte(text), &a); err != nil {
		return err
	}
	s.spec.Analysis = &a
	return s.compile()
}

// breakPods takes `REVISION|target|primary [REASON]`.
func (s *Script) breakPods(text string) error {
	what, why, _ := strings.Cut(text, " ")
	if what != "target" && what != "primary" {
		what = rollout.RevisionPrefix + what
	}
	if why == "" {
		why = noReason
	}
	s.w.trouble[what] = why
	return nil
}

func (s *Script) scale(n string) error {
	size, err := strconv.Atoi(n)
	s.w.Scale(int32(size))
	return err
}

// autoscaler takes `LEAST MOST`: the target's has these bounds from now on, whoever has set them before.
func (s *Script) autoscaler(text string) error {
	_, err := fmt.Sscan(text, &s.w.scaler.least, &s.w.scaler.most)
	return err
}

func (s *Script) remove(what string) error {
	if what == "primary" {
		s.w.primary.remove()
		return nil
	}
	s.w.target.remove()
	return nil
}

func (s *Script) make(revision string) error {
	s.w.target.set(s.w, s.w.hashed(rollout.RevisionPrefix+revision), 2)
	return nil
}

// adopt takes `PHASE [WEIGHT [ITERATIONS]]`: a Canary in the hands of another controller, which runs v1 on its primary,
// v2 on its target, and routes WEIGHT percent to that, whatever its status says.
func (s *Script) adopt(text string) error {
	var phase string
	var weight, iterations int
	if n, err := fmt.Sscan(text, &phase, &weight, &iterations); n == 0 {
		return fmt.Errorf("adopt %q: %w", text, err)
	}
	s.w.SetForeign(v1beta1.CanaryPhase(phase), weight, iterations)
	return nil
}

func (s *Script) wait(text string) error {
	n, err := strconv.Atoi(strings.TrimSuffix(text, "s"))
	for range n {
		s.second()
	}
	return err
}

// until waits for a phase, or for a weight in percent.
func (s *Script) until(text string) error {
	weight, err := strconv.Atoi(strings.TrimSuffix(text, "%"))
	for range 1000 {
		if err == nil && s.w.status.CanaryWeight == weight || string(s.w.status.Phase) == text {
			return nil
		}
		s.second()
	}
	return fmt.Errorf("never got there: %s", brief(s.w.status))
}

func (s *Script) second() {
	s.Second()
	s.show()
}

// show writes the state down when it has changed.
func (s *Script) show() {
	if line := s.state(); line != s.shown {
		s.shown = line
		fmt.Fprintf(&s.out, "%4ds %s\n", s.w.now, line)
	}
}

// tell writes down what people are told in a decision.
func (s *Script) tell(said []rollout.Notice) {
	s.show()
	for _, n := range said {
		kind := "event"
		if n.Warning {
			kind = "WARN "
		}
		fmt.Fprintf(&s.out, "        %s %s: %s\n", kind, n.Reason, n.Message)
		if n.Alert != nil {
			fmt.Fprintf(&s.out, "        ALERT %s: %s\n", n.Alert.Severity, n.Alert.Text)
		}
	}
}

// state is one line of `kubectl get`, and what the conditions add to it.
func (s *Script) state() string {
	w, st := s.w, s.w.status
	plan := w.plan.For(st)
	apex := []string{"target", "primary", "both"}[w.net.apex]
	line := fmt.Sprintf("%-12s weight=%d step=%d/%d failed=%d apex=%s target=%s primary=%s", st.Phase, st.CanaryWeight, st.Step, plan.Length(),
		st.FailedChecks, apex, w.target.brief(), w.primary.brief())
	if w.scaler.most > 0 {
		line += fmt.Sprintf(" autoscaler=%d-%d", w.scaler.least, w.scaler.most)
	}
	if st.ActualWeight != nil {
		line += fmt.Sprintf(" actual=%d", *st.ActualWeight)
	}
	line += extras(rollout.IntentOf(plan, st).Traffic)
	if c := meta.FindStatusCondition(st.Conditions, v1beta1.ConditionWaiting); c != nil {
		line += "\n        " + c.Reason + ": " + c.Message
	}
	if c := meta.FindStatusCondition(st.Conditions, v1beta1.ConditionPromoted); c != nil && st.Phase == v1beta1.PhaseFailed {
		line += "\n        " + c.Message
	}
	return line
}

// extras is what routes do besides dividing requests.
func extras(t *rollout.Traffic) string {
	if t == nil {
		return ""
	}
	line := ""
	for _, e := range []struct {
		set  bool
		text string
	}{
		{t.Matched, " matched"},
		{t.Preview && t.PreviewOf == 0, " preview"},
		{t.Preview && t.PreviewOf > 0, fmt.Sprintf(" preview of step %d", t.PreviewOf)},
		{t.Mirror > 0, fmt.Sprintf(" mirror=%d", t.Mirror)},
		{t.Cookies.Canary != "", " cookie " + t.Cookies.Canary},
		{t.Cookies.Primary != "", " cookie " + t.Cookies.Primary},
		{t.Cookies.Expired != "", " drops " + t.Cookies.Expired},
	} {
		if e.set {
			line += e.text
		}
	}
	return line
}

// brief is a side's revision, and its serving and wanted pods.
func (s *workload) brief() string {
	if !s.exists {
		return "-"
	}
	return fmt.Sprintf("%s:%d/%d", strings.TrimPrefix(s.revision, rollout.RevisionPrefix), s.serving(), s.size)
}
