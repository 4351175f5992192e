package controller

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// witness sees every version of the objects that decide who answers a request. Several watches come in any order,
// but versions are counted by one etcd, so that what was so at any moment is known in the end.
type witness struct {
	mu   sync.Mutex
	seen []sighting
}

type sighting struct {
	version int
	gone    bool
	object  client.Object
}

// witness has a world fail whose operator sends requests to a side without pods, or stops a side that gets some.
func (w *world) witness() {
	w.Helper()
	c, err := client.NewWithWatch(kubetest.Config(w), client.Options{Scheme: w.Scheme()})
	require.NoError(w, err)
	routes := &unstructured.UnstructuredList{}
	routes.SetAPIVersion("networking.istio.io/v1")
	routes.SetKind("VirtualServiceList")
	one := &witness{}
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	for _, list := range []client.ObjectList{&appsv1.DeploymentList{}, &appsv1.DaemonSetList{}, &corev1.ServiceList{}, routes} {
		events, err := c.Watch(ctx, list, client.InNamespace(w.ns))
		require.NoError(w, err)
		watching.Go(func() { one.follow(events.ResultChan()) })
	}
	w.Cleanup(func() {
		cancel()
		watching.Wait()
		require.Empty(w, one.testify(), "requests were lost that could have been answered")
	})
}

func (o *witness) follow(events <-chan watch.Event) {
	for e := range events {
		obj, ok := e.Object.(client.Object)
		if !ok {
			continue // the watch was ended
		}
		version, err := strconv.Atoi(obj.GetResourceVersion())
		if err != nil {
			continue
		}
		o.mu.Lock()
		o.seen = append(o.seen, sighting{version: version, gone: e.Type == watch.Deleted, object: obj})
		o.mu.Unlock()
	}
}

// scene is what the cluster looked like at one moment.
type scene struct {
	apex  string              // what the apex Service selects; empty: there is none
	leads map[string]string   // what each Service selects
	split map[string]int64    // percent by Service, of a VirtualService
	runs  map[string]workings // by workload
}

type workings struct {
	wanted, able int32
}

// asked says whether requests reach a workload, in a mesh or outside of it.
func (s scene) asked(workload string) bool {
	for service, percent := range s.split {
		if percent > 0 && cmp.Or(s.leads[service], strings.TrimSuffix(service, "-canary")) == workload {
			return true
		}
	}
	return s.apex == workload
}

// testify goes through all versions in order and tells what was wrong with any.
func (o *witness) testify() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	slices.SortStableFunc(o.seen, func(a, b sighting) int { return cmp.Compare(a.version, b.version) })
	now := scene{runs: map[string]workings{}}
	var wrong []string
	for _, s := range o.seen {
		before := now
		now = now.after(s)
		for _, side := range []string{"podinfo", "podinfo-primary"} {
			if fault := blame(s, before, now, side); fault != "" {
				wrong = append(wrong, fmt.Sprintf("version %d: %s", s.version, fault))
			}
		}
	}
	return wrong
}

// after is the next scene.
func (s scene) after(e sighting) scene {
	switch obj := e.object.(type) {
	case *appsv1.Deployment:
		s.runs = s.with(e, workings{wanted: workload.SizeOf(obj), able: obj.Status.AvailableReplicas})
	case *appsv1.DaemonSet:
		s.runs = s.with(e, workings{wanted: workload.SizeOf(obj), able: obj.Status.NumberAvailable})
	case *corev1.Service:
		s.leads = maps.Clone(s.leads)
		if s.leads == nil {
			s.leads = map[string]string{}
		}
		s.leads[obj.Name] = obj.Spec.Selector["app"]
		if obj.Name == "podinfo" {
			s.apex = obj.Spec.Selector["app"]
		}
		if obj.Name == "podinfo" && e.gone {
			s.apex = ""
		}
	case *unstructured.Unstructured:
		s.split = nil
		if !e.gone {
			s.split = splitOf(obj)
		}
	}
	return s
}

// with is what runs after a workload was seen.
func (s scene) with(e sighting, w workings) map[string]workings {
	runs := map[string]workings{e.object.GetName(): w}
	for name, r := range s.runs {
		if name != e.object.GetName() {
			runs[name] = r
		}
	}
	if e.gone {
		delete(runs, e.object.GetName())
	}
	return runs
}

func splitOf(route *unstructured.Unstructured) map[string]int64 {
	split := map[string]int64{}
	http, _, _ := unstructured.NestedSlice(route.Object, "spec", "http")
	for _, rule := range http {
		targets, _, _ := unstructured.NestedSlice(rule.(map[string]any), "route")
		for _, t := range targets {
			host, _, _ := unstructured.NestedString(t.(map[string]any), "destination", "host")
			weight, _, _ := unstructured.NestedInt64(t.(map[string]any), "weight")
			split[host] = weight
		}
	}
	return split
}

// blame is what the operator did wrong in one write. What people and pods do is not its fault, and the apex
// Service of a target that has not started yet is as empty as the user's own would be. Where neither side has pods
// there is nothing to lose.
func blame(e sighting, before, now scene, side string) string {
	switch obj := e.object.(type) {
	case *appsv1.Deployment, *appsv1.DaemonSet:
		if pods := workload.SummaryOf(obj).Template.Spec; obj.GetName() == "podinfo-primary" && pods.Containers[0].Image == imageBad {
			return "the primary was given a revision that cannot have passed"
		}
		stopped := obj.GetName() == side && !e.gone && before.runs[side].wanted > 0 && now.runs[side].wanted == 0
		if stopped && now.asked(side) && (sets(obj, "f:replicas") || sets(obj, "f:nodeSelector")) {
			return fmt.Sprintf("%s was stopped with requests sent to it: %+v", side, now)
		}
	default:
		first := before.apex == "" && now.apex == "podinfo"
		sent := now.asked(side) && !before.asked(side)
		able := now.runs["podinfo"].able + now.runs["podinfo-primary"].able
		if sent && !first && now.runs[side].able == 0 && able > 0 && (sets(obj, "f:http") || sets(obj, "f:selector")) {
			return fmt.Sprintf("%s was sent requests and has no pods: %+v", side, now)
		}
	}
	return ""
}

// sets says that a field of an object has the value that the operator gave it.
func sets(obj client.Object, field string) bool {
	return slices.ContainsFunc(obj.GetManagedFields(), func(m metav1.ManagedFieldsEntry) bool {
		return m.Manager == kube.FieldManager && strings.Contains(m.FieldsV1.String(), `"`+field+`"`)
	})
}

func TestWitness(t *testing.T) {
	t.Parallel()
	const byUs = `{"f:spec":{"f:replicas":{},"f:selector":{"f:app":{}}}}`
	mine := func(version int, obj client.Object) sighting {
		obj.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: kube.FieldManager, FieldsV1: metav1.NewFieldsV1(byUs)}})
		return sighting{version: version, object: obj}
	}
	run := func(name string, wanted, able int32) *appsv1.Deployment {
		d := (&world{}).deployment()
		d.Name, d.Spec.Replicas, d.Status.AvailableReplicas = name, &wanted, able
		return d
	}
	apex := func(side string) *corev1.Service {
		s := &corev1.Service{Spec: corev1.ServiceSpec{Selector: map[string]string{"app": side}}}
		s.Name = "podinfo"
		return s
	}
	for name, tc := range map[string]struct {
		reason string
		seen   []sighting
		want   int
	}{
		"Moved": {
			reason: "a primary that is up may have the requests, and the target may go then",
			seen: []sighting{
				{version: 1, object: run("podinfo", 1, 1)}, mine(2, apex("podinfo")), mine(3, run("podinfo-primary", 1, 1)),
				mine(4, apex("podinfo-primary")), mine(5, run("podinfo", 0, 1)),
			},
		},
		"TooEarly": {
			reason: "a primary without pods answers nothing",
			seen: []sighting{
				{version: 1, object: run("podinfo", 1, 1)}, mine(2, apex("podinfo")),
				mine(4, apex("podinfo-primary")), mine(3, run("podinfo-primary", 1, 0)),
			},
			want: 1,
		},
		"Stopped": {
			reason: "the target goes while it is asked",
			seen:   []sighting{mine(1, apex("podinfo")), mine(2, run("podinfo", 1, 1)), mine(3, run("podinfo", 0, 1))},
			want:   1,
		},
		"ByHand": {
			reason: "who scales the target to zero by hand has their way",
			seen:   []sighting{mine(1, apex("podinfo")), mine(2, run("podinfo", 1, 1)), {version: 3, object: run("podinfo", 0, 1)}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Len(t, (&witness{seen: tc.seen}).testify(), tc.want, tc.reason)
		})
	}
}
