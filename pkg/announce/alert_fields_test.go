package announce

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/notify"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

func TestFields(t *testing.T) {
	c := &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Name: "podinfo", Namespace: "test"}}
	c.Spec.TargetRef.Kind, c.Spec.TargetRef.Name = "Deployment", "podinfo"
	c.Spec.Analysis = &v1beta1.CanaryAnalysis{StepWeight: 10, MaxWeight: 50}
	plan := rollout.Plan{Routing: "Weight step: 10 max: 50", Threshold: 5, Deadline: time.Minute, Steps: []rollout.Step{{Weight: 10}, {Weight: 50}}}
	detailed := []notify.Field{
		{Name: "Target", Value: "Deployment/podinfo.test"},
		{Name: "Failed checks threshold", Value: "5"},
		{Name: "Progress deadline", Value: "60s"},
		{Name: "Traffic routing", Value: "Weight step: 10 max: 50"},
	}
	cases := map[string]struct {
		reason    string
		announcer *Announcer
		alert     rollout.Alert
		want      []notify.Field
	}{
		"Detailed": {
			reason:    "The plan's figures are worded as readers of these messages know them.",
			announcer: &Announcer{},
			alert:     rollout.Alert{Detailed: true},
			want:      detailed,
		},
		"Plain": {
			reason:    "An alert that is not about the plan carries none of it.",
			announcer: &Announcer{},
			alert:     rollout.Alert{},
		},
		"Cluster": {
			reason:    "One channel may hear of several clusters, so the name comes first.",
			announcer: &Announcer{Cluster: "tokyo"},
			alert:     rollout.Alert{Detailed: true},
			want:      append([]notify.Field{{Name: "Cluster", Value: "tokyo"}}, detailed...),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, tc.announcer.fields(c, plan, tc.alert), tc.reason)
		})
	}
}
