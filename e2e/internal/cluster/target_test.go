package cluster

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

func pod(name, ip string, phase corev1.PodPhase, annotations map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "test", Annotations: annotations},
		Status:     corev1.PodStatus{PodIP: ip, Phase: phase},
	}
}

func TestTarget(t *testing.T) {
	wish := map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "15090", "prometheus.io/path": "/stats"}
	cases := map[string]struct {
		reason string
		pod    *corev1.Pod
		target string
		path   string
	}{
		"Wished":     {reason: "as annotated", pod: pod("a", "10.0.0.1", corev1.PodRunning, wish), target: "10.0.0.1:15090", path: "/stats"},
		"Defaults":   {reason: "port and path may be left out", pod: pod("a", "10.0.0.1", corev1.PodRunning, map[string]string{"prometheus.io/scrape": "true"}), target: "10.0.0.1:80", path: "/metrics"},
		"NotWished":  {reason: "nobody asked", pod: pod("a", "10.0.0.1", corev1.PodRunning, nil)},
		"Refused":    {reason: "asked not to", pod: pod("a", "10.0.0.1", corev1.PodRunning, map[string]string{"prometheus.io/scrape": "false"})},
		"NoAddress":  {reason: "there is nothing to ask yet", pod: pod("a", "", corev1.PodRunning, wish)},
		"NotRunning": {reason: "a pod that ended answers no more", pod: pod("a", "10.0.0.1", corev1.PodSucceeded, wish)},
		"IPv6":       {reason: "such addresses need brackets", pod: pod("a", "fd00::1", corev1.PodRunning, wish), target: "[fd00::1]:15090", path: "/stats"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			group, wanted := target(c.pod)
			require.Equal(t, wanted, c.target != "", c.reason)
			if wanted {
				require.Equal(t, []string{c.target}, group.Targets, c.reason)
				require.Equal(t, map[string]string{
					"__metrics_path__": c.path, "namespace": "test", "pod": "a", "kubernetes_namespace": "test", "kubernetes_pod_name": "a",
				}, group.Labels)
			}
		})
	}
}

func TestTargetHandler(t *testing.T) {
	wish := map[string]string{"prometheus.io/scrape": "true"}
	index := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	handler := targetHandler(listers.NewPodLister(index))
	ask := func() (groups []targetGroup) {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
		require.Equal(t, "application/json", answer.Header().Get("Content-Type"), "Prometheus insists")
		require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &groups))
		return groups
	}
	require.Empty(t, ask())
	require.NotNil(t, ask(), "an empty list, not null, which Prometheus refuses")
	require.NoError(t, index.Add(pod("b", "10.0.0.2", corev1.PodRunning, wish)))
	require.NoError(t, index.Add(pod("a", "10.0.0.1", corev1.PodRunning, wish)))
	require.Equal(t, []string{"10.0.0.1:80"}, ask()[0].Targets, "in a fixed order")
}
