package workload_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

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
		"WithoutSelector": {
			reason: "a Service whose endpoints somebody writes by hand had no selector",
			live:   apex(map[string]string{"app": "podinfo-primary"}, `{}`),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			applied, err := golden{}.kind().Restore(tc.live, target)
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
		applied, err := golden{}.kind().Services(c, target, side, live)
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
	_, restored := golden{}.kind().Restore(live, target)
	_, taken := golden{}.kind().Services(canary(), target, rollout.PrimarySide, live)
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
			require.Equal(t, tc.want, workload.Foreign(tc.live, c), tc.reason)
		})
	}
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
