package kubetest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

const patience = 20 * time.Second

func newClient(t testing.TB) client.Client {
	c, err := client.New(kubetest.Config(t), client.Options{Scheme: scheme.Scheme})
	require.NoError(t, err)
	return c
}

func newDeployment(ns, image string, replicas int32) *appsv1.Deployment {
	labels := map[string]string{"app": "podinfo"}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "podinfo"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "podinfod", Image: image}}},
			},
		},
	}
}

// eventually waits until the Deployment is as it should be.
func eventually(t *testing.T, c client.Client, d *appsv1.Deployment, is func() bool, reason string) {
	t.Helper()
	require.Eventually(t, func() bool {
		require.NoError(t, c.Get(t.Context(), client.ObjectKeyFromObject(d), d))
		return d.Status.ObservedGeneration == d.Generation && is()
	}, patience, 10*time.Millisecond, reason)
}

func change(t *testing.T, c client.Client, d *appsv1.Deployment, mutate func()) {
	t.Helper()
	before := d.DeepCopy()
	mutate()
	require.NoError(t, c.Patch(t.Context(), d, client.MergeFrom(before)))
}

func podsOf(t *testing.T, c client.Client, d *appsv1.Deployment) []corev1.Pod {
	list := &corev1.PodList{}
	require.NoError(t, c.List(t.Context(), list, client.InNamespace(d.Namespace), client.MatchingLabels(d.Spec.Selector.MatchLabels)))
	return list.Items
}

func conditionOf(d *appsv1.Deployment, kind appsv1.DeploymentConditionType) appsv1.DeploymentCondition {
	for _, c := range d.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return appsv1.DeploymentCondition{}
}

func TestDeploymentsRoll(t *testing.T) {
	c, ns := newClient(t), kubetest.Namespace(t)
	kubetest.Deployments(t, ns)
	d := newDeployment(ns, "podinfo:1", 3)
	require.NoError(t, c.Create(t.Context(), d))
	eventually(t, c, d, func() bool { return d.Status.AvailableReplicas == 3 }, "all pods become ready")
	require.Equal(t, corev1.ConditionTrue, conditionOf(d, appsv1.DeploymentAvailable).Status)
	require.Equal(t, "NewReplicaSetAvailable", conditionOf(d, appsv1.DeploymentProgressing).Reason)

	change(t, c, d, func() { d.Spec.Template.Spec.Containers[0].Image = "podinfo:2" })
	eventually(t, c, d, func() bool {
		return d.Status.UpdatedReplicas == 3 && d.Status.Replicas == 3 && d.Status.AvailableReplicas == 3
	}, "new pods take the place of the old ones")
	for _, pod := range podsOf(t, c, d) {
		require.Equal(t, "podinfo:2", pod.Spec.Containers[0].Image)
	}

	change(t, c, d, func() { d.Spec.Replicas = ptr.To[int32](0) })
	eventually(t, c, d, func() bool { return d.Status.Replicas == 0 }, "scaled to zero there are none")
	require.Empty(t, podsOf(t, c, d))
}

func TestDeploymentsDelay(t *testing.T) {
	c, ns := newClient(t), kubetest.Namespace(t)
	w := kubetest.Deployments(t, ns)
	w.Delay(t, time.Hour)
	d := newDeployment(ns, "podinfo:1", 1)
	require.NoError(t, c.Create(t.Context(), d))
	eventually(t, c, d, func() bool { return d.Status.UnavailableReplicas == 1 && d.Status.Replicas == 1 }, "the pod is starting")
	w.Delay(t, 0)
	eventually(t, c, d, func() bool { return d.Status.AvailableReplicas == 1 }, "a shorter delay holds for pods that are there")
}

func TestDeploymentsFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		reason  string
		fault   kubetest.Fault
		phase   corev1.PodPhase
		waiting string
	}{
		"NeverReady": {reason: "it runs and is not ready", fault: kubetest.NeverReady, phase: corev1.PodRunning},
		"CrashLoop":  {reason: "the kubelet waits longer each time", fault: kubetest.CrashLoop, phase: corev1.PodRunning, waiting: "CrashLoopBackOff"},
		"ImagePull":  {reason: "nothing has ever run", fault: kubetest.ImagePull, phase: corev1.PodPending, waiting: "ImagePullBackOff"},
	} {
		t.Run(name, func(t *testing.T) {
			c, ns := newClient(t), kubetest.Namespace(t)
			w := kubetest.Deployments(t, ns)
			d := newDeployment(ns, "podinfo:1", 1)
			require.NoError(t, c.Create(t.Context(), d))
			eventually(t, c, d, func() bool { return d.Status.AvailableReplicas == 1 }, "the first version is fine")

			w.Fault(t, "podinfo:2", tc.fault)
			change(t, c, d, func() {
				d.Spec.ProgressDeadlineSeconds = ptr.To[int32](1)
				d.Spec.MinReadySeconds = 0
				d.Spec.Template.Spec.Containers[0].Image = "podinfo:2"
			})
			eventually(t, c, d, func() bool { return d.Status.UpdatedReplicas == 1 && d.Status.Replicas == 2 }, tc.reason)
			require.EqualValues(t, 1, d.Status.AvailableReplicas, "the old pod goes on serving")
			requirePod(t, c, d, tc.phase, tc.waiting)
			eventually(t, c, d, func() bool {
				return conditionOf(d, appsv1.DeploymentProgressing).Reason == "ProgressDeadlineExceeded"
			}, "the deadline passes")

			w.Fault(t, "podinfo:2", kubetest.None)
			eventually(t, c, d, func() bool { return d.Status.AvailableReplicas == 1 && d.Status.Replicas == 1 }, "a fault can end")
		})
	}
}

func TestDeploymentsFaultOfOne(t *testing.T) {
	c, ns := newClient(t), kubetest.Namespace(t)
	w := kubetest.Deployments(t, ns)
	w.FaultOf(t, "podinfo-primary", "podinfo:1", kubetest.NeverReady)
	d, primary := newDeployment(ns, "podinfo:1", 1), newDeployment(ns, "podinfo:1", 1)
	primary.Name, primary.Spec.Selector.MatchLabels, primary.Spec.Template.Labels = "podinfo-primary", map[string]string{"app": "primary"}, map[string]string{"app": "primary"}
	require.NoError(t, c.Create(t.Context(), primary))
	require.NoError(t, c.Create(t.Context(), d))
	eventually(t, c, d, func() bool { return d.Status.AvailableReplicas == 1 }, "the other one with that image is fine")
	eventually(t, c, primary, func() bool { return primary.Status.UnavailableReplicas == 1 }, "this one is not")
	w.FaultOf(t, "podinfo-primary", "podinfo:1", kubetest.None)
	eventually(t, c, primary, func() bool { return primary.Status.AvailableReplicas == 1 }, "until its fault ends")
}

func requirePod(t *testing.T, c client.Client, d *appsv1.Deployment, phase corev1.PodPhase, waiting string) {
	t.Helper()
	for _, pod := range podsOf(t, c, d) {
		if pod.Spec.Containers[0].Image != "podinfo:2" {
			continue
		}
		require.Equal(t, phase, pod.Status.Phase)
		require.False(t, pod.Status.ContainerStatuses[0].Ready)
		if waiting != "" {
			require.Equal(t, waiting, pod.Status.ContainerStatuses[0].State.Waiting.Reason)
		}
		return
	}
	require.Fail(t, "no pod of the new image")
}

func TestCollector(t *testing.T) {
	c, ns := newClient(t), kubetest.Namespace(t)
	kubetest.Collector(t, ns)
	kubetest.Deployments(t, ns)
	d := newDeployment(ns, "podinfo:1", 2)
	require.NoError(t, c.Create(t.Context(), d))
	eventually(t, c, d, func() bool { return d.Status.AvailableReplicas == 2 }, "it runs")

	free := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "free"}}
	require.NoError(t, c.Create(t.Context(), free))
	require.NoError(t, c.Delete(t.Context(), d))
	require.Eventually(t, func() bool { return len(podsOf(t, c, d)) == 0 }, patience, 10*time.Millisecond,
		"the Deployment's ReplicaSet goes after it, and then the pods")
	require.NoError(t, c.Get(t.Context(), client.ObjectKeyFromObject(free), free), "what has no owner stays")
}
