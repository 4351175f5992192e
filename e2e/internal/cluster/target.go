package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/rest"
)

// Debian builds Prometheus without its Kubernetes discovery, so that pods are
// found by this instead, with the annotations that everybody uses:
// prometheus.io/scrape, prometheus.io/port and prometheus.io/path.

// targetGroup is one entry of Prometheus' HTTP discovery,
// https://prometheus.io/docs/prometheus/latest/http_sd/.
type targetGroup struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// TargetHandler watches pods and answers with those that want to be scraped,
// once it knows all.
func TargetHandler(ctx context.Context, config *rest.Config) (http.Handler, error) {
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	factory := informers.NewSharedInformerFactory(clients, 0)
	pods := factory.Core().V1().Pods()
	lister := pods.Lister() // asking for it is what makes the factory watch
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	return targetHandler(lister), nil
}

func targetHandler(lister listers.PodLister) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		pods, err := lister.List(labels.Everything())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(targets(pods)) // the client hung up
	})
}

// targets are sorted, so that Prometheus sees a change only where there is one.
func targets(pods []*corev1.Pod) []targetGroup {
	groups := []targetGroup{}
	for _, pod := range pods {
		if group, wanted := target(pod); wanted {
			groups = append(groups, group)
		}
	}
	slices.SortFunc(groups, func(a, b targetGroup) int { return cmp.Compare(a.Targets[0], b.Targets[0]) })
	return groups
}

// target leaves out pods that have no address yet or no process any more. One
// that is being deleted stays: its last requests are still to be counted.
func target(pod *corev1.Pod) (targetGroup, bool) {
	wish := pod.Annotations
	if wish["prometheus.io/scrape"] != "true" || pod.Status.PodIP == "" || pod.Status.Phase != corev1.PodRunning {
		return targetGroup{}, false
	}
	return targetGroup{
		Targets: []string{net.JoinHostPort(pod.Status.PodIP, cmp.Or(wish["prometheus.io/port"], "80"))},
		Labels: map[string]string{
			"__metrics_path__": cmp.Or(wish["prometheus.io/path"], "/metrics"),
			"namespace":        pod.Namespace,
			"pod":              pod.Name,
			// Under these names Prometheus' own example for Kubernetes has had them for long, and queries about pods use them.
			"kubernetes_namespace": pod.Namespace,
			"kubernetes_pod_name":  pod.Name,
		},
	}, true
}
