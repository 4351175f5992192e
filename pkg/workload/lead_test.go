package workload_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/workload"
)

// scalerOf reads an autoscaler from what matters of it.
func scalerOf(t *testing.T, text string) workload.Object {
	t.Helper()
	u := &unstructured.Unstructured{Object: map[string]any{}}
	require.NoError(t, yaml.Unmarshal([]byte(text), &u.Object))
	u.SetName("podinfo")
	u.SetResourceVersion("7")
	if u.GetKind() == "ScaledObject" {
		for _, field := range []string{"minReplicaCount", "maxReplicaCount", "idleReplicaCount"} { // as a server's JSON has them
			if n, ok, _ := unstructured.NestedFloat64(u.Object, "spec", field); ok {
				require.NoError(t, unstructured.SetNestedField(u.Object, int64(n), "spec", field))
			}
		}
		return u
	}
	h := &autoscalingv2.HorizontalPodAutoscaler{}
	require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, h))
	return h
}

// change is what is written of metadata.annotations and spec, as JSON; empty: nothing is.
func change(t *testing.T, made runtime.ApplyConfiguration) string {
	t.Helper()
	if made == nil {
		return ""
	}
	p, ok := made.(workload.Patch)
	require.True(t, ok)
	_, bounds := p.Object["spec"]
	require.Equal(t, bounds, p.GetResourceVersion() == "7", "what the bounds were is noted of one version")
	annotations, _, err := unstructured.NestedFieldNoCopy(p.Object, "metadata", "annotations")
	require.NoError(t, err)
	text, err := yaml.Marshal([]any{annotations, p.Object["spec"]})
	require.NoError(t, err)
	text, err = yaml.YAMLToJSON(text)
	require.NoError(t, err)
	return string(text)
}

const ledOne = `metadata: {annotations: {sluice.dev/led: '{"canary":"podinfo","minimum":3,"was":1}'}}`

func TestLeadScaler(t *testing.T) {
	cases := map[string]struct {
		reason, scaler string
		minimum        int32
		led, rested    string // what is written
		most           int32
	}{
		"Enough": {
			reason: "Its own minimum will do.", scaler: "{spec: {minReplicas: 3, maxReplicas: 4}}", minimum: 3, most: 4,
		},
		"Raised": {
			reason: "What it was is noted by the same write.", scaler: "{spec: {minReplicas: 1, maxReplicas: 4}}", minimum: 3, most: 4,
			led: `[{"sluice.dev/led":"{\"canary\":\"podinfo\",\"minimum\":3,\"was\":1}"},{"minReplicas":3}]`,
		},
		"Maximum": {
			reason: "The maximum is the user's.", scaler: "{spec: {minReplicas: 1, maxReplicas: 2}}", minimum: 8, most: 2,
			led: `[{"sluice.dev/led":"{\"canary\":\"podinfo\",\"minimum\":2,\"was\":1}"},{"minReplicas":2}]`,
		},
		"Further": {
			reason: "What it was stays what it was before the first time.", scaler: ledOne + "\nspec: {minReplicas: 3, maxReplicas: 4}", minimum: 4, most: 4,
			led:    `[{"sluice.dev/led":"{\"canary\":\"podinfo\",\"minimum\":4,\"was\":1}"},{"minReplicas":4}]`,
			rested: `[{"sluice.dev/led":null},{"minReplicas":1}]`,
		},
		"Lower": {
			reason: "Requests may still be on their way to those pods.", scaler: ledOne + "\nspec: {minReplicas: 3, maxReplicas: 4}", minimum: 1, most: 4,
			rested: `[{"sluice.dev/led":null},{"minReplicas":1}]`,
		},
		"Taken": {
			reason: "Somebody has put it back: nobody would win.", scaler: ledOne + "\nspec: {minReplicas: 1, maxReplicas: 4}", minimum: 4, most: 2,
			rested: `[{"sluice.dev/led":null},null]`,
		},
		"TakenForMore": {
			reason: "Theirs stays, and is enough.", scaler: ledOne + "\nspec: {minReplicas: 4, maxReplicas: 6}", minimum: 4, most: 6,
			rested: `[{"sluice.dev/led":null},null]`,
		},
		"KEDA": {
			reason: "One without a minimum has none again.", scaler: "{kind: ScaledObject, spec: {maxReplicaCount: 5}}", minimum: 2, most: 5,
			led:    `[{"sluice.dev/led":"{\"canary\":\"podinfo\",\"minimum\":2,\"was\":null}"},{"minReplicaCount":2}]`,
			rested: `[{"autoscaling.keda.sh/paused-replicas":"0"},null]`,
		},
		"KEDAResumed": {
			reason: "One write for both.", scaler: `{kind: ScaledObject, metadata: {annotations: {autoscaling.keda.sh/paused-replicas: "0"}}, spec: {minReplicaCount: 1}}`, minimum: 2, most: 100,
			led: `[{"autoscaling.keda.sh/paused-replicas":null,"sluice.dev/led":"{\"canary\":\"podinfo\",\"minimum\":2,\"was\":1}"},{"minReplicaCount":2}]`,
		},
		"KEDAIdle": {
			reason: "To KEDA an idle size counts more than its minimum.", scaler: "{kind: ScaledObject, spec: {minReplicaCount: 2, idleReplicaCount: 0}}", minimum: 1, most: 100,
			led:    `[{"sluice.dev/led":"{\"canary\":\"podinfo\",\"minimum\":2,\"was\":2,\"idle\":0}"},{"idleReplicaCount":null,"minReplicaCount":2}]`,
			rested: `[{"autoscaling.keda.sh/paused-replicas":"0"},null]`,
		},
		"KEDAGivenBack": {
			reason: "One write for both.", minimum: 2, most: 100,
			scaler: `{kind: ScaledObject, metadata: {annotations: {sluice.dev/led: '{"canary":"podinfo","minimum":2,"was":null,"idle":0}'}}, spec: {minReplicaCount: 2}}`,
			rested: `[{"autoscaling.keda.sh/paused-replicas":"0","sluice.dev/led":null},{"idleReplicaCount":0,"minReplicaCount":null}]`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := scalerOf(t, tc.scaler)
			require.Equal(t, tc.led, change(t, workload.LeadScaler(s, canary(), tc.minimum)), tc.reason)
			require.Equal(t, tc.rested, change(t, workload.RestScaler(s)), tc.reason)
			most, _ := workload.LimitOf(s, tc.minimum, 2)
			require.Equal(t, tc.most, most, tc.reason)
		})
	}
}

func TestLeadOf(t *testing.T) {
	for text, is := range map[string]bool{"": false, "{}": false, "x": false, `{"canary":"a","minimum":2,"was":null}`: true} {
		_, led := workload.LeadOf(&metav1.ObjectMeta{Annotations: map[string]string{workload.LeadAnnotation: text}})
		require.Equal(t, is, led, text)
	}
}
