package controller

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// configured is a world whose target reads a ConfigMap and a Secret.
func configured(t *testing.T, change ...func(*corev1.ConfigMap)) *world {
	t.Helper()
	w := newWorld(t)
	settings := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "settings"},
		Data:       map[string]string{"color": "blue"}, BinaryData: map[string][]byte{"logo": {0xff}},
	}
	for _, f := range change {
		f(settings)
	}
	require.NoError(t, w.Create(t.Context(), settings))
	token := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "token"}, Data: map[string][]byte{"token": []byte("t")}}
	require.NoError(t, w.Create(t.Context(), token))
	w.editTarget(func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.Volumes = []corev1.Volume{
			{Name: "token", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "token"}}},
		}
		d.Spec.Template.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{
			{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}},
			{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "later"}, Optional: new(true)}},
		}
	})
	return w
}

// colorOf reads one key of a ConfigMap, empty when there is none.
func (w *world) colorOf(name string) string {
	w.Helper()
	o := &corev1.ConfigMap{}
	err := w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: name}, o)
	require.NoError(w, client.IgnoreNotFound(err))
	return o.Data["color"]
}

func (w *world) setColor(color string) {
	w.Helper()
	o := &corev1.ConfigMap{}
	require.NoError(w, w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: "settings"}, o))
	o.Data["color"] = color
	require.NoError(w, w.Update(w.Context(), o))
}

func TestConfigs(t *testing.T) {
	t.Parallel()
	w := configured(t)
	w.begin()
	require.Equal(t, "blue", w.colorOf("settings-primary"))
	pods := w.live("podinfo-primary").Spec.Template
	require.Equal(t, "token-primary", pods.Spec.Volumes[0].Secret.SecretName)
	require.Equal(t, "settings-primary", pods.Spec.Containers[0].EnvFrom[0].ConfigMapRef.Name)
	require.Equal(t, "later-primary", pods.Spec.Containers[0].EnvFrom[1].ConfigMapRef.Name, "should it come later, it is not met before it passed")
	first := *w.status().TrackedConfigs
	require.Len(t, first, 2)
	require.Len(t, first["secret/token"], 16)

	w.judge.hold(50)
	w.setColor("green")
	w.awaitWeights("50/50")
	require.Equal(t, "blue", w.colorOf("settings-primary"), "users meet the new one only when it has passed")
	w.judge.goOn()
	w.awaitPhase(v1beta1.PhaseSucceeded)
	require.Equal(t, "green", w.colorOf("settings-primary"))
	require.NotEqual(t, pods.Annotations, w.live("podinfo-primary").Spec.Template.Annotations, "the primary's pods are replaced")
	require.NotEqual(t, first["configmap/settings"], (*w.status().TrackedConfigs)["configmap/settings"])
	require.Equal(t, first["secret/token"], (*w.status().TrackedConfigs)["secret/token"])
}

func TestBadConfigIsRolledBack(t *testing.T) {
	t.Parallel()
	w := configured(t)
	w.begin()
	w.judge.fail(-1)
	w.setColor("green")
	w.awaitPhase(v1beta1.PhaseFailed)
	w.awaitTargetStopped()
	require.Equal(t, "blue", w.colorOf("settings-primary"), "what did not pass is not copied")

	w.judge.fail(0)
	w.setColor("blue")
	w.awaitPhase(v1beta1.PhaseSucceeded)
	require.Equal(t, "blue", w.colorOf("settings-primary"), "put back, it is what was promoted")
}

func TestOptionalConfigComesLater(t *testing.T) {
	t.Parallel()
	w := configured(t)
	w.begin()
	later := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "later"}, Data: map[string]string{"color": "red"}}
	require.NoError(t, w.Create(t.Context(), later))
	w.awaitPhase(v1beta1.PhaseSucceeded)
	require.Equal(t, "red", w.colorOf("later-primary"))
	require.Contains(t, *w.status().TrackedConfigs, "configmap/later")
}

func TestSharedConfig(t *testing.T) {
	t.Parallel()
	w := configured(t, func(o *corev1.ConfigMap) { o.Annotations = map[string]string{workload.TrackingAnnotation: "disabled"} })
	o := w.begin()
	require.Equal(t, "settings", w.live("podinfo-primary").Spec.Template.Spec.Containers[0].EnvFrom[0].ConfigMapRef.Name)
	require.Empty(t, w.colorOf("settings-primary"), "both sides read the one")
	before := o.passes()
	w.setColor("green")
	w.await("the change was seen", func() bool { return o.passes() > before })
	require.Equal(t, v1beta1.PhaseInitialized, w.status().Phase, "and starts nothing")
	require.NotContains(t, *w.status().TrackedConfigs, "configmap/settings")
}

func TestImmutableConfigIsMadeAnew(t *testing.T) {
	t.Parallel()
	frozen := func(o *corev1.ConfigMap) { o.Immutable = new(true) }
	w := configured(t, frozen)
	w.begin()
	old := &corev1.ConfigMap{}
	require.NoError(t, w.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: "settings"}, old))
	require.NoError(t, w.Delete(t.Context(), old))
	anew := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "settings"}, Data: map[string]string{"color": "green"}}
	frozen(anew)
	require.NoError(t, w.Create(t.Context(), anew))
	w.await("it is promoted", func() bool {
		return w.status().Phase == v1beta1.PhaseSucceeded && w.colorOf("settings-primary") == "green"
	})
	made := &corev1.ConfigMap{}
	require.NoError(t, w.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: "settings-primary"}, made))
	require.True(t, *made.Immutable)
	require.Empty(t, made.BinaryData)
}

func TestCopyDeletedAtRest(t *testing.T) {
	t.Parallel()
	w := configured(t)
	w.begin()
	made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "settings-primary"}}
	require.NoError(t, w.Delete(t.Context(), made))
	w.await("it is made again", func() bool { return w.colorOf("settings-primary") == "blue" })
}

// TestCopyOfSomebodyElse leaves alone what has the name of a copy.
func TestCopyOfSomebodyElse(t *testing.T) {
	t.Parallel()
	w := configured(t)
	theirs := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "settings-primary"}, Data: map[string]string{"color": "theirs"}}
	require.NoError(t, w.Create(t.Context(), theirs))
	w.begin()
	require.Equal(t, "theirs", w.colorOf("settings-primary"))
	require.Equal(t, "blue", w.colorOf("settings-podinfo-primary"))
	require.Equal(t, "settings-podinfo-primary", w.live("podinfo-primary").Spec.Template.Spec.Containers[0].EnvFrom[0].ConfigMapRef.Name)
}

// TestTrackingIsTurned on and off, which is no change of any target.
func TestTrackingIsTurned(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]bool{"Off": true, "On": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := configured(t)
			require.NoError(t, w.Create(t.Context(), w.canary()))
			tune := func(on bool) func(*Reconciler) { return func(r *Reconciler) { r.Tracking = on } }
			o := start(t, w.ns, w.clock, w.judge, 0, tune(first))
			w.awaitPhase(v1beta1.PhaseInitialized)
			w.awaitTargetStopped()
			w.await("its pods have ended", func() bool { return w.live("podinfo").Status.Replicas == 0 })
			o.stop()
			again := start(t, w.ns, w.clock, w.judge, 0, tune(!first))
			w.await("the Canary was looked at", func() bool { return again.passes() > 0 })
			require.Zero(t, again.Writes(), "%v", again.Calls())
			require.Equal(t, v1beta1.PhaseInitialized, w.status().Phase)
			w.setImage(imageTwo)
			w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
			if first {
				require.Equal(t, "settings", w.live("podinfo-primary").Spec.Template.Spec.Containers[0].EnvFrom[0].ConfigMapRef.Name)
				return
			}
			require.Equal(t, "blue", w.colorOf("settings-primary"), "it takes effect with the next rollout")
		})
	}
}

// TestRightToSecrets takes the right to Secrets from an operator, and gives it back. Neither is a change of any target;
// the next revision shares the Secret, and the one after has a copy again.
func TestRightToSecrets(t *testing.T) {
	t.Parallel()
	w := configured(t)
	shared := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "shared", Annotations: map[string]string{workload.TrackingAnnotation: "disabled"}}}
	require.NoError(t, w.Create(t.Context(), shared))
	w.editTarget(func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.Volumes = append(d.Spec.Template.Spec.Volumes, corev1.Volume{Name: "shared", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "shared"}}})
	})
	w.begin().stop()
	idle := func(o *operator) {
		w.await("the Canary was looked at", func() bool { return o.passes() > 0 })
		require.Zero(t, o.Writes(), "%v", o.Calls())
		require.Equal(t, v1beta1.PhaseInitialized, w.status().Phase)
	}
	secret := func() string { return w.live("podinfo-primary").Spec.Template.Spec.Volumes[0].Secret.SecretName }

	without := &operator{Crasher: &kubetest.Crasher{}}
	rules := append(everythingBut(""), rbacv1.PolicyRule{
		APIGroups: []string{""}, Resources: []string{"services", "configmaps", "pods", "events"}, Verbs: []string{"*"},
	})
	without.launch(t, w.entitled(rules...), w.ns, w.clock, w.judge)
	idle(without)
	require.True(t, without.manager.GetCache().WaitForCacheSync(t.Context()), "readiness waits for nothing that never comes")
	require.Equal(t, "token-primary", secret())
	w.setImage(imageTwo)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	require.Equal(t, "token", secret(), "what can't be copied is shared")
	require.Empty(t, (*w.status().TrackedConfigs)["secret/token"])
	require.Contains(t, *w.status().TrackedConfigs, "secret/token")
	w.awaitRecorded(1)
	without.stop()

	again := start(t, w.ns, w.clock, w.judge, 0)
	w.await("the Canary was looked at", func() bool { return again.passes() > 0 })
	require.Zero(t, again.Writes(), "%v", again.Calls())
	require.Equal(t, v1beta1.PhaseSucceeded, w.status().Phase)
	w.setImage(imageOne)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageOne)
	require.Equal(t, "token-primary", secret())
	require.Len(t, (*w.status().TrackedConfigs)["secret/token"], 16)
}

func TestConfigsGoWithTheirCanary(t *testing.T) {
	t.Parallel()
	w := configured(t)
	w.begin()
	w.garbageCollect()
	w.delete("podinfo")
	w.gone(&corev1.ConfigMap{}, "settings-primary")
	w.gone(&corev1.Secret{}, "token-primary")
	require.Equal(t, "blue", w.colorOf("settings"))
}

// TestConfigsAtRest costs nothing: contents are read once, and no Secret is listed but by its metadata.
func TestConfigsAtRest(t *testing.T) {
	t.Parallel()
	w := configured(t)
	o := w.begin()
	reads := o.Count("get", "secrets")
	before := o.passes()
	for i := range 3 {
		w.editCanary(func(c *v1beta1.Canary) { c.Annotations = map[string]string{"round": fmt.Sprint(i)} })
	}
	w.await("it was looked at", func() bool { return o.passes() > before })
	require.Equal(t, reads, o.Count("get", "secrets"), "what has not changed is not read again: %v", o.Calls())
}

// TestConfigCrashAfterAnyWrite is TestCrashAfterAnyWrite for a change of a config alone.
func TestConfigCrashAfterAnyWrite(t *testing.T) {
	t.Parallel()
	live := func(t *testing.T, k int) int {
		t.Helper()
		w := configured(t)
		require.NoError(t, w.Create(t.Context(), w.canary()))
		return w.crashAfter(k, func() { w.setColor("green") }, func() bool {
			s := w.status()
			return s.Phase == v1beta1.PhaseSucceeded && w.colorOf("settings-primary") == "green" && *w.live("podinfo").Spec.Replicas == 0
		})
	}
	crashAfterAny(t, 9, live)
}

func TestMissingConfig(t *testing.T) {
	t.Parallel()
	w := configured(t)
	w.begin()
	old := &corev1.ConfigMap{}
	require.NoError(t, w.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: "settings"}, old))
	w.judge.fail(-1)
	require.NoError(t, w.Delete(t.Context(), old))
	w.awaitPhase(v1beta1.PhaseFailed)
	require.Equal(t, "blue", w.colorOf("settings-primary"), "the primary has what it had")
	err := w.Get(t.Context(), client.ObjectKeyFromObject(old), old)
	require.True(t, apierrors.IsNotFound(err))
}
