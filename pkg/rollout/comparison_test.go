package rollout

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/sequential"
)

// traffic is how many requests each side has in a second, and how many of a thousand of them are bad.
type traffic struct{ canary, bad, primary, worse int64 }

// counted is what a window counts of it.
func (w traffic) counted(q Question) Finding {
	seconds := q.Window.End.Unix() - q.Window.Begin.Unix()
	of := func(rate, bad int64) sequential.Counts {
		return sequential.Counts{Events: rate * seconds, Bad: []int64{rate * seconds * bad / 1000}}
	}
	s := &Stratum{Title: "success rate", Bad: "requests failed"}
	s.Begin, s.End = q.Window.Begin.Unix(), q.Window.End.Unix()
	s.Canary, s.Primary = of(w.canary, w.bad), of(w.primary, w.worse)
	if q.Window.First {
		s.Before = s.Primary
	}
	f := Finding{Verdict: v1beta1.Passed, Measurement: &v1beta1.Measurement{Verdict: v1beta1.Passed, Query: "q"}, Stratum: s}
	if w.canary == 0 {
		f.Verdict, f.Message = q.Metric.OnNoData.Verdict(), "nobody asks"
	}
	return f
}

// comparing is a rollout whose success rate is compared with the primary's.
func comparing(change ...func(*Snapshot)) Snapshot {
	return snap(append([]func(*Snapshot){func(s *Snapshot) {
		s.Plan.Metrics = []v1beta1.CanaryMetric{{Name: "request-success-rate", Baseline: "primary"}}
		s.Plan.Threshold = 99
		s.Status.StepStarted = &v1beta1.StepStart{Revision: "r1-v2", Step: 1, Time: *micro(noon.Add(-10 * time.Second))}
		s.Status.Analysis = &v1beta1.AnalysisStatus{Started: micro(noon.Add(-10 * time.Second))}
	}}, change...)...)
}

// round decides with all that is asked answered, and lets the time pass until the next check.
func round(t *testing.T, s *Snapshot, answer func(Question) Finding) (Decision, []Question) {
	t.Helper()
	asked := Decide(*s, Findings{}).Questions
	f := Findings{Round: asked.Round, Answers: map[string]Finding{}}
	for _, q := range asked.Asked {
		f.Answers[q.Key] = answer(q)
	}
	d := Decide(*s, f)
	require.True(t, d.Questions.Empty())
	// As it is stored and read again.
	text, err := json.Marshal(d.Status)
	require.NoError(t, err)
	s.Status = v1beta1.CanaryStatus{}
	require.NoError(t, json.Unmarshal(text, &s.Status))
	if s.Status.NextCheck != nil {
		s.Now = s.Status.NextCheck.Time
	}
	return d, asked.Asked
}

func stateOf(t *testing.T, e *v1beta1.Evidence) sequential.Evidence {
	t.Helper()
	state, err := sequential.Parse(e.State)
	require.NoError(t, err)
	return state
}

func TestComparison(t *testing.T) {
	cases := map[string]struct {
		reason  string
		change  func(*Snapshot)
		traffic traffic
		phase   v1beta1.CanaryPhase
		rounds  int    // until that
		cause   string // part of what is said
		warned  string // part of a warning
	}{
		"Equal": {
			reason: "The last step is held until it is excluded that the canary is worse.", traffic: traffic{100, 10, 900, 10},
			phase: v1beta1.PhasePromoting, rounds: 4,
		},
		"FewRequests": {
			reason: "A tenth of the requests takes longer.", traffic: traffic{10, 10, 90, 10}, change: func(s *Snapshot) { s.Plan.Metrics[0].MaxHold = "10m" },
			phase: v1beta1.PhasePromoting, rounds: 10,
		},
		"Worse": {
			reason: "Five points are found long before any threshold.", traffic: traffic{100, 60, 900, 10},
			phase: v1beta1.PhaseFailed, rounds: 2, cause: "Cause: metric request-success-rate failed for good: Halt podinfo.test advancement success rate 6 % of requests failed, primary 1 %; would happen by chance once in ",
		},
		"AlwaysFails": {
			reason: "A canary that fails all of few.", traffic: traffic{4, 1000, 36, 0},
			phase: v1beta1.PhaseFailed, rounds: 2, cause: "100 % of requests failed, primary 0 %; would happen by chance once in ",
		},
		"OwnLimit": {
			reason: "Nor does a limit of its own keep it.", traffic: traffic{100, 100, 900, 10}, change: func(s *Snapshot) { s.Plan.Metrics[0].FailureLimit = ptr(9) },
			phase: v1beta1.PhaseFailed, rounds: 2, cause: "10 % of requests failed",
		},
		"OnlyWatched": {
			reason: "What is only watched decides nothing.", traffic: traffic{100, 100, 900, 10}, change: func(s *Snapshot) { s.Plan.Metrics[0].DryRun = true },
			phase: v1beta1.PhasePromoting, rounds: 2,
		},
		"HeldAndAborted": {
			reason: "No longer than maxHold: the policy decides.", traffic: traffic{1, 0, 9, 0},
			change: func(s *Snapshot) { s.Plan.OnInconclusive, s.Plan.Metrics[0].MaxHold = v1beta1.InconclusiveAbort, "30s" },
			phase:  v1beta1.PhaseFailed, rounds: 5, cause: "that it is worse by 1 % is not excluded yet, and takes ",
		},
		"HeldAndContinued": {
			reason: "And says what it lets through.", traffic: traffic{1, 0, 9, 0},
			change: func(s *Snapshot) {
				s.Plan.OnInconclusive, s.Plan.Metrics[0].MaxHold = v1beta1.InconclusiveContinue, "30s"
			},
			phase: v1beta1.PhasePromoting, rounds: 5, warned: "that it is worse by 1 % is not excluded yet",
		},
		"HeldAsLongAsTheSteps": {
			reason: "Left out, it is as long as both steps.", traffic: traffic{1, 0, 9, 0}, change: func(s *Snapshot) { s.Plan.OnInconclusive = v1beta1.InconclusiveAbort },
			phase: v1beta1.PhaseFailed, rounds: 4,
		},
		"NobodyAsks": {
			reason: "No data is a failed check, and may be repeated.", traffic: traffic{0, 0, 900, 10}, change: func(s *Snapshot) { s.Plan.Threshold = 3 },
			phase: v1beta1.PhaseFailed, rounds: 3, cause: "3 failed checks of podinfo.test, the last: nobody asks",
		},
		"AtAll": {
			reason: "At 100 the primary has no requests: the step before is the last.", traffic: traffic{100, 10, 900, 10},
			change: func(s *Snapshot) { s.Plan.Steps = []Step{{Weight: 10}, {Weight: 50}, {Weight: 100}} },
			phase:  v1beta1.PhasePromoting, rounds: 5,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, warned := comparing(func(s *Snapshot) {
				if tc.change != nil {
					tc.change(s)
				}
			}), ""
			rounds := 0
			for s.Status.Phase == v1beta1.PhaseProgressing && rounds < 40 {
				rounds++
				d, _ := round(t, &s, tc.traffic.counted)
				for _, n := range d.Notices {
					if n.Warning {
						warned += n.Message + "\n"
					}
				}
			}
			require.Equal(t, tc.phase, s.Status.Phase, "%s %s", tc.reason, message(s.Status, v1beta1.ConditionWaiting))
			require.Equal(t, tc.rounds, rounds, tc.reason)
			require.Contains(t, message(s.Status, v1beta1.ConditionPromoted), tc.cause, tc.reason)
			require.Contains(t, warned, tc.warned, tc.reason)
			require.Nil(t, s.Status.Analysis.Metric("request-success-rate").Evidence, "It goes with the analysis.")
		})
	}
}

// TestHeldForRequests has a canary with few requests pause at the last step, first for them, then for a person.
func TestHeldForRequests(t *testing.T) {
	s := comparing(func(s *Snapshot) { s.Plan.Metrics[0].MaxHold = "25s" })
	var waits []string
	for range 7 {
		round(t, &s, traffic{10, 0, 90, 0}.counted)
		waits = append(waits, s.Status.WaitingFor)
	}
	require.Equal(t, []string{"StepRunning", "MoreRequests", "MoreRequests", "MoreRequests", "MetricInconclusive", "MetricInconclusive", "MetricInconclusive"}, waits)
	e := s.Status.Analysis.Metric("request-success-rate").Evidence
	require.Equal(t, []string{"none", "53 % of what excludes that it is worse by 1 %"}, []string{e.Against, e.For})
	require.Regexp(t, `^\d+ more of the canary, \d+s at the present rate$`, e.Needed)
	require.Contains(t, message(s.Status, v1beta1.ConditionWaiting), "success rate 0 % of requests failed, primary 0 %; that it is worse by 1 % is not excluded yet, and takes "+e.Needed)
	// It goes on counting, and is promoted without anybody's help.
	for range 3 {
		round(t, &s, traffic{100, 0, 900, 0}.counted)
	}
	require.Equal(t, v1beta1.PhasePromoting, s.Status.Phase)
}

// TestWindows has the windows of all rounds begin where the ones before ended, whatever is lost in between.
func TestWindows(t *testing.T) {
	s := comparing(func(s *Snapshot) { s.Plan.Metrics[0].MaxHold = "10m" })
	busy := traffic{10, 0, 90, 0}
	var first, last time.Time
	for n := range 9 {
		before := s
		d, asked := round(t, &s, func(q Question) Finding {
			if n == 3 || n == 4 {
				return Finding{Verdict: v1beta1.Waiting, Message: "no answer"}
			}
			return busy.counted(q)
		})
		w := asked[0].Window
		if n == 0 {
			first, last = w.Begin, w.Begin
		}
		require.Equal(t, n == 0, w.First)
		require.True(t, w.Begin.Equal(last), "The window begins where the evidence ends.")
		require.Less(t, w.End, before.Now, "What may still be on its way to the system is left to the next.")
		e := s.Status.Analysis.Metric("request-success-rate").Evidence
		last = e.Until.Time
		require.Equal(t, 10*(last.Unix()-first.Unix()), stateOf(t, e).Canary, "Each request is counted once.")
		// The same decision once more, after a crash before it was stored.
		again, _ := round(t, &before, func(q Question) Finding {
			if n == 3 || n == 4 {
				return Finding{Verdict: v1beta1.Waiting, Message: "no answer"}
			}
			return busy.counted(q)
		})
		require.Equal(t, d.Status, again.Status)
	}
}

func TestEvidenceIsDropped(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(*Snapshot)
		kept   bool
	}{
		"Nothing":     {"The same rollout goes on.", func(*Snapshot) {}, true},
		"NewRevision": {"Another canary.", func(s *Snapshot) { s.Revision, s.Target.Revision = "r1-v3", "r1-v3" }, false},
		"StepBack":    {"Steps are taken again.", func(s *Snapshot) { s.Plan.Steps, s.Plan.Hash = []Step{{Weight: 20}, {Weight: 60}}, "other" }, false},
		"Reverted":    {"Nothing is rolled out any more.", func(s *Snapshot) { s.Revision, s.Target.Revision = "r1-v1", "r1-v1" }, false},
		"Margin":      {"Another promise.", func(s *Snapshot) { s.Plan.Metrics[0].Margin = ptr(0.02) }, false},
		"Query":       {"Other events.", func(s *Snapshot) { s.Plan.Metrics[0].Query = "q" }, false},
		"OneMore": {"Each has half of alpha then.", func(s *Snapshot) {
			s.Plan.Metrics = append(s.Plan.Metrics, v1beta1.CanaryMetric{Name: "x", Baseline: "primary"})
		}, false},
		"OtherClock": {"What is still to come was not counted.", func(s *Snapshot) { s.Status.Analysis.Metrics[0].Evidence.Until.Time = s.Now.Add(time.Hour) }, false},
		"Unreadable": {"What nobody can read.", func(s *Snapshot) { s.Status.Analysis.Metrics[0].Evidence.State = "v1 1" }, false},
		"OlderVersion": {"A version that knows no evidence leaves that of another revision behind.", func(s *Snapshot) {
			s.Status.Analysis.Metrics[0].Evidence.Revision = "r1-v0"
		}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := comparing()
			s.Plan.Metrics[0].MaxHold = "10m"
			round(t, &s, traffic{10, 0, 90, 0}.counted)
			require.Equal(t, 1, stateOf(t, s.Status.Analysis.Metrics[0].Evidence).Strata)
			tc.change(&s)
			s = looked(s)
			// Whatever else has to be decided first.
			for range 3 {
				if s.Status.Step == 0 || s.Status.Phase != v1beta1.PhaseProgressing {
					break
				}
				if _, asked := round(t, &s, traffic{10, 0, 90, 0}.counted); len(asked) > 0 {
					break
				}
			}
			e := s.Status.Analysis.Metric("request-success-rate")
			if tc.kept {
				require.Equal(t, 2, stateOf(t, e.Evidence).Strata, tc.reason)
				return
			}
			require.True(t, e == nil || e.Evidence == nil || stateOf(t, e.Evidence).Strata == 1, tc.reason)
		})
	}
}

// TestComparisonOfValues has single values compared once, in the last step, also where that is repeated.
func TestComparisonOfValues(t *testing.T) {
	s, looks := comparing(), 0
	s.Plan.Metrics = append(s.Plan.Metrics, v1beta1.CanaryMetric{Name: "errors", ConsecutiveSuccessLimit: 3})
	for s.Status.Phase == v1beta1.PhaseProgressing {
		round(t, &s, func(q Question) Finding {
			if q.Window == nil {
				return Finding{Verdict: v1beta1.Passed}
			}
			if q.Window.Last {
				looks++
			}
			return Finding{Verdict: v1beta1.Passed, Final: q.Window.Last}
		})
	}
	require.Equal(t, v1beta1.PhasePromoting, s.Status.Phase)
	require.Equal(t, 1, looks, "Several looks would raise more alarms than one.")
	s = comparing(func(s *Snapshot) { s.Status.Step, s.Status.CanaryWeight = 2, 50 })
	round(t, &s, func(Question) Finding { return Finding{Verdict: v1beta1.Failed, Message: "higher", Final: true} })
	require.Equal(t, v1beta1.PhaseFailed, s.Status.Phase, "It is not looked at again.")
}

// TestBoundsThatChange has a histogram lose the bounds that are compared: nothing can be added to the evidence.
func TestBoundsThatChange(t *testing.T) {
	s := comparing()
	answer := func(bounds ...float64) func(Question) Finding {
		return func(q Question) Finding {
			f := traffic{100, 10, 900, 10}.counted(q)
			f.Stratum.Bounds, f.Stratum.Before = bounds, sequential.Counts{}
			return f
		}
	}
	round(t, &s, answer(100))
	round(t, &s, answer(200))
	require.Equal(t, 1, s.Status.FailedChecks)
	require.Contains(t, s.Status.LastFailure, "cannot be compared: 100 is missing: the histogram has other bounds than its first stratum")
	require.Equal(t, 1, stateOf(t, s.Status.Analysis.Metrics[0].Evidence).Strata)
}

// largest is a status with as much evidence as there can be: eight histograms with sixteen bounds.
func largest(t testing.TB) (Snapshot, func(Question) Finding) {
	s := comparing(func(s *Snapshot) {
		s.Plan.Metrics = nil
		for i := range sequential.MaxMetrics {
			s.Plan.Metrics = append(s.Plan.Metrics, v1beta1.CanaryMetric{Name: fmt.Sprintf("m%d", i), Query: "q", Baseline: "primary"})
		}
	})
	return s, func(q Question) Finding {
		f := traffic{1, 0, 1, 0}.counted(q)
		seconds := f.Stratum.End - f.Stratum.Begin
		f.Stratum.Before = sequential.Counts{}
		for _, c := range []*sequential.Counts{&f.Stratum.Canary, &f.Stratum.Primary} {
			c.Events, c.Bad = 1_234_567*seconds, nil
			for b := range sequential.MaxBounds {
				c.Bad = append(c.Bad, c.Events/int64(b+2))
			}
		}
		for b := range sequential.MaxBounds {
			f.Stratum.Bounds = append(f.Stratum.Bounds, 1000.5*float64(b+1))
		}
		f.Measurement.Message, f.Measurement.Query = strings.Repeat("m", 1000), strings.Repeat("q", 2000)
		return f
	}
}

// TestEvidenceIsNeverCut has it kept whole in a status that is cut, and within its own bound.
func TestEvidenceIsNeverCut(t *testing.T) {
	s, answer := largest(t)
	for range 20 {
		round(t, &s, answer)
		s.Status.Phase, s.Status.Step, s.Status.CanaryWeight = v1beta1.PhaseProgressing, 1, 10
	}
	evidence := 0
	for _, m := range s.Status.Analysis.Metrics {
		require.NotNil(t, m.Evidence)
		require.Len(t, stateOf(t, m.Evidence).Sums, sequential.MaxBounds)
		text, err := json.Marshal(m.Evidence.State)
		require.NoError(t, err)
		evidence += len(text)
	}
	t.Logf("%d bytes of evidence, %d of all", evidence, sizeOf(s.Status))
	require.LessOrEqual(t, evidence, 24<<10)
	require.LessOrEqual(t, sizeOf(s.Status), mostStatus)
}

// BenchmarkComparison is the whole cost of a check of one share: to read what is stored, to add, to judge, to say it and to
// write it down. At most 50 µs are wanted.
func BenchmarkComparison(b *testing.B) {
	s := comparing()
	s.Plan.Steps = append(s.Plan.Steps, Step{Weight: 60})
	var e sequential.Evidence
	p := Promise(s.Plan.Metrics[0], s.Plan.Metrics)
	for n := range int64(70) {
		begin := noon.Unix() - 710 + 10*n
		one := sequential.Stratum{Begin: begin, End: begin + 10, Canary: sequential.Counts{Events: 1000, Bad: []int64{10}}, Primary: sequential.Counts{Events: 9000, Bad: []int64{90}}}
		if err := e.Add(one, p); err != nil {
			b.Fatal(err)
		}
	}
	s.Status.Analysis.Metrics = []v1beta1.MetricStatus{{Name: "request-success-rate", Evidence: &v1beta1.Evidence{
		Revision: "r1-v2", Parameters: parametersOf(s.Plan.Metrics[0], p), State: e.Text(),
	}}}
	s.Status.Analysis.Metrics[0].Evidence.Until.Time = time.Unix(e.Until, 0)
	q := Decide(s, Findings{}).Questions.Asked[0]
	f := answered{Question: q, Finding: traffic{100, 10, 900, 10}.counted(q)}
	t := newTransition(s)
	b.ReportAllocs()
	for b.Loop() {
		one := f
		judgeComparison(t, &one)
		if one.Verdict != v1beta1.Passed {
			b.Fatal(one.Message)
		}
	}
}

func TestWordsOfNumbers(t *testing.T) {
	for of, want := range map[float64]string{0: "0 %", 1: "100 %", 0.016: "1.6 %", 0.25: "25 %", 0.00512: "0.51 %", 0.000012: "0.0012 %", 0.1234: "12.3 %"} {
		require.Equal(t, want, portion(of))
	}
	for log, want := range map[float64]string{0.5: "1 or 2 rollouts", 1.2: "3 rollouts", 10.6: "40 000 rollouts", 7: "1000 rollouts", 500: "1 000 000 000 rollouts or more"} {
		require.Equal(t, want, rollouts(log))
	}
}

// The page shows what is told of comparisons.
func TestComparisonWordsOfThePage(t *testing.T) {
	page, err := os.ReadFile("../../docs/concepts/verdicts.md")
	require.NoError(t, err)
	p := sequential.Parameters{Margin: 0.01}
	minute := sequential.Stratum{End: 60, Canary: sequential.Counts{Events: 200}}
	success := &Stratum{Stratum: minute, Title: "success rate", Bad: "requests failed"}
	duration := &Stratum{Title: "request duration", Bad: "requests slower than %s", Unit: "ms"}
	failed := func(s *Stratum, e sequential.Evidence, once float64) string {
		r := sequential.Result{Canary: 0.016, Primary: 0.006, Against: math.Log(once), Needed: 1}
		return s.Title + " " + wordsOf(s, e, r, p).failed
	}
	held := sequential.Result{Canary: 0.009, Primary: 0.01, For: 1, Needed: 2}
	// 61 of 100 are reached by 1407 requests, so that 900 more are needed.
	running := wordsOf(&Stratum{Stratum: sequential.Stratum{End: 20, Canary: minute.Canary}}, sequential.Evidence{Canary: 1407},
		sequential.Result{Against: math.Log(3.5), For: 61, Needed: 100}, p)
	for what, text := range map[string]string{
		"a canary that failed": failed(success, sequential.Evidence{}, 40_500) + "\n" + failed(duration, sequential.Evidence{Bounds: []float64{500}}, 2150),
		"one that is held":     "success rate " + wordsOf(success, sequential.Evidence{Canary: 1200}, held, p).unclear,
		"the status":           "Evidence:\n  Against:  " + running.against + "\n  For:      " + running.inFavour + "\n  Needed:   " + running.needed,
	} {
		require.Contains(t, string(page), "```\n"+text+"\n```\n", what)
	}
}
