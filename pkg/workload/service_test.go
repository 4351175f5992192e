package workload_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

func set(l map[string]string) labels.Set { return labels.Set(l) }

func apex(selector map[string]string, note string) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "podinfo", Namespace: "test"},
		Spec:       corev1.ServiceSpec{Selector: selector},
	}
	if note != "" {
		s.Annotations = map[string]string{workload.OriginalSelectorAnnotation: note}
	}
	return s
}

func appliedByKubectl(s *corev1.Service, text string) *corev1.Service {
	if s.Annotations == nil {
		s.Annotations = map[string]string{}
	}
	s.Annotations[corev1.LastAppliedConfigAnnotation] = text
	return s
}

func TestRestore(t *testing.T) {
	target := deployment(map[string]string{"app": "podinfo"})
	cases := map[string]struct {
		reason string
		live   *corev1.Service
		want   map[string]any
	}{
		"Noted": {
			reason: "the Service gets back what it selected",
			live:   apex(map[string]string{"app": "podinfo-primary"}, `{"app":"podinfo","tier":"web"}`),
			want:   map[string]any{"app": "podinfo", "tier": "web"},
		},
		"NeverTakenOver": {
			reason: "a Service that was not touched yet keeps what it selects",
			live:   apex(map[string]string{"app": "podinfo", "tier": "web"}, ""),
			want:   map[string]any{"app": "podinfo", "tier": "web"},
		},
		"TakenOverBySomebodyElse": {
			reason: "another controller of this API leaves no note; it had found the target selected",
			live:   apex(map[string]string{"app": "podinfo-primary"}, ""),
			want:   map[string]any{"app": "podinfo"},
		},
		"TakenOverByKubectl": {
			reason: "what the user has applied tells what it was",
			live:   appliedByKubectl(apex(map[string]string{"app": "podinfo-primary"}, ""), `{"spec":{"selector":{"app":"podinfo","tier":"web"}}}`),
			want:   map[string]any{"app": "podinfo", "tier": "web"},
		},
		"TakenOverTwice": {
			reason: "what we have noted counts more",
			live:   appliedByKubectl(apex(map[string]string{"app": "podinfo-primary"}, `{"app":"podinfo"}`), `{"spec":{"selector":{"app":"other"},"ports":[{"port":80}]}}`),
			want:   map[string]any{"app": "podinfo"},
		},
		"Unreadable": {
			reason: "a note that nobody can read is none",
			live:   appliedByKubectl(apex(map[string]string{"app": "podinfo-primary"}, ""), `{"spec":[]}`),
			want:   map[string]any{"app": "podinfo"},
		},
		"NoPorts": {
			reason: "nor are ports that are none",
			live:   appliedByKubectl(apex(map[string]string{"app": "podinfo-primary"}, ""), `{"spec":{"ports":[null]}}`),
			want:   map[string]any{"app": "podinfo"},
		},
		"WithoutSelector": {
			reason: "a Service whose endpoints somebody writes by hand had no selector",
			live:   apex(map[string]string{"app": "podinfo-primary"}, `{}`),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			applied, err := golden{}.kind().Restore(tc.live, workload.Workloads{Target: target})
			require.NoError(t, err)
			o := objects(t, []runtime.ApplyConfiguration{applied})[0]
			appliable(t, o)
			spec, _ := o.Object["spec"].(map[string]any)
			if tc.want == nil {
				require.Empty(t, spec, tc.reason)
			} else {
				require.Equal(t, map[string]any{"selector": tc.want}, spec, tc.reason)
			}
			require.Empty(t, o.GetAnnotations(), "the note and the marks go")
			require.Empty(t, o.GetOwnerReferences(), "it was never ours")
		})
	}
}

// Taking over twice, as after a crash, must not take our own selector for the user's.
func TestTakingOverTwiceKeepsTheNote(t *testing.T) {
	target, c := deployment(map[string]string{"app": "podinfo"}), canary()
	live := apex(map[string]string{"app": "podinfo", "tier": "web"}, "")
	for _, side := range []rollout.Side{rollout.TargetSide, rollout.PrimarySide, rollout.PrimarySide, rollout.TargetSide} {
		applied, err := golden{}.kind().Services(c, workload.Workloads{Target: target}, side, live)
		require.NoError(t, err)
		front := objects(t, applied)[2]
		require.JSONEq(t, `{"app":"podinfo","tier":"web"}`, front.GetAnnotations()[workload.OriginalSelectorAnnotation])
		want := map[rollout.Side]string{rollout.TargetSide: "podinfo", rollout.PrimarySide: "podinfo-primary"}[side]
		live = apex(map[string]string{"app": want}, front.GetAnnotations()[workload.OriginalSelectorAnnotation])
	}
}

func TestUnreadableNote(t *testing.T) {
	target := deployment(map[string]string{"app": "podinfo"})
	live := apex(map[string]string{"app": "podinfo-primary"}, "app=podinfo")
	_, restored := golden{}.kind().Restore(live, workload.Workloads{Target: target})
	_, taken := golden{}.kind().Services(canary(), workload.Workloads{Target: target}, rollout.PrimarySide, live)
	for _, err := range []error{restored, taken} {
		require.ErrorContains(t, err, `read annotation sluice.dev/original-selector of service "podinfo"`,
			"guessing could send users to nobody")
	}
}

func TestForeign(t *testing.T) {
	c := canary()
	ours := apex(nil, "")
	ours.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(c, v1beta1.GroupVersion.WithKind("Canary"))}
	other := ours.DeepCopy()
	other.OwnerReferences[0].UID = "4711"
	cases := map[string]struct {
		reason string
		live   *corev1.Service
		want   bool
	}{
		"None":  {reason: "a Service that is not there will be ours"},
		"Ours":  {reason: "generated, by us or by another controller for the same Canary", live: ours},
		"Users": {reason: "it was there before the Canary", live: apex(nil, ""), want: true},
		"Anothers": {
			reason: "a Canary of the same name that is gone is not this one",
			live:   other, want: true,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, workload.NotControlled(tc.live, c), tc.reason)
		})
	}
}

// A Service of several ports needs a name for each, also for those that its owner has not named.
func TestAdoptedPortsHaveNames(t *testing.T) {
	target := deployment(map[string]string{"app": "podinfo"})
	target.Spec.Template.Spec.Containers = []corev1.Container{{Name: "podinfo", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 9898}, {Name: "grpc", ContainerPort: 9999}}}}
	cases := map[string]struct {
		reason   string
		live     []corev1.ServicePort
		discover bool
		want     map[string]string // by protocol and number, what is applied
	}{
		"Alone":      {reason: "one port alone stays without a name", live: []corev1.ServicePort{{Port: 9898}}, want: map[string]string{"TCP 9898": ""}},
		"Discovered": {reason: "ours gets our name beside others", live: []corev1.ServicePort{{Port: 9898}}, discover: true, want: map[string]string{"TCP 9898": "http", "TCP 9999": "grpc"}},
		"Other":      {reason: "one that is not ours gets one as well", live: []corev1.ServicePort{{Port: 80}}, want: map[string]string{"TCP 9898": "http", "TCP 80": "port-80"}},
		"OtherUDP":   {reason: "a number of another protocol is another port", live: []corev1.ServicePort{{Port: 9898, Protocol: "UDP"}}, want: map[string]string{"TCP 9898": "http", "UDP 9898": "udp-9898"}},
		"Named":      {reason: "what has a name is left alone", live: []corev1.ServicePort{{Name: "http", Port: 80}, {Name: "web", Port: 9898}}, want: map[string]string{"TCP 9898": "web"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c, live := canary(), apex(map[string]string{"app": "podinfo"}, "")
			c.Spec.Service.PortDiscovery, live.Spec.Ports = tc.discover, tc.live
			for range 2 { // what is applied stays so when it is read again
				ports := map[string]string{}
				for _, p := range adoptedPorts(t, c, target, live) {
					ports[fmt.Sprint(*p.Protocol, " ", *p.Port)] = *p.Name
					live.Spec.Ports = slices.DeleteFunc(live.Spec.Ports, func(l corev1.ServicePort) bool {
						return l.Port == *p.Port && cmp.Or(l.Protocol, corev1.ProtocolTCP) == *p.Protocol
					})
					live.Spec.Ports = append(live.Spec.Ports, corev1.ServicePort{Name: *p.Name, Port: *p.Port, Protocol: *p.Protocol})
				}
				require.Equal(t, tc.want, ports, tc.reason)
			}
		})
	}
}

func adoptedPorts(t *testing.T, c *v1beta1.Canary, target *appsv1.Deployment, live *corev1.Service) []corev1ac.ServicePortApplyConfiguration {
	t.Helper()
	services, err := golden{}.kind().Services(c, workload.Workloads{Target: target}, rollout.PrimarySide, live)
	require.NoError(t, err)
	front, ok := services[len(services)-1].(*corev1ac.ServiceApplyConfiguration)
	require.True(t, ok)
	return front.Spec.Ports
}

// Whatever the spec, a Service has each name and each number once, or the API server refuses it.
func TestPortsAreUnique(t *testing.T) {
	target := deployment(map[string]string{"app": "podinfo"})
	target.Spec.Template.Spec.Containers = []corev1.Container{
		{Name: "a", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 80}, {Name: "grpc", ContainerPort: 81}, {ContainerPort: 53}}},
		{Name: "b", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 90}, {Name: "x", ContainerPort: 81}, {ContainerPort: 53, Protocol: "UDP"}}},
	}
	for port := int32(50); port < 100; port++ {
		c := canary()
		c.Spec.Service = v1beta1.CanaryService{Port: port, PortDiscovery: true}
		names, numbers := map[string]bool{}, map[string]bool{}
		for _, p := range workload.Ports(c, target) {
			number := string(*p.Protocol) + " " + p.TargetPort.String()
			require.False(t, names[*p.Name], "name %q twice with port %d", *p.Name, port)
			require.False(t, numbers[number], "port %s twice with port %d", number, port)
			names[*p.Name], numbers[number] = true, true
		}
		require.Contains(t, numbers, "UDP 53", "a protocol has numbers of its own")
	}
}

func TestAdopted(t *testing.T) {
	target := deployment(map[string]string{"app": "podinfo"})
	cases := map[string]struct {
		reason string
		live   *corev1.Service
		want   bool
	}{
		"ByUs":      {reason: "it has a note", live: apex(map[string]string{"app": "podinfo"}, `{"app":"podinfo"}`), want: true},
		"ByAnother": {reason: "it leads to the primary, which goes", live: apex(map[string]string{"app": "podinfo-primary"}, ""), want: true},
		"Never":     {reason: "a Canary can go before it has taken anything", live: apex(map[string]string{"app": "podinfo"}, "")},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			adopted, err := golden{}.kind().Adopted(tc.live, workload.Workloads{Target: target})
			require.NoError(t, err)
			require.Equal(t, tc.want, adopted, tc.reason)
		})
	}
}

// Each Service has the ports of the workload behind it, and the apex those of the side that it leads to.
func TestPortsOfEachSide(t *testing.T) {
	c := canary()
	c.Spec.Service.PortDiscovery = true
	with := func(name string, port int32) *appsv1.Deployment {
		d := deployment(map[string]string{"app": name})
		d.Spec.Template.Labels = map[string]string{"app": name}
		d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "podinfo", Ports: []corev1.ContainerPort{{ContainerPort: port}}}}
		return d
	}
	both := workload.Workloads{Target: with("podinfo", 9998), Primary: with("podinfo-primary", 9999)}
	cases := map[string]struct {
		reason                string
		of                    workload.Workloads
		apex                  rollout.Side
		primary, canary, want int32
	}{
		"Primary":  {reason: "users are with the primary", of: both, apex: rollout.PrimarySide, primary: 9999, canary: 9998, want: 9999},
		"Both":     {reason: "where sizes divide requests, what is proven counts", of: both, apex: rollout.BothSides, primary: 9999, canary: 9998, want: 9999},
		"Target":   {reason: "users are with the target", of: both, apex: rollout.TargetSide, primary: 9999, canary: 9998, want: 9998},
		"NoTarget": {reason: "the target was deleted", of: workload.Workloads{Primary: both.Primary}, apex: rollout.PrimarySide, primary: 9999, canary: 9999, want: 9999},
		"New":      {reason: "the primary is still to be made", of: workload.Workloads{Target: both.Target}, apex: rollout.TargetSide, primary: 9998, canary: 9998, want: 9998},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			services, err := golden{}.kind().Services(c, tc.of, tc.apex, nil)
			require.NoError(t, err)
			for i, want := range []int32{tc.primary, tc.canary, tc.want} {
				s, ok := services[i].(*corev1ac.ServiceApplyConfiguration)
				require.True(t, ok)
				require.Len(t, s.Spec.Ports, 2)
				require.Equal(t, want, *s.Spec.Ports[1].Port, "%s: %s", *s.Name, tc.reason)
			}
		})
	}
}
