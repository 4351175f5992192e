package metric_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/metric"
)

// world is a real API server in which the test plays those who run Jobs.
type world struct {
	t    *testing.T
	api  kubernetes.Interface
	raw  *kube.Raw
	logs string // of every container
}

// TestCluster starts one server for all that is asked through the Kubernetes API.
func TestCluster(t *testing.T) {
	cfg := kubetest.Apart(t, "testdata/crds")
	api, err := kubernetes.NewForConfig(cfg)
	require.NoError(t, err)
	raw, err := kube.NewRaw(cfg)
	require.NoError(t, err)
	w := &world{t: t, api: api, raw: raw, logs: strings.Repeat(strings.Repeat("x", 999)+"\n", 9) + "assertion failed: 3 of 10 orders lost\n"}
	w.node()
	_, err = api.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}, metav1.CreateOptions{})
	require.NoError(t, err)

	t.Run("JobAsMade", w.jobAsMade)
	t.Run("JobSucceeds", w.jobSucceeds)
	t.Run("JobFails", w.jobFails)
	t.Run("JobDeadline", w.jobDeadline)
	t.Run("JobImage", w.jobImage)
	t.Run("JobTimeout", w.jobTimeout)
	t.Run("JobInvalid", w.jobInvalid)
	t.Run("KeptnMetric", w.keptnMetric)
	t.Run("KeptnAnalysis", w.keptnAnalysis)
	t.Run("KeptnElsewhere", w.keptnElsewhere)
	t.Run("NotInstalled", w.notInstalled)
}

// node is a kubelet that has the logs of every Pod.
func (w *world) node() {
	s := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		require.True(w.t, strings.HasPrefix(r.URL.Path, "/containerLogs/shop/"))
		// As a kubelet has it: limitBytes counts from the beginning of the last lines.
		lines := strings.SplitAfter(w.logs, "\n")
		tail, err := strconv.Atoi(r.URL.Query().Get("tailLines"))
		require.NoError(w.t, err)
		text := strings.Join(lines[max(0, len(lines)-1-tail):], "")
		limit, err := strconv.Atoi(r.URL.Query().Get("limitBytes"))
		require.NoError(w.t, err)
		fmt.Fprint(rw, text[:min(len(text), limit)])
	}))
	w.t.Cleanup(s.Close)
	host, port, err := net.SplitHostPort(s.Listener.Addr().String())
	require.NoError(w.t, err)
	number, err := strconv.ParseInt(port, 10, 32)
	require.NoError(w.t, err)
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node"}}
	n, err = w.api.CoreV1().Nodes().Create(w.t.Context(), n, metav1.CreateOptions{})
	require.NoError(w.t, err)
	n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: host}}
	n.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(number)
	_, err = w.api.CoreV1().Nodes().UpdateStatus(w.t.Context(), n, metav1.UpdateOptions{})
	require.NoError(w.t, err)
}

const template = `{"metadata":{"labels":{"team":"shop"},"annotations":{"about":"{{ target }}"}},"spec":{"template":{"spec":{"containers":[
	{"name":"smoke","image":"example.test/smoke:1","args":["--url=http://{{ service }}-canary.{{ namespace }}/{{ variables.path }}"]}]}}}}`

func settings(w *world, round string) metric.Settings {
	return metric.Settings{
		Quote:     true,
		Namespace: "shop",
		Cluster:   w.raw,
		Timeout:   20 * time.Second,
		Vars: metric.Vars{
			Name: "podinfo", Namespace: "shop", Target: "podinfo", Service: "front", Variables: map[string]string{"path": "orders"},
		},
		Job: metric.Job{
			Template: []byte(template), Name: "podinfo-smoke", Round: round,
			Labels: map[string]string{"app.kubernetes.io/managed-by": "sluice"},
			Owner:  &metav1.OwnerReference{APIVersion: "flagger.app/v1beta1", Kind: "Canary", Name: "podinfo", UID: "0d1c"},
		},
	}
}

func (w *world) provider(t *testing.T, kind v1beta1.MetricProviderType, s metric.Settings) metric.Provider {
	t.Helper()
	p, err := metric.New(v1beta1.MetricProvider{Type: kind}, s)
	require.NoError(t, err)
	return p
}

type verdict struct {
	value float64
	err   error
}

// run asks in the background, as the test has to play the cluster meanwhile.
func run(t *testing.T, p metric.Provider, query string) <-chan verdict {
	t.Helper()
	out := make(chan verdict, 1)
	go func() {
		value, err := p.Query(t.Context(), query)
		out <- verdict{value, err}
	}()
	return out
}

// made waits for the Job of a round that was not there before.
func (w *world) made(t *testing.T, before map[string]bool) *batchv1.Job {
	t.Helper()
	var found *batchv1.Job
	require.Eventually(t, func() bool {
		for _, j := range w.jobs(t) {
			if !before[j.Name] {
				found = &j
			}
		}
		return found != nil
	}, 20*time.Second, 20*time.Millisecond)
	return found
}

func (w *world) jobs(t *testing.T) []batchv1.Job {
	t.Helper()
	list, err := w.api.BatchV1().Jobs("shop").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	return list.Items
}

func (w *world) names(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, j := range w.jobs(t) {
		names[j.Name] = true
	}
	return names
}

// end writes into a Job's status what its controller would.
func (w *world) end(t *testing.T, j *batchv1.Job, before, last batchv1.JobConditionType, reason, message string) {
	t.Helper()
	now := metav1.Now()
	j.Status.StartTime = &now
	for _, kind := range []batchv1.JobConditionType{before, last} {
		j.Status.Conditions = append(j.Status.Conditions, batchv1.JobCondition{
			Type: kind, Status: corev1.ConditionTrue, Reason: reason, Message: message, LastTransitionTime: now,
		})
	}
	if last == batchv1.JobComplete {
		j.Status.CompletionTime, j.Status.Succeeded = &now, 1
	} else {
		j.Status.Failed = 1
	}
	_, err := w.api.BatchV1().Jobs("shop").UpdateStatus(t.Context(), j, metav1.UpdateOptions{})
	require.NoError(t, err)
}

// pod makes a Pod of a Job, in a given state.
func (w *world) pod(t *testing.T, j *batchv1.Job, phase corev1.PodPhase, state corev1.ContainerState) {
	t.Helper()
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		GenerateName: j.Name + "-", Namespace: "shop", Labels: map[string]string{batchv1.JobNameLabel: j.Name},
	}, Spec: *j.Spec.Template.Spec.DeepCopy()}
	p.Spec.NodeName = "node"
	p, err := w.api.CoreV1().Pods("shop").Create(t.Context(), p, metav1.CreateOptions{})
	require.NoError(t, err)
	p.Status.Phase = phase
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "smoke", Image: "example.test/smoke:1", State: state}}
	_, err = w.api.CoreV1().Pods("shop").UpdateStatus(t.Context(), p, metav1.UpdateOptions{})
	require.NoError(t, err)
}

func (w *world) jobAsMade(t *testing.T) {
	before := w.names(t)
	_ = run(t, w.provider(t, "job", settings(w, "as-made")), "")
	j := w.made(t, before)
	require.Regexp(t, `^podinfo-smoke-[0-9a-f]{10}$`, j.Name, "Of Canary, metric and round.")
	require.Equal(t, map[string]string{"team": "shop", "app.kubernetes.io/managed-by": "sluice"}, j.Labels)
	require.Equal(t, "podinfo", j.Annotations["about"], "Every string is a template.")
	require.Equal(t, []string{"--url=http://front-canary.shop/orders"}, j.Spec.Template.Spec.Containers[0].Args)
	require.Equal(t, int32(3600), *j.Spec.TTLSecondsAfterFinished, "Nobody else clears it away.")
	require.Equal(t, int32(0), *j.Spec.BackoffLimit, "A check is not tried until it passes.")
	require.Equal(t, int64(20), *j.Spec.ActiveDeadlineSeconds, "It ends when nobody waits for it.")
	require.Equal(t, corev1.RestartPolicyNever, j.Spec.Template.Spec.RestartPolicy)
	require.Equal(t, "podinfo", j.OwnerReferences[0].Name, "It goes with its Canary.")
}

func (w *world) jobSucceeds(t *testing.T) {
	before := w.names(t)
	first := run(t, w.provider(t, "job", settings(w, "1")), "")
	j := w.made(t, before)
	w.end(t, j, batchv1.JobSuccessCriteriaMet, batchv1.JobComplete, batchv1.JobReasonCompletionsReached, "")
	got := <-first
	require.NoError(t, got.err)
	require.Equal(t, 1.0, got.value)

	got = <-run(t, w.provider(t, "job", settings(w, "1")), "")
	require.NoError(t, got.err)
	require.Equal(t, 1.0, got.value, "The same round asked again, as after a crash, is the same Job.")
	require.Len(t, w.jobs(t), len(before)+1)
}

func (w *world) jobFails(t *testing.T) {
	before, p := w.names(t), w.provider(t, "job", settings(w, "2"))
	asked := run(t, p, "")
	j := w.made(t, before)
	w.pod(t, j, corev1.PodFailed, corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error"}})
	w.end(t, j, batchv1.JobFailureTarget, batchv1.JobFailed, batchv1.JobReasonBackoffLimitExceeded, "Job has reached the specified backoff limit")
	got := <-asked
	require.NoError(t, got.err, "It ran, and that it failed is the answer.")
	require.Zero(t, got.value)
	explained := p.(metric.Explainer).Explain()
	require.True(t, strings.HasSuffix(explained, "x\nassertion failed: 3 of 10 orders lost"), "What it wrote last says why: %s", explained)
	require.LessOrEqual(t, len(explained), 2<<10, "However long the lines before it are.")
}

func (w *world) jobDeadline(t *testing.T) {
	before := w.names(t)
	asked := run(t, w.provider(t, "job", settings(w, "3")), "")
	j := w.made(t, before)
	w.pod(t, j, corev1.PodFailed, corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "Error"}})
	w.end(t, j, batchv1.JobFailureTarget, batchv1.JobFailed, batchv1.JobReasonDeadlineExceeded, "Job was active longer than specified deadline")
	got := <-asked
	require.ErrorContains(t, got.err, "DeadlineExceeded: Job was active longer than specified deadline", "A check that did not end has not failed.")
	require.ErrorContains(t, got.err, "3 of 10 orders lost")
}

func (w *world) jobImage(t *testing.T) {
	before := w.names(t)
	asked := run(t, w.provider(t, "job", settings(w, "4")), "")
	j := w.made(t, before)
	w.pod(t, j, corev1.PodPending, corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
		Reason: "ImagePullBackOff", Message: `Back-off pulling image "example.test/smoke:1"`,
	}})
	got := <-asked
	require.ErrorContains(t, got.err, `ImagePullBackOff: Back-off pulling image "example.test/smoke:1"`)
	_, err := w.api.BatchV1().Jobs("shop").Get(t.Context(), j.Name, metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err) || err == nil, "It is on its way out: %v", err)
}

func (w *world) jobTimeout(t *testing.T) {
	s := settings(w, "5")
	s.Timeout = 300 * time.Millisecond
	got := <-run(t, w.provider(t, "job", s), "")
	require.ErrorIs(t, got.err, context.DeadlineExceeded)
	require.ErrorContains(t, got.err, "no answer within 300ms")
}

func (w *world) jobInvalid(t *testing.T) {
	s := settings(w, "6")
	s.Job.Template = []byte(`{"spec":{"template":{"spec":{"containers":[{"name":"A B","image":"x"}]}}}}`)
	got := <-run(t, w.provider(t, "job", s), "")
	require.ErrorContains(t, got.err, "containers[0].name", "The server says what is wrong.")
}

func (w *world) put(t *testing.T, method, path, body string) {
	t.Helper()
	_, err := w.raw.Do(t.Context(), method, path, []byte(body))
	require.NoError(t, err)
}

func (w *world) keptnMetric(t *testing.T) {
	const at = "/apis/metrics.keptn.sh/v1/namespaces/shop/keptnmetrics"
	w.put(t, http.MethodPost, at, `{"apiVersion":"metrics.keptn.sh/v1","kind":"KeptnMetric","metadata":{"name":"errors"}}`)
	p := w.provider(t, "keptn", settings(w, "7"))
	_, err := p.Query(t.Context(), "keptnmetric/shop/errors")
	require.ErrorIs(t, err, metric.ErrNoData, "Nothing has been measured yet.")
	for value, want := range map[string]string{"2.5": "", "five": `is the string "five", not a number`} {
		w.status(t, at+"/errors", `{"value":"`+value+`"}`)
		got, err := p.Query(t.Context(), "keptnmetric/shop/errors")
		if want != "" {
			require.ErrorContains(t, err, want)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, 2.5, got)
	}
	_, err = p.Query(t.Context(), "keptnmetric/shop/nothing")
	require.ErrorContains(t, err, `"nothing" not found`)
}

// status writes an object's, as its controller would.
func (w *world) status(t *testing.T, path, status string) {
	t.Helper()
	text, err := w.raw.Do(t.Context(), http.MethodGet, path, nil)
	require.NoError(t, err)
	var object map[string]any
	require.NoError(t, json.Unmarshal(text, &object))
	object["status"] = json.RawMessage(status)
	text, err = json.Marshal(object)
	require.NoError(t, err)
	w.put(t, http.MethodPut, path, string(text))
}

func (w *world) keptnAnalysis(t *testing.T) {
	const at = "/apis/metrics.keptn.sh/v1/namespaces/shop/analyses"
	for pass, want := range map[string]float64{"true": 1, "false": 0} {
		asked := run(t, w.provider(t, "keptn", settings(w, "8-"+pass)), "analysis/shop/my-definition/5m/stage=canary;team=shop")
		var made struct {
			Items []struct {
				Metadata metav1.ObjectMeta
				Spec     json.RawMessage
			}
		}
		require.Eventually(t, func() bool {
			text, err := w.raw.Do(t.Context(), http.MethodGet, at, nil)
			return err == nil && json.Unmarshal(text, &made) == nil && len(made.Items) == 1
		}, 20*time.Second, 20*time.Millisecond)
		require.JSONEq(t, `{"timeframe":{"recent":"5m"},"args":{"stage":"canary","team":"shop"},
			"analysisDefinition":{"name":"my-definition","namespace":"shop"}}`, string(made.Items[0].Spec))
		require.Equal(t, "sluice", made.Items[0].Metadata.Labels["app.kubernetes.io/managed-by"])
		require.Equal(t, "podinfo", made.Items[0].Metadata.OwnerReferences[0].Name, "It goes with its Canary.")
		w.status(t, at+"/"+made.Items[0].Metadata.Name, `{"state":"Completed","pass":`+pass+`}`)
		got := <-asked
		require.NoError(t, got.err)
		require.Equal(t, want, got.value)
		text, err := w.raw.Do(t.Context(), http.MethodGet, at, nil)
		require.NoError(t, err)
		require.NotContains(t, string(text), "my-definition-", "One for each round would pile up.")
	}
}

// keptnElsewhere has the Analysis in another namespace than its Canary.
func (w *world) keptnElsewhere(t *testing.T) {
	const at = "/apis/metrics.keptn.sh/v1/namespaces/default/analyses"
	s := settings(w, "8-elsewhere")
	s.Timeout = 2 * time.Second
	asked := run(t, w.provider(t, "keptn", s), "analysis/default/my-definition/5m")
	var made struct {
		Items []struct{ Metadata metav1.ObjectMeta }
	}
	require.Eventually(t, func() bool {
		text, err := w.raw.Do(t.Context(), http.MethodGet, at, nil)
		return err == nil && json.Unmarshal(text, &made) == nil && len(made.Items) == 1
	}, 20*time.Second, 20*time.Millisecond)
	require.Empty(t, made.Items[0].Metadata.OwnerReferences, "With an owner that is not beside it the cluster would clear it away.")
	require.ErrorIs(t, (<-asked).err, context.DeadlineExceeded)
}

func (w *world) notInstalled(t *testing.T) {
	_, err := w.provider(t, "externalmetrics", settings(w, "9")).Query(t.Context(), "errors?labelSelector=app%3Dpodinfo")
	require.ErrorContains(t, err, "externalmetrics: ", "Who failed.")
	require.True(t, apierrors.IsNotFound(err), "The cluster serves no such API: %v", err)
}
