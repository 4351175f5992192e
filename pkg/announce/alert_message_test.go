package announce

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/notify"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// judged is an analysis of which each metric's last measurement is given.
func judged(last ...v1beta1.Measurement) *v1beta1.AnalysisStatus {
	a := &v1beta1.AnalysisStatus{}
	for i, m := range last {
		a.Metrics = append(a.Metrics, v1beta1.MetricStatus{
			Name: []string{"success", "latency", "errors"}[i], Measurements: []v1beta1.Measurement{m, {Verdict: v1beta1.Failed, Value: "old"}},
		})
	}
	return a
}

func TestMessagesSayWhatIsNeeded(t *testing.T) {
	plan := rollout.Plan{Steps: []rollout.Step{{Weight: 10}, {Weight: 50}}}
	warning := rollout.Alert{Severity: v1beta1.SeverityWarn, Text: "Canary is waiting for approval."}
	failure := rollout.Alert{Severity: v1beta1.SeverityError, Text: "Failed checks threshold reached 2"}
	images := []notify.Image{{Container: "app", Old: "podinfo:1", New: "podinfo:2"}, {Container: "log", New: "l:1"}, {Container: "old", Old: "o:1"}}
	at := func(phase v1beta1.CanaryPhase, weight, step int) v1beta1.CanaryStatus {
		s := stands(phase, "r1-b", 1)
		s.CanaryWeight, s.Step = weight, step
		s.Conditions = append(s.Conditions, metav1.Condition{Type: v1beta1.ConditionWaiting, Message: "gate ops says: not today."})
		return s
	}
	bad := at(v1beta1.PhaseFailed, 0, 0)
	bad.Cause = "2 failed checks"
	bad.Analysis = judged(v1beta1.Measurement{Verdict: v1beta1.Failed, Value: "97.5", Limit: ">= 99"}, v1beta1.Measurement{Verdict: v1beta1.Passed},
		v1beta1.Measurement{Verdict: v1beta1.Failed})
	lines := notify.Field{Name: "Images", Value: "app: podinfo:1 → podinfo:2\nlog: l:1\nold: o:1 → none"}
	revision := notify.Field{Name: "Revision", Value: "r1-b"}
	cases := map[string]struct {
		reason        string
		before, after v1beta1.CanaryStatus
		alert         rollout.Alert
		is            rolloutRecord
		want          []notify.Field
		metric        *notify.Metric
		final         bool
	}{
		"Failure": {
			reason: "What failed, with value and limit, where it stood, and why.",
			before: at(v1beta1.PhaseProgressing, 50, 2), after: bad, alert: failure, is: rolloutRecord{revision: "r1-b", images: images, outcome: failed},
			want: []notify.Field{
				lines, revision, {Name: "Weight", Value: "50% → 0%"}, {Name: "Step", Value: "2 of 2"},
				{Name: "Failed metrics", Value: "success: 97.5, accepted >= 99\nerrors: no value"}, {Name: "Reason", Value: "2 failed checks"},
			},
			metric: &notify.Metric{Name: "success", Value: "97.5", Limit: ">= 99"}, final: true,
		},
		"Gate": {
			reason: "What it waits for is in the gate's own words.",
			before: at(v1beta1.PhaseProgressing, 10, 1), after: at(v1beta1.PhaseProgressing, 10, 1), alert: warning, is: rolloutRecord{revision: "r1-b"},
			want: []notify.Field{revision, {Name: "Weight", Value: "10%"}, {Name: "Step", Value: "1 of 2"}, {Name: "Reason", Value: "gate ops says: not today"}},
		},
		"Begins": {
			reason: "Good news gives no reason, and the step of the revision before is not this one's.",
			before: stands(v1beta1.PhaseSucceeded, "r1-a", 0), after: at(v1beta1.PhaseProgressing, 0, 0), alert: rollout.Alert{Severity: v1beta1.SeverityInfo},
			is:   rolloutRecord{revision: "r1-b", images: images[:1]},
			want: []notify.Field{{Name: "Images", Value: "app: podinfo:1 → podinfo:2"}, revision, {Name: "Weight", Value: "0%"}},
		},
		"Changed": {
			reason: "A plan that has become shorter has no step beyond its end.",
			before: at(v1beta1.PhaseProgressing, 50, 9), after: at(v1beta1.PhasePromoting, 50, 9), alert: rollout.Alert{Severity: v1beta1.SeverityInfo}, is: rolloutRecord{},
			want: []notify.Field{{Name: "Weight", Value: "50%"}, {Name: "Step", Value: "2 of 2"}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			n := newsOf(tc.before, tc.after)
			n.Plan = plan
			h := &Announcer{}
			m := h.message(n, tc.is, tc.alert)
			require.Equal(t, tc.want, m.Fields, tc.reason)
			require.Equal(t, tc.metric, m.Metric, tc.reason)
			require.Equal(t, tc.final, m.Final, tc.reason)
			require.Equal(t, tc.alert.Text, m.Text)
			require.Equal(t, "Deployment/podinfo", m.Target)
			require.Equal(t, tc.after.CanaryWeight, m.Weight)
			require.Equal(t, string(tc.after.Phase), m.Phase)
			if tc.is.revision != "" {
				require.Equal(t, "u1/r1-b", m.Rollout, "One rollout is one thread.")
			} else {
				require.Empty(t, m.Rollout)
			}
		})
	}
}

func TestTheContractsFieldsComeFirst(t *testing.T) {
	h := &Announcer{Cluster: "tokyo"}
	n := newsOf(stands(v1beta1.PhaseSucceeded, "r1-a", 0), stands(v1beta1.PhaseProgressing, "r1-b", 1))
	n.Canary.Spec.Analysis = &v1beta1.CanaryAnalysis{StepWeight: 10}
	var names []string
	for _, f := range h.message(n, rolloutRecord{revision: "r1-b"}, rollout.Alert{Detailed: true}).Fields {
		names = append(names, f.Name)
	}
	require.Equal(t, []string{"Cluster", "Target", "Failed checks threshold", "Progress deadline", "Traffic routing", "Revision", "Weight"}, names)
}
