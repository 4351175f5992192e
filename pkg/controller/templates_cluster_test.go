package controller

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/analysis"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

func newCluster(t *testing.T) *Cluster {
	t.Helper()
	c, err := NewCluster(kubetest.Config(t))
	require.NoError(t, err)
	return c
}

func TestCluster(t *testing.T) {
	t.Parallel()
	c, ns := newCluster(t), kubetest.Namespace(t)
	path := "/api/v1/namespaces/" + ns + "/configmaps"
	text, err := c.Do(t.Context(), http.MethodPost, path, []byte(`{"metadata":{"name":"a","labels":{"x":"y"}}}`))
	require.NoError(t, err)
	require.Contains(t, string(text), `"name":"a"`, "What was made comes back.")
	_, err = c.Do(t.Context(), http.MethodPost, path, []byte(`{"metadata":{"name":"a"}}`))
	require.True(t, apierrors.IsAlreadyExists(err), "Errors are those of the API: %v", err)
	_, err = c.Do(t.Context(), http.MethodGet, path+"/b", nil)
	require.True(t, apierrors.IsNotFound(err), "Errors are those of the API: %v", err)
	text, err = c.Do(t.Context(), http.MethodGet, path+"?labelSelector=x%3Dy", nil)
	require.NoError(t, err)
	var found struct{ Items []any }
	require.NoError(t, json.Unmarshal(text, &found))
	require.Len(t, found.Items, 1, "A path may have a query.")
}

// TestJobMetric runs a Job as a metric. Nothing runs Pods here: the test says how the Job ends.
func TestJobMetric(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason  string
		ends    []batchv1.JobCondition
		verdict v1beta1.Verdict
	}{
		"Completed": {
			reason: "A Job that completed has passed, without any range.",
			ends: []batchv1.JobCondition{
				{Type: batchv1.JobSuccessCriteriaMet, Status: "True"}, {Type: batchv1.JobComplete, Status: "True"},
			},
			verdict: v1beta1.Passed,
		},
		"Failed": {
			reason:  "One that failed has not.",
			ends:    []batchv1.JobCondition{{Type: batchv1.JobFailureTarget, Status: "True"}, {Type: batchv1.JobFailed, Status: "True"}},
			verdict: v1beta1.Failed,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			require.NoError(t, s.Create(t.Context(), &v1beta1.MetricTemplate{
				ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "smoke"},
				Spec: v1beta1.MetricTemplateSpec{
					Provider: v1beta1.MetricProvider{Type: "job"},
					Job:      &runtime.RawExtension{Raw: []byte(`{"spec":{"template":{"spec":{"containers":[{"name":"t","image":"t","args":["{{ target }}"]}]}}}}`)},
				},
			}))
			c := s.canary()
			require.NoError(t, s.Create(t.Context(), c))
			a := analysis.New("", "istio")
			a.Library, a.Cluster = s.templates, newCluster(t)
			found := make(chan rollout.Findings)
			go func() {
				m := v1beta1.CanaryMetric{Name: "Smoke test 100%", TemplateRef: &v1beta1.CrossNamespaceRef{Name: "smoke"}}
				found <- a.Answer(t.Context(), c, rollout.Questions{Metrics: []v1beta1.CanaryMetric{m}})
			}()
			job := s.job()
			require.Equal(t, []string{"podinfo"}, job.Spec.Template.Spec.Containers[0].Args, "Its strings are rendered.")
			require.Equal(t, c.UID, job.OwnerReferences[0].UID, "It goes with the Canary.")
			now := metav1.Now()
			job.Status = batchv1.JobStatus{StartTime: &now, Conditions: tc.ends}
			if tc.verdict == v1beta1.Passed {
				job.Status.CompletionTime = &now
			}
			require.NoError(t, s.Status().Update(t.Context(), job))
			f := (<-found)[0]
			require.Equal(t, tc.verdict, f.Verdict, "%s %s", tc.reason, f.Message)
			require.Equal(t, ">= 1", f.Measurement.Limit)
		})
	}
}

// job waits for the one Job of the namespace.
func (s *shelf) job() *batchv1.Job {
	s.Helper()
	jobs := &batchv1.JobList{}
	s.await("there is a Job", func() bool {
		return s.List(s.Context(), jobs, client.InNamespace(s.ns)) == nil && len(jobs.Items) == 1
	})
	return &jobs.Items[0]
}
