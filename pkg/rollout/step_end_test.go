package rollout

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// timed is a rollout whose first step was taken at noon, with an interval of a minute, and that ends as until says.
func timed(until Until, change ...func(*Snapshot)) Snapshot {
	s := snap(append([]func(*Snapshot){func(s *Snapshot) {
		s.Plan.Interval, s.Plan.Steps[0].Until = time.Minute, until
		s.Status.NextCheck = micro(noon.Add(time.Minute))
		s.Status.StepStarted = &v1beta1.StepStart{Revision: "r1-v2", Step: 1, Time: *micro(noon)}
	}}, change...)...)
	s.Status = decide(s, nil).Status
	return s
}

func judgedAs(v v1beta1.Verdict) []told { return []told{{"request-success-rate", v, "it says so"}} }

// asStored is a status as it comes back from the API server.
func asStored(t *testing.T, s v1beta1.CanaryStatus) (back v1beta1.CanaryStatus) {
	t.Helper()
	text, err := json.Marshal(s)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &back))
	return back
}

// TestRoundAtTheEnd has a step, or its pause, end with a round that is made at its end.
func TestRoundAtTheEnd(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	lasts := func(d time.Duration) Until { return Until{Duration: d} }
	pauses := func(d time.Duration) Until { return Until{Pauses: []Pause{{Wait: WaitStepPaused, After: d}}} }
	for name, tc := range map[string]struct {
		reason string
		until  Until
		late   time.Duration // each round
		fails  []int         // rounds that do
		rounds []time.Duration
	}{
		"BetweenTwo":     {"the second is brought forward", lasts(90 * s), 0, nil, []time.Duration{60 * s, 90 * s}},
		"AtARound":       {"nothing is to be brought forward", lasts(120 * s), 0, nil, []time.Duration{60 * s, 120 * s}},
		"RoundsDrift":    {"the end does not", lasts(120 * s), 300 * ms, nil, []time.Duration{60*s + 300*ms, 120*s + 300*ms}},
		"JustBefore":     {"there is one round then, not two", lasts(119900 * ms), 0, nil, []time.Duration{60 * s, 119900 * ms}},
		"JustAfter":      {"the next is a tenth of an interval later", lasts(60050 * ms), 0, nil, []time.Duration{60 * s, 66 * s}},
		"EndsMeanwhile":  {"a round that was due before the end does not end it", lasts(62 * s), 5 * s, nil, []time.Duration{65 * s, 76 * s}},
		"Short":          {"a step is judged after an interval", lasts(30 * s), 0, nil, []time.Duration{60 * s}},
		"Failed":         {"what failed has a whole interval", lasts(90 * s), 0, []int{0}, []time.Duration{60 * s, 120 * s}},
		"FailedAtTheEnd": {"from then on it is as ever", lasts(90 * s), 0, []int{1}, []time.Duration{60 * s, 90 * s, 150 * s}},
		"Pause":          {"it ends at its time", pauses(20 * s), 0, nil, []time.Duration{60 * s, 80 * s}},
		"ShortPause":     {"not at once after the round before", pauses(s), 0, nil, []time.Duration{60 * s, 66 * s}},
		"LongPause":      {"and is judged meanwhile", pauses(130 * s), 0, nil, []time.Duration{60 * s, 120 * s, 180 * s, 190 * s}},
		"PauseFailed":    {"as of a step", pauses(90 * s), 0, []int{1}, []time.Duration{60 * s, 120 * s, 180 * s}},
		"PauseOfAStep": {"it begins at the end of the step", Until{Duration: 70 * s, Pauses: []Pause{{Wait: WaitStepPaused, After: 15 * s}}}, 0, nil,
			[]time.Duration{60 * s, 70 * s, 85 * s}},
	} {
		t.Run(name, func(t *testing.T) {
			var rounds []time.Duration
			s := timed(tc.until)
			for s.Status.Step == 1 && len(rounds) < 9 {
				s.Now = s.Status.NextCheck.Add(tc.late)
				found := judgedAs(v1beta1.Passed)
				for _, n := range tc.fails {
					if n == len(rounds) {
						found = judgedAs(v1beta1.Failed)
					}
				}
				d := decide(s, found)
				require.True(t, d.Status.Step > 1 || d.After == d.Status.NextCheck.Sub(s.Now), "it is looked at again then")
				rounds = append(rounds, s.Now.Sub(noon))
				s.Status = asStored(t, d.Status)
				require.Equal(t, s.Status, asStored(t, decide(s, nil).Status), "once")
			}
			require.Equal(t, tc.rounds, rounds, tc.reason)
		})
	}
}

// TestStepUntil has the status name the earliest end, and none that a person has to make.
func TestStepUntil(t *testing.T) {
	const s = time.Second
	pause := func(p Pause) Until { return Until{Pauses: []Pause{p}} }
	gate := func(s *Snapshot) {
		s.Plan.Hooks = []v1beta1.CanaryWebhook{{Name: "go", Type: v1beta1.ConfirmTrafficIncreaseHook}}
	}
	held := func(s *Snapshot) { s.Status.Held = &v1beta1.Hold{Since: *micro(noon)} }
	for name, tc := range map[string]struct {
		reason string
		given  Snapshot
		found  []told
		waits  Wait
		until  time.Duration // zero: none
	}{
		"Lasts":     {"it ends at its time", timed(Until{Duration: 90 * s}), judgedAs(v1beta1.Passed), WaitInterval, 90 * s},
		"Failed":    {"it ends with the next round", timed(Until{Duration: 90 * s}), judgedAs(v1beta1.Failed), WaitRetry, 120 * s},
		"Short":     {"likewise", timed(Until{Duration: 30 * s}), judgedAs(v1beta1.Failed), WaitRetry, 120 * s},
		"Gate":      {"somebody has to agree", timed(Until{Duration: 60 * s}, gate), append(judgedAs(v1beta1.Passed), told{"go", v1beta1.Failed, "closed"}), WaitTrafficIncreaseApproval, 0},
		"Held":      {"somebody has to let go", timed(Until{Duration: 60 * s}, held), judgedAs(v1beta1.Passed), WaitHeld, 0},
		"Pause":     {"it ends at its time", timed(pause(Pause{Wait: WaitStepPaused, After: 150 * s})), judgedAs(v1beta1.Passed), WaitStepPaused, 210 * s},
		"ByAPerson": {"it has no time", timed(pause(Pause{Wait: WaitStepPaused})), judgedAs(v1beta1.Passed), WaitStepPaused, 0},
		"HeldPause": {"it does not end by its time", timed(pause(Pause{Wait: WaitStepPaused, After: 150 * s}), held), judgedAs(v1beta1.Passed), WaitHeld, 0},
		"HeldAbort": {"it is rolled back all the same", timed(pause(Pause{Wait: WaitStepPaused, After: 150 * s, Abort: true}), held), judgedAs(v1beta1.Passed), WaitHeld, 210 * s},
	} {
		t.Run(name, func(t *testing.T) {
			tc.given.Now = noon.Add(time.Minute)
			d := decide(tc.given, tc.found)
			require.Equal(t, string(tc.waits), d.Status.WaitingFor)
			if tc.until == 0 {
				require.Nil(t, d.Status.StepUntil, tc.reason)
				return
			}
			require.NotNil(t, d.Status.StepUntil, tc.reason)
			require.Equal(t, noon.Add(tc.until), d.Status.StepUntil.Time, tc.reason)
		})
	}
}

// TestStepUntilIsStoredOnce has a step that began at some microsecond be at rest between two rounds.
func TestStepUntilIsStoredOnce(t *testing.T) {
	s := timed(Until{Duration: 90 * time.Second}, func(s *Snapshot) {
		s.Status.StepStarted.Time = *micro(noon.Add(123456 * time.Microsecond))
		s.Now = noon.Add(time.Second)
	})
	s.Status = asStored(t, s.Status)
	require.Equal(t, s.Status, decide(s, nil).Status)
}

// TestSuspendedPauseThatAborts has no clock tell of a pause whose end passes while nothing is judged.
func TestSuspendedPauseThatAborts(t *testing.T) {
	s := timed(Until{Pauses: []Pause{{Wait: WaitStepPaused, After: 30 * time.Second, Abort: true}}})
	s.Now = noon.Add(time.Minute)
	s.Status, s.Paused = decide(s, judgedAs(v1beta1.Passed)).Status, true
	s.Now = noon.Add(time.Hour)
	d := decide(s, nil)
	require.Equal(t, v1beta1.PhaseProgressing, d.Status.Phase)
	require.Zero(t, d.After, "taking it back is an event")
	require.Nil(t, d.Status.StepUntil)
}

// TestPodsThatAreBackEndNoStep has a round that is made because pods are there again be of that moment.
func TestPodsThatAreBackEndNoStep(t *testing.T) {
	s := timed(Until{Duration: 90 * time.Second})
	s.Now, s.Target.Health, s.Target.Available, s.Target.Since = noon.Add(time.Minute), Starting, 1, noon.Add(50*time.Second)
	s.Status = decide(s, judgedAs(v1beta1.Passed)).Status
	require.Equal(t, string(WaitCanary), s.Status.WaitingFor)
	s.Now, s.Target.Health, s.Target.Available = noon.Add(70*time.Second), Available, 2
	s.Status = decide(s, judgedAs(v1beta1.Passed)).Status
	require.Equal(t, 1, s.Status.Step, "it lasts for twenty seconds more")
	require.Equal(t, noon.Add(90*time.Second), s.Status.NextCheck.Time)
	s.Now = noon.Add(90 * time.Second)
	require.Equal(t, 2, decide(s, judgedAs(v1beta1.Passed)).Status.Step)
}

// TestIntervalBeforeAnEnd has another interval count from the last round, and the end stay where it is.
func TestIntervalBeforeAnEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		reason        string
		lasts         time.Duration
		interval, due time.Duration
	}{
		"Shorter":  {"a round is due before the end", 90 * time.Second, 20 * time.Second, 80 * time.Second},
		"Longer":   {"the end comes first", 90 * time.Second, 10 * time.Minute, 90 * time.Second},
		"FarAhead": {"the end comes first by now", 150 * time.Second, 2 * time.Minute, 150 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s := timed(Until{Duration: tc.lasts})
			s.Now = noon.Add(time.Minute)
			s.Status = asStored(t, decide(s, judgedAs(v1beta1.Passed)).Status)
			s.Now, s.Plan.Interval = noon.Add(61*time.Second), tc.interval
			s.Status = asStored(t, decide(s, nil).Status)
			require.Equal(t, noon.Add(tc.due), s.Status.NextCheck.UTC(), tc.reason)
			require.Equal(t, s.Status, asStored(t, decide(s, nil).Status), "once")
		})
	}
}
