package rollout

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

var noonOfRun = metav1.NewTime(time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC))

// restsWith is a status at rest whose last run is not recorded yet.
func restsWith(number int64) v1beta1.CanaryStatus {
	return v1beta1.CanaryStatus{
		Phase: v1beta1.PhaseSucceeded, LastAppliedSpec: "r1-b", LastPromotedSpec: "r1-b", LastTransitionTime: noonOfRun,
		Run: &v1beta1.Run{Number: number, Revision: "r1-b", Started: noonOfRun, Finished: &noonOfRun, Outcome: v1beta1.RunPromoted, Recorded: new(false)},
	}
}

func TestRecordDue(t *testing.T) {
	s := restsWith(7)
	require.Equal(t, s.Run, RecordDue(s))
	s.Superseded = &v1beta1.Run{Number: 6}
	require.Equal(t, s.Superseded, RecordDue(s), "the older one first")
	s = restsWith(7)
	s.Run.Recorded = nil
	require.Nil(t, RecordDue(s), "an older version has ended it")
	s.Run.Recorded = new(true)
	require.Nil(t, RecordDue(s), "it is there")
	s = restsWith(7)
	s.Run.Finished = nil
	require.Nil(t, RecordDue(s), "it goes on")
	s = restsWith(7)
	s.Phase = v1beta1.PhaseTerminating
	require.Nil(t, RecordDue(s), "it would go with its Canary")
}

// settledFacts are those of a Canary at rest.
func settledFacts(s v1beta1.CanaryStatus) Snapshot {
	plan, err := Compile(v1beta1.CanarySpec{TargetRef: v1beta1.TargetRef{Kind: "Deployment", Name: "podinfo"}, Analysis: &v1beta1.CanaryAnalysis{StepWeights: []int{50}}}, Weighted)
	if err != nil {
		panic(err)
	}
	return Snapshot{
		Now: noonOfRun.Add(time.Minute), Plan: plan, Status: s, Revision: "r1-b", Routed: true,
		Target: Workload{Revision: "r1-b", Health: Stopped}, Primary: Workload{Revision: "r1-b", Health: Available, Replicas: 2, Available: 2},
	}
}

// TestRecordIsNoted notes a record that was made, and tells once of one that is not.
func TestRecordIsNoted(t *testing.T) {
	facts := settledFacts(restsWith(7))
	facts.Status = Decide(facts, Findings{}).Status // what is noted at first sight
	require.False(t, *facts.Status.Run.Recorded, "nobody has made it")

	facts.NotRecorded = "create CanaryRun podinfo-7-abcde: exceeded quota"
	d := Decide(facts, Findings{})
	require.Len(t, d.Notices, 1)
	require.Equal(t, Notice{Warning: true, Reason: ReasonRunNotRecorded, Message: facts.NotRecorded}, d.Notices[0])
	require.Equal(t, string(ReasonRunNotRecorded), d.Status.Unreconciled)
	facts.Status = d.Status
	require.Empty(t, Decide(facts, Findings{}).Notices, "it is told once")
	next := facts
	next.NotRecorded, next.Status.Run = "", &v1beta1.Run{Number: 7, Revision: "r1-b", Finished: &noonOfRun}
	require.Equal(t, string(ReasonRunNotRecorded), Decide(next, Findings{}).Status.Unreconciled, "until one is made")
	next.Plan.Records = 0
	require.Empty(t, Decide(next, Findings{}).Status.Unreconciled, "or none is wanted")

	facts.NotRecorded, facts.Recorded = "", true
	d = Decide(facts, Findings{})
	require.Empty(t, d.Notices)
	require.True(t, *d.Status.Run.Recorded)
	require.Empty(t, d.Status.Unreconciled)
	require.Equal(t, facts.Status.LastTransitionTime, d.Status.LastTransitionTime, "nothing has moved")
}

// TestRecordIsSmall cuts what is missed least until a record fits.
func TestRecordIsSmall(t *testing.T) {
	s := restsWith(7)
	s.Analysis = &v1beta1.AnalysisStatus{}
	for range 100 {
		m := v1beta1.MetricStatus{Name: "errors"}
		for range 10 {
			m.Measurements = append(m.Measurements, v1beta1.Measurement{Value: "1", Query: strings.Repeat("q", 2000), Message: strings.Repeat("m", 1000)})
		}
		s.Analysis.Metrics = append(s.Analysis.Metrics, m)
	}
	for range mostTrack {
		s.Run.Track = append(s.Run.Track, v1beta1.TrackPoint{T: 1 << 30, Weight: 100, Step: 1 << 20})
	}
	r := RecordOf(settledFacts(s).Plan, s, *s.Run)
	require.LessOrEqual(t, sizeOfRecord(r), mostRecord)
	require.Len(t, r.Metrics, mostRunMetrics, "the last verdict of each is left")
	require.Len(t, r.Metrics[0].Measurements, 1)
	require.Nil(t, r.Run.Recorded)
	require.Len(t, s.Analysis.Metrics[0].Measurements[0].Query, 2000, "the status stays as it is")
}
