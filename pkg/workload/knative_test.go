package workload_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

func knativeService(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	require.NoError(t, yaml.Unmarshal([]byte(text), &u.Object))
	u.SetGroupVersionKind(workload.KnativeService())
	u.SetNamespace("test")
	u.SetName("podinfo")
	return u
}

func TestKnativeSides(t *testing.T) {
	up := func(name string) rollout.Workload {
		return rollout.Workload{Revision: "r1-" + name, Health: rollout.Available, Replicas: 1, Available: 1}
	}
	cases := map[string]struct {
		reason, text     string
		target, promoted rollout.Workload
	}{
		"New": {
			reason: "Knative has not looked yet", text: `{}`,
			target: rollout.Workload{Health: rollout.Starting, Replicas: 1},
		},
		"First": {
			reason: "what is noted before it is ready is not ready",
			text:   `{metadata: {annotations: {flagger.app/primary-revision: a}}, status: {latestCreatedRevisionName: a}}`,
			target: rollout.Workload{Revision: "r1-a", Health: rollout.Starting, Replicas: 1}, promoted: rollout.Workload{Revision: "r1-a", Health: rollout.Starting, Replicas: 1},
		},
		"Next": {
			reason: "what was ready serves meanwhile",
			text:   `{metadata: {annotations: {flagger.app/primary-revision: a}}, status: {latestCreatedRevisionName: b, latestReadyRevisionName: a}}`,
			target: rollout.Workload{Revision: "r1-b", Health: rollout.Starting, Replicas: 1, Available: 1}, promoted: up("a"),
		},
		"GivenUp": {
			reason: "Knative says why",
			text: `{metadata: {annotations: {flagger.app/primary-revision: a}}, status: {latestCreatedRevisionName: b, latestReadyRevisionName: a,
				conditions: [{type: ConfigurationsReady, status: "False", reason: RevisionFailed, message: exits}]}}`,
			target: rollout.Workload{Revision: "r1-b", Health: rollout.Stuck, Reason: "RevisionFailed: exits", Replicas: 1, Available: 1}, promoted: up("a"),
		},
		"Ready": {
			reason: "both sides serve",
			text:   `{metadata: {annotations: {flagger.app/primary-revision: a}}, status: {latestCreatedRevisionName: b, latestReadyRevisionName: b}}`,
			target: up("b"), promoted: up("a"),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			u := knativeService(t, tc.text)
			require.Equal(t, tc.target, workload.Knative{}.Observe(u, nil, 100, time.Time{}), tc.reason)
			require.Equal(t, tc.promoted, workload.Knative{}.Promoted(u), tc.reason)
			require.Equal(t, tc.target.Revision, workload.Knative{}.Revision(u))
		})
	}
}

func TestKnativeNames(t *testing.T) {
	require.Equal(t, "podinfo-00002", workload.Knative{}.RevisionName(rollout.RevisionPrefix+"podinfo-00002"))
	require.Empty(t, workload.Knative{}.RevisionName("5f8d6c7b9"), "another controller's hash names nothing")
}

func TestKnativeSetsOneAnnotation(t *testing.T) {
	u := knativeService(t, `{spec: {traffic: []}}`)
	mark, err := workload.Knative{}.Primary(u, &v1beta1.Canary{}, workload.PrimaryOptions{Revision: "r1-b"})
	require.NoError(t, err)
	for want, o := range map[string]any{`"b"`: mark, `null`: workload.Knative{}.ClearPromotion(u)} {
		raw, err := json.Marshal(o)
		require.NoError(t, err)
		require.JSONEq(t, `{"apiVersion":"serving.knative.dev/v1","kind":"Service","metadata":{"name":"podinfo","namespace":"test",
			"annotations":{"flagger.app/primary-revision":`+want+`}}}`, string(raw))
	}
}

func TestKnativeIsAKind(t *testing.T) {
	k, err := workload.Kinds{}.Of(v1beta1.TargetRef{APIVersion: "serving.knative.dev/v1", Kind: "Service", Name: "podinfo"})
	require.NoError(t, err)
	require.Implements(t, (*workload.SelfVersioned)(nil), k)
	require.Equal(t, int32(1), workload.SummaryOf(k.New()).Size, "it is never started or stopped")
	_, err = workload.Kinds{}.Of(v1beta1.TargetRef{APIVersion: "v1", Kind: "Service", Name: "podinfo"})
	require.ErrorContains(t, err, "has no pods")
}
