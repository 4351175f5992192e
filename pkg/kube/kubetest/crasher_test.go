package kubetest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

func TestCrasherCounts(t *testing.T) {
	crasher, ns := &kubetest.Crasher{}, kubetest.Namespace(t)
	api, err := kubernetes.NewForConfig(crasher.Wrap(kubetest.Config(t)))
	require.NoError(t, err)
	maps, ctx := api.CoreV1().ConfigMaps(ns), t.Context()
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "x"}}

	_, err = maps.Create(ctx, cm, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = maps.Create(ctx, cm, metav1.CreateOptions{})
	require.Error(t, err, "it is there already")
	_, err = maps.Get(ctx, "x", metav1.GetOptions{})
	require.NoError(t, err)
	_, err = maps.List(ctx, metav1.ListOptions{})
	require.NoError(t, err)
	watch, err := maps.Watch(ctx, metav1.ListOptions{})
	require.NoError(t, err)
	watch.Stop()
	_, err = api.CoreV1().Events(ns).Create(ctx, &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: "e"},
		InvolvedObject: corev1.ObjectReference{Namespace: ns, Name: "x"},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = api.AppsV1().Deployments(ns).UpdateStatus(ctx, newDeployment(ns, "x", 1), metav1.UpdateOptions{})
	require.Error(t, err, "there is none")
	require.NoError(t, maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}))

	require.Equal(t, map[kubetest.Call]int{
		{Verb: "create", Resource: "configmaps"}:           2,
		{Verb: "get", Resource: "configmaps"}:              1,
		{Verb: "list", Resource: "configmaps"}:             1,
		{Verb: "watch", Resource: "configmaps"}:            1,
		{Verb: "create", Resource: "events"}:               1,
		{Verb: "update", Resource: "deployments/status"}:   1,
		{Verb: "deletecollection", Resource: "configmaps"}: 1,
	}, crasher.Calls())
	require.Equal(t, 2, crasher.Writes(), "only what succeeded, and no event")
	require.Equal(t, 6, crasher.Count("", "configmaps"))
	require.Equal(t, 3, crasher.Count("create", ""))

	crasher.Reset()
	require.Zero(t, crasher.Writes())
	require.Empty(t, crasher.Calls())
}

// TestCrasherWaitsForAnswers looks at the counters when a write has arrived, and its answer has not.
func TestCrasherWaitsForAnswers(t *testing.T) {
	arrived, answer := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-answer
		w.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(server.Close)
	crasher := &kubetest.Crasher{}
	cfg := crasher.Wrap(&rest.Config{Host: server.URL})
	client, err := rest.HTTPClientFor(cfg)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		resp, err := client.Post(server.URL+"/api/v1/namespaces/x/configmaps", "application/json", nil)
		if err == nil {
			err = resp.Body.Close()
		}
		done <- err
	}()
	<-arrived
	time.AfterFunc(50*time.Millisecond, func() { close(answer) })
	require.Equal(t, 1, crasher.Writes(), "It was under way when somebody asked.")
	require.NoError(t, <-done)
}

func TestCrasherCuts(t *testing.T) {
	crasher, ns := &kubetest.Crasher{}, kubetest.Namespace(t)
	crasher.CrashAfter(2)
	api, err := kubernetes.NewForConfig(crasher.Wrap(kubetest.Config(t)))
	require.NoError(t, err)
	create := func(name string) error {
		cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
		_, err := api.CoreV1().ConfigMaps(ns).Create(t.Context(), cm, metav1.CreateOptions{})
		return err
	}
	require.NoError(t, create("one"))
	select {
	case <-crasher.Crashed():
		require.Fail(t, "one write too early")
	default:
	}
	require.NoError(t, create("two"), "the write that crashes still succeeds")
	<-crasher.Crashed()
	require.ErrorIs(t, create("three"), kubetest.ErrCrashed)
	_, err = api.CoreV1().ConfigMaps(ns).Get(t.Context(), "one", metav1.GetOptions{})
	require.ErrorIs(t, err, kubetest.ErrCrashed, "reads fail as well")
	require.Equal(t, 2, crasher.Writes())

	left, err := kubernetes.NewForConfigOrDie(kubetest.Config(t)).CoreV1().ConfigMaps(ns).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, left.Items, 2, "nothing got through after the cut")
}
