package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/related"
	"github.com/sluice-cd/sluice/pkg/workload"
)

func (s *scene) image(name string) string {
	return s.workload(name).Spec.Template.Spec.Containers[0].Image
}

// update gives a Deployment another image and awaits its ReplicaSet.
func (s *scene) update(name, image string, annotations map[string]string) {
	s.Helper()
	d := s.workload(name)
	number := d.Annotations[workload.DeploymentRevision]
	before := d.DeepCopy()
	d.Spec.Template.Spec.Containers[0].Image = image
	for k, v := range annotations {
		metav1.SetMetaDataAnnotation(&d.ObjectMeta, k, v)
	}
	require.NoError(s, s.Patch(s.Context(), d, client.MergeFrom(before)))
	s.await(name+" has another ReplicaSet", func() bool { return s.workload(name).Annotations[workload.DeploymentRevision] != number })
}

// The target goes back to what its own history has.
func TestUndo(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	kubetest.Deployments(t, s.ns)
	first := s.deployment("podinfo", "example.com/podinfo:1", 1, nil)
	s.update("podinfo", "example.com/podinfo:2", nil)
	s.canary("podinfo", func(c *v1beta1.Canary) {
		c.Status.PromotedTemplate = &v1beta1.TargetTemplate{Revision: "r1-one", UID: first.UID, Number: first.Annotations[workload.DeploymentRevision]}
	})
	d := s.workload("podinfo")
	metav1.SetMetaDataLabel(&d.ObjectMeta, "kustomize.toolkit.fluxcd.io/name", "apps")
	require.NoError(t, s.Update(t.Context(), d))
	code, out, stderr := s.called("undo", "podinfo")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "deployment.apps/podinfo put back to what serves (podinfo-")
	require.Contains(t, stderr, "warning: deployment.apps/podinfo belongs to Flux, which will put it back")
	require.Equal(t, "example.com/podinfo:1", s.image("podinfo"))
	require.Equal(t, first.Spec.Template, s.workload("podinfo").Spec.Template, "labels of ReplicaSets are none of the target's")
	s.edit("podinfo", func(st *v1beta1.CanaryStatus) {
		full := &v1beta1.Canary{Status: *st}
		succeeded(full)
		*st = full.Status
	})
	s.await("it is the newest again", func() bool { return s.workload("podinfo").Annotations[workload.DeploymentRevision] == "3" })
	code, _, stderr = s.called("undo", "podinfo", "--to-run", "2")
	require.Zero(t, code, stderr)
	require.Equal(t, "example.com/podinfo:2", s.image("podinfo"))
	code, _, stderr = s.called("undo", "podinfo", "--to-run", "9")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "run 9 is none of those that are kept")
}

// Images are changed by the names of containers, and of nothing else.
func TestSetImage(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.canary("podinfo", func(c *v1beta1.Canary) { c.Spec.TargetRef.Kind = "DaemonSet" })
	labels := map[string]string{"app": "podinfo"}
	d := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "podinfo"}}
	d.Spec.Selector, d.Spec.Template.Labels = &metav1.LabelSelector{MatchLabels: labels}, labels
	d.Spec.Template.Spec.InitContainers = []corev1.Container{{Name: "migrate", Image: "migrate:1"}}
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "podinfod", Image: "podinfo:1"}, {Name: "sidecar", Image: "sidecar:1"}}
	require.NoError(t, s.Create(t.Context(), d))
	digest := "podinfo@sha256:" + strings.Repeat("0", 64)
	code, out, stderr := s.called("set", "image", "podinfo", "podinfod="+digest, "migrate=migrate:2")
	require.Zero(t, code, stderr)
	require.Equal(t, "daemonset.apps/podinfo image updated\n", out)
	require.NoError(t, s.Get(t.Context(), client.ObjectKeyFromObject(d), d))
	require.Equal(t, []string{"migrate:2", digest, "sidecar:1"},
		[]string{d.Spec.Template.Spec.InitContainers[0].Image, d.Spec.Template.Spec.Containers[0].Image, d.Spec.Template.Spec.Containers[1].Image})
	_, out, _ = s.called("set", "image", "podinfo", "sidecar=sidecar:2", "-o", "name")
	require.Equal(t, "daemonset.apps/podinfo\n", out)
	code, _, stderr = s.called("set", "image", "podinfo", "podinfod=podinfo:3", "other=podinfo:3")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "daemonset.apps/podinfo has no container other; it has migrate, podinfod, sidecar")
}

func TestHistory(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	kubetest.Deployments(t, s.ns)
	s.deployment("podinfo-primary", "podinfo:1", 1, map[string]string{workload.RevisionAnnotation: "r1-one"})
	s.update("podinfo-primary", "podinfo:2", map[string]string{workload.RevisionAnnotation: "r1-two"})
	c := s.canary("podinfo", succeeded)
	code, out, stderr := s.called("history", "podinfo")
	require.Zero(t, code, stderr)
	rows := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, rows, 3)
	require.Equal(t, strings.Fields("RUN OUTCOME REVISION IMAGES STARTED TOOK BY REASON"), strings.Fields(rows[0]))
	require.Regexp(t, `^2 +✔ Promoted +r1-two +podinfo:2 +\S+ \S+Z +60s$`, rows[1])
	require.Regexp(t, `^1 +✔ Promoted +r1-one +podinfo:1 +\S+ \S+Z +30m +ben$`, rows[2])
	_, out, _ = s.called("history", "podinfo", "2")
	containsAll(t, out, "Run:        2\n", "Images:     podinfo 1 → 2\n", "Outcome:    ✔ Promoted\n")
	_, out, _ = s.called("history", "podinfo", "-o", "json")
	require.Contains(t, out, `"outcome": "Promoted"`)
	code, _, stderr = s.called("history", "podinfo", "7")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "run 7 is not kept")
	ended := metav1.Now()
	recorded := &v1beta1.CanaryRun{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: desired.RunName(c, 7)}, Record: v1beta1.RunRecord{
		Run: v1beta1.Run{Number: 7, Revision: "r1-seven", Outcome: v1beta1.RunRolledBack, Cause: "too slow", Started: metav1.Now(), Finished: &ended, Track: []v1beta1.TrackPoint{{Weight: 20, Step: 2}}},
		Metrics: []v1beta1.MetricStatus{{Name: "latency", Measurements: []v1beta1.Measurement{{
			Time: metav1.Now(), Verdict: v1beta1.Failed, Value: "612", Limit: "<= 500",
		}}}},
	}}
	require.NoError(t, s.Create(t.Context(), recorded))
	_, out, _ = s.called("history", "podinfo", "7")
	containsAll(t, out, "Run:        7\n", "Outcome:    ✖ RolledBack\n", "Cause:      too slow\n")
	require.Regexp(t, `latency +612 +<= 500 +Failed`, out)
	s.await("the templates of both are there", func() bool {
		code, out, _ = s.called("history", "podinfo", "--diff", "1", "2")
		return code == 0
	})
	require.Contains(t, out, "-  - image: podinfo:1\n+  - image: podinfo:2\n")
	require.NotContains(t, out, "pod-template-hash")
}

func TestDifference(t *testing.T) {
	require.Empty(t, difference(lines("a\nb"), lines("a\nb")))
	require.Equal(t, []string{"-a", " b", "+c"}, difference(lines("a\nb"), lines("b\nc")))
	require.Equal(t, []string{" 3", " 4", " 5", "-6", "+x", " 7", " 8", " 9", "@ …"}, difference(lines("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11"), lines("1\n2\n3\n4\n5\nx\n7\n8\n9\n10\n11"))[0:9])
}

func TestEvents(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	c := s.canary("podinfo")
	event := func(name, reason, message string, about *v1beta1.Canary) {
		e := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: name}, Type: "Normal", Reason: reason, Message: message, LastTimestamp: metav1.Now(), Count: 2}
		e.InvolvedObject = corev1.ObjectReference{Kind: "Canary", Namespace: s.ns, Name: about.Name, UID: about.UID}
		require.NoError(t, s.Create(t.Context(), e))
	}
	event("one", "NewRevision", "New revision\x1b[2J detected", c)
	event("two", "NewRevision", "of another", s.canary("other"))
	code, out, stderr := s.called("events", "podinfo")
	require.Zero(t, code, stderr)
	require.Regexp(t, `^\d+s +Normal +NewRevision +New revision\[2J detected \(x2\)\n$`, out)
	_, out, _ = s.called("events", "podinfo", "-o", "name")
	require.Equal(t, "event/one\n", out)
	w := s.start("events", "podinfo", "-w")
	w.await("New revision")
	event("three", "Synced", "Advance podinfo", c)
	w.await("Synced")
	w.stop()
	require.NotContains(t, w.said(), "of another")
}

// No kubelet runs, so that logs are empty.
func TestLogs(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	kubetest.Deployments(t, s.ns)
	s.canary("podinfo")
	code, _, stderr := s.called("logs", "podinfo")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "there are no such pods")
	s.deployment("podinfo", "podinfo:2", 1, nil)
	s.deployment("podinfo-primary", "podinfo:1", 2, nil)
	k := connected(s)
	objects := related.Objects(t.Context(), k, s.live("podinfo"))
	for side, pods := range map[string]int{"canary": 1, "primary": 2, "both": 3} {
		sources, unread := (&logs{side: side}).sources(objects, objects.Canary)
		require.Len(t, sources, pods, side)
		require.Empty(t, unread)
	}
	none, _ := (&logs{side: "both", container: "other"}).sources(objects, objects.Canary)
	require.Empty(t, none)
	code, out, stderr := s.called("logs", "podinfo", "--side", "canary")
	require.Zero(t, code, stderr)
	require.Empty(t, out, "a pod without a node has none")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.canary("podinfo")
	code, out, stderr := s.called("check")
	require.Equal(t, 1, code, "the cluster has no Istio: %s", stderr)
	containsAll(t, out, "✔ Canary of flagger.app/v1beta1 is served", "✔ patch canaries.flagger.app", "✔ rollback canaries.flagger.app", "✔ get pods/log",
		"✖ the API of provider istio, of canary podinfo, is served\n    error: provider \"istio\": the cluster does not serve networking.istio.io",
		"॥ Actions take rights of their own\n    warning: Whoever may annotate")
	code, out, stderr = s.called("check", "--pre", "-o", "json")
	require.Zero(t, code, stderr)
	containsAll(t, out, `"what": "create customresourcedefinitions.apiextensions.k8s.io"`, `"result": "ok"`)
}

func TestVersionAndCompletion(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.canary("podinfo")
	s.canary("other")
	operator := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "sluice", Labels: operatorLabels}}
	operator.Spec.Selector, operator.Spec.Template.Labels = &metav1.LabelSelector{MatchLabels: operatorLabels}, operatorLabels
	operator.Spec.Template.Spec.Containers = []corev1.Container{{Name: "sluice", Image: "docker.io/sluicecd/sluice:1.2.3"}}
	require.NoError(t, s.Create(t.Context(), operator))
	_, out, _ := s.called("version")
	require.Contains(t, out, "operator "+s.ns+"/sluice: docker.io/sluicecd/sluice:1.2.3\n")
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		code, out, stderr := called("", "completion", shell)
		require.Zero(t, code, stderr)
		require.Contains(t, out, "kubectl", shell)
	}
	_, out, _ = called("", "completion", "kubectl")
	require.Equal(t, "#!/bin/sh\n# On the PATH as kubectl_complete-sluice.\nexec kubectl sluice __complete \"$@\"\n", out)
	code, out, stderr := called("", "__complete", "promote", "-n", s.ns, "--kubeconfig", os.Getenv(kubetest.Kubeconfig), "other", "")
	require.Zero(t, code, stderr)
	require.Equal(t, "podinfo\n:4\n", out, "names that are not there yet, and no files")
}
