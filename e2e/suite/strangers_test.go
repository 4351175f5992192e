package suite

import (
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// strangers are others who lay hands on what belongs to a Canary.
func strangers() map[string]scenario {
	return map[string]scenario{
		"RouteEdited": {
			reason: "Routes that somebody edits are put back: users go where the status says.",
			play:   routeEdited,
		},
		"Rival": {
			reason: "Two Canaries cannot release one Deployment; the younger is refused and names the elder.",
			play:   rival,
		},
		"PrimaryDeleted": {
			reason: "A primary that somebody deletes comes back at the promoted revision.",
			play:   primaryDeleted,
		},
	}
}

func virtualService() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "networking.istio.io", Version: "v1", Kind: "VirtualService"}
}

// weights of a VirtualService's only route, by the host they go to.
func (s *scene) weights() map[string]int64 {
	s.t.Helper()
	vs := &unstructured.Unstructured{}
	vs.SetGroupVersionKind(virtualService())
	s.get("podinfo", vs)
	return weightsOf(vs)
}

func weightsOf(vs *unstructured.Unstructured) map[string]int64 {
	weights := map[string]int64{}
	rules, _, _ := unstructured.NestedSlice(vs.Object, "spec", "http")
	for _, rule := range rules {
		routes, _, _ := unstructured.NestedSlice(rule.(map[string]any), "route")
		for _, route := range routes {
			host, _, _ := unstructured.NestedString(route.(map[string]any), "destination", "host")
			weight, _, _ := unstructured.NestedInt64(route.(map[string]any), "weight")
			weights[host] += weight
		}
	}
	return weights
}

func routeEdited(s *scene) {
	s.begin(twoSteps)
	s.settled()
	users := s.users()
	before := s.weights()
	require.Equal(s.t, map[string]int64{"podinfo-primary": 100, "podinfo-canary": 0}, before)
	since := time.Now()
	s.kubectl("patch", "virtualservice", "podinfo", "-n", s.namespace, "--type=json", "-p",
		`[{"op":"replace","path":"/spec/http/0/route/0/weight","value":40},{"op":"add","path":"/spec/http/0/route/1/weight","value":60}]`)
	require.Eventually(s.t, func() bool { return s.weights()["podinfo-primary"] == 100 }, patience, 50*time.Millisecond)
	back := time.Now()
	s.said(since, "*VirtualService* was changed by somebody else, put back")
	s.t.Logf("put back %.1f s after the edit", time.Since(since).Seconds())
	require.Equal(s.t, before, s.weights())
	s.only(users, "3.1.0", back.Add(slowly))
	s.t.Logf("of %s", users.Since(time.Time{}))
	require.Zero(s.t, users.Window(time.Time{}, since).Failed)
	require.Zero(s.t, users.Since(back.Add(slowly)).Failed, "the edit sends users to pods that are stopped, and only until it is put back")
}

func rival(s *scene) {
	s.begin(twoSteps)
	other := strings.Replace(s.canary(twoSteps), "name: podinfo, namespace", "name: rival, namespace", 1)
	s.apply(other)
	s.kubectl("wait", "canary/rival", "-n", s.namespace, "--for=condition=valid=false", "--timeout=120s")
	message := s.kubectl("get", "canary", "rival", "-n", s.namespace, "-o", `jsonpath={.status.conditions[?(@.type=="Valid")].message}`)
	require.Contains(s.t, message, fmt.Sprintf("%q", "podinfo"))
	s.kubectl("delete", "canary", "podinfo", "-n", s.namespace)
	s.kubectl("wait", "canary/rival", "-n", s.namespace, "--for=condition=valid", "--timeout=120s")
	s.kubectl("wait", "canary/rival", "-n", s.namespace, "--for=jsonpath={.status.phase}=Initialized", "--timeout=120s")
}

func primaryDeleted(s *scene) {
	s.begin(twoSteps)
	s.settled()
	users := s.users()
	since := time.Now()
	s.kubectl("delete", "deployment", "podinfo-primary", "-n", s.namespace)
	s.reach("Initialized", since)
	s.runs("podinfo-primary", "3.1.0", 1)
	s.settled()
	s.only(users, "3.1.0", time.Now())
}
