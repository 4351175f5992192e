package workload_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-cd/sluice/pkg/workload"
)

func TestOwnedPods(t *testing.T) {
	meta := metav1.ObjectMeta{Namespace: "test", Name: "podinfo", UID: "1"}
	deployment, daemonSet := &appsv1.Deployment{ObjectMeta: meta}, &appsv1.DaemonSet{ObjectMeta: meta}
	for name, tc := range map[string]struct {
		reason     string
		of         workload.Object
		kind, by   string // controller of the pod; empty: none
		uid, label string // of the controller; the pod's template hash
		want       bool
	}{
		"Own":              {"as the Deployment controller names them", deployment, "ReplicaSet", "podinfo-5d4f", "9", "5d4f", true},
		"Former":           {"of whichever template", deployment, "ReplicaSet", "podinfo-77aa", "8", "77aa", true},
		"Job":              {"it may crash as it likes", deployment, "Job", "podinfo-5d4f", "9", "", false},
		"LongerName":       {"another Deployment with the same labels", deployment, "ReplicaSet", "podinfo-backend-5d4f", "9", "5d4f", false},
		"Released":         {"somebody has taken it out to look into it", deployment, "", "", "", "5d4f", false},
		"BareReplicaSet":   {"nobody rolls it out", deployment, "ReplicaSet", "podinfo-", "9", "", false},
		"DaemonSet":        {"it has no set in between", daemonSet, "DaemonSet", "podinfo", "1", "", true},
		"AnotherDaemonSet": {"of the same name, deleted since", daemonSet, "DaemonSet", "podinfo", "2", "", false},
		"DaemonSetsJob":    {"nor do others count here", daemonSet, "Job", "podinfo", "3", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "test", Name: "x", Labels: map[string]string{"app": "podinfo"}}}
			if tc.label != "" {
				p.Labels[appsv1.DefaultDeploymentUniqueLabelKey] = tc.label
			}
			if tc.kind != "" {
				by := &metav1.ObjectMeta{Name: tc.by, UID: types.UID(tc.uid)}
				ref := metav1.NewControllerRef(by, appsv1.SchemeGroupVersion.WithKind(tc.kind))
				p.OwnerReferences = []metav1.OwnerReference{*ref}
			}
			require.Equal(t, tc.want, len(workload.OwnedPods(tc.of, []corev1.Pod{p})) == 1, tc.reason)
		})
	}
}
