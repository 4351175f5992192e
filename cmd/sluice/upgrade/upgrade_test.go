package upgrade

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

const (
	target      = "podinfo"
	primary     = "podinfo-primary"
	placeholder = "http://hooks.example"

	patience = 3 * time.Minute
	lookout  = 50 * time.Millisecond
	// held is how long a Canary is looked at after the operator has begun, unless its interval is over before.
	held = 4 * time.Second
	// interval is that of base.
	interval = 20 * time.Second
	// quietLooks is how many looks, a second apart, find the same once nothing changes any more: routes settle for two
	// seconds, and only then is stopped what must not run.
	quietLooks = 4
)

// base is what all Canaries have in common. No interval is shorter than ten seconds.
const base = `
targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
service: {port: 9898}
progressDeadlineSeconds: 1200
analysis:
  interval: 20s
  threshold: 3
  metrics: [{name: request-success-rate, thresholdRange: {min: 99}}]
`

// kinds are what is recorded, in the order in which it is made again. The Canary is the first, and made last.
var kinds = []metav1.TypeMeta{
	{APIVersion: "flagger.app/v1beta1", Kind: "Canary"},
	{APIVersion: "v1", Kind: "ConfigMap"},
	{APIVersion: "apps/v1", Kind: "Deployment"},
	{APIVersion: "apps/v1", Kind: "DaemonSet"},
	{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"},
	{APIVersion: "v1", Kind: "Service"},
	{APIVersion: "networking.istio.io/v1", Kind: "VirtualService"},
	{APIVersion: "networking.istio.io/v1", Kind: "DestinationRule"},
}

// one is the namespace of one scenario.
type one struct {
	*testing.T
	*cluster
	scenario
	name, ns string
}

// each runs something for several scenarios at once, in namespaces that begin alike, and waits for all of them.
func (k *cluster) each(t *testing.T, group, prefix string, names []string, do func(o *one)) bool {
	return t.Run(group, func(t *testing.T) {
		for _, name := range names {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				do(&one{T: t, cluster: k, scenario: scenarios()[name], name: name, ns: prefix + name})
			})
		}
	})
}

// TestGoesOn has the present program take over what the earlier one has left.
func TestGoesOn(t *testing.T) { continued(t, earlier(), present()) }

// TestGoesBack has the earlier program take over what the present one has left: what it does not know of a status is no
// harm to it, and what it knows still means the same.
func TestGoesBack(t *testing.T) { continued(t, present(), earlier()) }

// continued has one version take over what another one has left.
func continued(t *testing.T, left, next version) {
	k := newCluster(t)
	if *update {
		k.record(t, left)
		k.record(t, next)
	}
	// Both have been recorded in the same states: what comes after is what the next version makes of them.
	path, files, goes := next.program(t), left.recordings(t), next.recordings(t)
	names := slices.Collect(maps.Keys(files))
	// The Canaries last and together: from then on their intervals run.
	require.True(t, k.each(t, "Restored", left.prefix, names, func(o *one) { o.restore(files[o.name]) }))
	stored := time.Now()
	require.True(t, k.each(t, "Stored", left.prefix, names, func(o *one) { o.store(files[o.name]) }))
	k.run(t, path, next.flags...)
	k.each(t, "Held", left.prefix, names, func(o *one) { o.holds(files[o.name], stored) })
	k.each(t, "Ended", left.prefix, names, func(o *one) {
		o.goOn()
		o.ends()
		require.Equal(o, goes[o.name].States, o.history(o.ns, target), o.reason)
		// Behind a closed gate it goes on being judged, for as long as that takes; and while pods start for a larger step.
		if o.closed == "" {
			require.GreaterOrEqual(o, o.checks(), goes[o.name].Checks, "%s: it has lost its place", o.reason)
		}
		var last string
		for _, template := range o.history(o.ns, primary) {
			image, _, _ := strings.Cut(template, " ")
			require.NotEqual(o, last, image, "the primary's pods are replaced by others of the same image")
			last = image
		}
	})
}

func (o *one) await(what string, is func() bool) {
	o.Helper()
	if !eventually(is) {
		require.FailNow(o, what, "%s: %v", o.reason, o.history(o.ns, target))
	}
}

// eventually looks until something is so.
func eventually(is func() bool) bool {
	late := time.After(patience)
	tick := time.NewTicker(lookout)
	defer tick.Stop()
	for !is() {
		select {
		case <-late:
			return false
		case <-tick.C:
		}
	}
	return true
}

func (o *one) canary() *v1beta1.Canary {
	o.Helper()
	c := &v1beta1.Canary{}
	err := o.Get(o.Context(), client.ObjectKey{Namespace: o.ns, Name: target}, c)
	if apierrors.IsNotFound(err) {
		return nil
	}
	require.NoError(o, err)
	return c
}

// checks is in how many rounds of its rollout the metric of a Canary was judged.
func (o *one) checks() int {
	o.Helper()
	c := o.canary()
	if c == nil || c.Status.Analysis == nil || len(c.Status.Analysis.Metrics) == 0 {
		return 0
	}
	return c.Status.Analysis.Metrics[0].Checks
}

func (o *one) image(version string) string { return o.name + ":" + version }

// record drives a Canary to its state, and returns what there is then, and how it goes on.
func (o *one) record() recorded {
	require.NoError(o, o.Create(o.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: o.ns}}))
	o.judges.set(o.ns, o.closed, o.failing)
	if !o.delete {
		o.fault(true)
	}
	o.deploy()
	if o.state != "Initializing 0 0" {
		o.await("it is initialised", func() bool { return stateOf(o.canary()) == "Initialized 0 0" && o.stopped() })
	}
	if o.rollout {
		o.set("2")
	}
	if o.delete {
		o.fault(true)
		require.NoError(o, o.Delete(o.Context(), o.canary()))
	}
	o.await("it is in its state", func() bool { return o.reached(o.canary()) })
	if o.suspend {
		o.patch(`{"spec":{"suspend":true}}`)
		o.await("it is halted", func() bool { c := o.canary(); return c.Status.ObservedGeneration == c.Generation })
	}
	r := recorded{Objects: o.quiet(), At: time.Now().UTC()}
	from := len(o.history(o.ns, target)) - 1
	o.goOn()
	o.ends()
	r.States, r.Checks = o.history(o.ns, target)[from:], o.checks()
	require.Contains(o, r.States[0], o.state+", step ")
	return r
}

// reached says that a Canary is in the state to record: at rest with its target stopped.
func (o *one) reached(c *v1beta1.Canary) bool {
	if stateOf(c) != o.state || o.closed != "" && o.judges.refused(o.ns) == 0 {
		return false
	}
	switch c.Status.Phase {
	case v1beta1.PhaseInitialized, v1beta1.PhaseSucceeded:
		return o.stopped()
	case v1beta1.PhaseFailed:
		return c.Status.CanaryWeight > 0 || o.stopped()
	case v1beta1.PhaseProgressing:
		return c.Status.FailedChecks == o.failing
	default:
		return true
	}
}

// quiet is what there is once nothing changes any more, or at once where that cannot be waited for.
func (o *one) quiet() (objects []map[string]any) {
	o.Helper()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for last, same := "", 0; ; <-tick.C {
		objects = o.dump()
		text, err := json.Marshal(objects)
		require.NoError(o, err)
		if string(text) != last {
			last, same = string(text), 0
		}
		if same++; same == quietLooks || o.moves {
			require.Equal(o, o.state, stateOf(o.canary()), "it has gone on already")
			return objects
		}
	}
}

func (o *one) deploy() {
	spec := v1beta1.CanarySpec{}
	require.NoError(o, yaml.UnmarshalStrict([]byte(base), &spec))
	require.NoError(o, yaml.UnmarshalStrict([]byte(strings.ReplaceAll(o.spec, placeholder, o.url)), &spec))
	labels, replicas := map[string]string{"app": target}, max(o.size, 2)
	meta, selector := metav1.ObjectMeta{Namespace: o.ns, Name: target}, &metav1.LabelSelector{MatchLabels: labels}
	// The apex Service of a Canary that weighs by numbers of pods finds them by this label.
	pods := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": target, "sluice.dev/apex": target}}}
	pods.Spec.Containers = []corev1.Container{{Name: "podinfod", Image: o.image("1")}}
	if o.beside != "" {
		u := &unstructured.Unstructured{}
		require.NoError(o, yaml.UnmarshalStrict([]byte(o.beside), &u.Object))
		u.SetNamespace(o.ns)
		require.NoError(o, o.Create(o.Context(), u))
		if u.GetKind() == "ConfigMap" {
			from := corev1.EnvFromSource{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: u.GetName()}}}
			pods.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{from}
		}
	}
	var workload client.Object = &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Replicas: &replicas, Selector: selector, Template: pods}}
	if o.kind == "DaemonSet" {
		spec.TargetRef.Kind = o.kind
		workload = &appsv1.DaemonSet{ObjectMeta: meta, Spec: appsv1.DaemonSetSpec{Selector: selector, Template: pods}}
	}
	require.NoError(o, o.Create(o.Context(), workload))
	require.NoError(o, o.Create(o.Context(), &v1beta1.Canary{ObjectMeta: meta, Spec: spec}))
}

// fault breaks what is broken in the scenario, or mends it.
func (o *one) fault(broken bool) {
	for what, fault := range o.broken {
		name, version, _ := strings.Cut(what, " ")
		if !broken {
			fault = kubetest.None
		}
		o.deployments.FaultOf(o, name, o.image(version), fault)
	}
}

// goOn ends what has kept a Canary in its state.
func (o *one) goOn() {
	o.judges.set(o.ns, "", 0)
	if o.suspend {
		o.patch(`{"spec":{"suspend":false}}`)
	}
	if o.then != "" {
		// No less is heeded of an interval, and a busy machine is no bad revision.
		o.patch(`{"spec":{"progressDeadlineSeconds":1200,"analysis":{"interval":"10s"}}}`)
		o.set(o.then)
		return
	}
	o.fault(false)
}

func (o *one) ends() {
	o.Helper()
	if o.end == "" {
		o.await("it is gone", func() bool { return o.canary() == nil })
		return
	}
	o.await("it ends as "+o.end, func() bool {
		// What is seen comes by a watch, later than what is read.
		seen := o.history(o.ns, target)
		return stateOf(o.canary()) == o.end && len(seen) > 0 && strings.HasPrefix(seen[len(seen)-1], o.end+", ") && o.stopped() && template(o.workload(primary)).Spec.Containers[0].Image == o.image(o.serves)
	})
}

func (o *one) patch(text string) {
	o.Helper()
	c := o.canary()
	require.NoError(o, o.Patch(o.Context(), c, client.RawPatch(types.MergePatchType, []byte(text))))
}

// set deploys a version.
func (o *one) set(version string) {
	o.Helper()
	text := fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":"podinfod","image":%q}]}}}}`, o.image(version))
	w := o.workload(target)
	require.NoError(o, o.Patch(o.Context(), w, client.RawPatch(types.StrategicMergePatchType, []byte(text))))
}

func (o *one) workload(name string) client.Object {
	o.Helper()
	var w client.Object = &appsv1.Deployment{}
	if o.kind == "DaemonSet" {
		w = &appsv1.DaemonSet{}
	}
	require.NoError(o, o.Get(o.Context(), client.ObjectKey{Namespace: o.ns, Name: name}, w))
	return w
}

func template(w client.Object) *corev1.PodTemplateSpec {
	if d, ok := w.(*appsv1.Deployment); ok {
		return &d.Spec.Template
	}
	return &w.(*appsv1.DaemonSet).Spec.Template //nolint:forcetypeassert // there are two kinds
}

// stopped says that the target has no pods.
func (o *one) stopped() bool {
	o.Helper()
	w := o.workload(target)
	if d, ok := w.(*appsv1.Deployment); ok {
		return *d.Spec.Replicas == 0
	}
	return len(template(w).Spec.NodeSelector) > 0
}

// dump is all that there is, as it can be made again.
func (o *one) dump() (all []map[string]any) {
	o.Helper()
	for _, kind := range kinds {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion(kind.APIVersion)
		list.SetKind(kind.Kind + "List")
		require.NoError(o, o.List(o.Context(), list, client.InNamespace(o.ns)))
		for _, u := range list.Items {
			u.SetResourceVersion("")
			fields := u.GetManagedFields()
			if kind.Kind != "Canary" {
				u.SetUID("")
				u.SetGeneration(0)
				u.SetCreationTimestamp(metav1.Time{})
				unstructured.RemoveNestedField(u.Object, "status")
				fields = withoutStatus(fields)
			}
			u.SetManagedFields(fields)
			if ip, _, _ := unstructured.NestedString(u.Object, "spec", "clusterIP"); ip != corev1.ClusterIPNone && kind.Kind == "Service" {
				unstructured.RemoveNestedField(u.Object, "spec", "clusterIP")
				unstructured.RemoveNestedField(u.Object, "spec", "clusterIPs")
			}
			all = append(all, u.Object)
		}
	}
	return all
}

func withoutStatus(all []metav1.ManagedFieldsEntry) (kept []metav1.ManagedFieldsEntry) {
	for _, e := range all {
		if e.Subresource == "" {
			kept = append(kept, e)
		}
	}
	return kept
}

var timestamp = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)

// restore makes again what was recorded, as if it had been just now.
func (o *one) restore(r recorded) {
	o.judges.set(o.ns, o.closed, 0)
	o.fault(true)
	require.NoError(o, o.Create(o.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: o.ns}}))
	for _, object := range o.objects(r)[1:] {
		o.make(object)
	}
	for _, name := range []string{target, primary} {
		o.await(name+" is as it was", func() bool { return o.settled(name) })
	}
}

// store makes the Canary again, in its state, a whole interval before its next check.
func (o *one) store(r recorded) {
	canary := o.objects(r)[0]
	if _, checked, _ := unstructured.NestedString(canary.Object, "status", "nextCheck"); checked {
		next := time.Now().Add(interval).UTC().Format(metav1.RFC3339Micro)
		require.NoError(o, unstructured.SetNestedField(canary.Object, next, "status", "nextCheck"))
	}
	kubetest.Store(o, canary, "canaries")
	o.await("it is served", func() bool { c := o.canary(); return c != nil && c.UID == canary.GetUID() })
	require.Equal(o, o.state, stateOf(o.canary()))
}

// objects are the recorded ones, with the times that they would have had.
func (o *one) objects(r recorded) (all []*unstructured.Unstructured) {
	shift := time.Since(r.At)
	text, err := json.Marshal(r.Objects)
	require.NoError(o, err)
	text = bytes.ReplaceAll(text, []byte(placeholder), []byte(o.url))
	text = timestamp.ReplaceAllFunc(text, func(at []byte) []byte {
		was, err := time.Parse(time.RFC3339Nano, string(at))
		require.NoError(o, err)
		layout := "2006-01-02T15:04:05Z"
		if _, digits, ok := strings.Cut(strings.TrimSuffix(string(at), "Z"), "."); ok {
			layout = "2006-01-02T15:04:05." + strings.Repeat("0", len(digits)) + "Z"
		}
		return []byte(was.Add(shift).UTC().Format(layout))
	})
	var objects []map[string]any
	require.NoError(o, json.Unmarshal(text, &objects))
	for _, object := range objects {
		all = append(all, &unstructured.Unstructured{Object: object})
	}
	return all
}

// make makes an object with the record of who owns what in it.
func (o *one) make(u *unstructured.Unstructured) {
	o.Helper()
	fields, made := u.GetManagedFields(), u.DeepCopy()
	made.SetManagedFields(nil)
	// Pods of the version before serve beside those that do not start.
	_, broken := o.broken[u.GetName()+" 2"]
	if broken && u.GetName() == primary {
		text, err := made.MarshalJSON()
		require.NoError(o, err)
		require.NoError(o, made.UnmarshalJSON(bytes.ReplaceAll(text, []byte(o.image("2")), []byte(o.image("1")))))
	}
	require.NoError(o, o.Create(o.Context(), made), "%s %s", u.GetKind(), u.GetName())
	if broken && u.GetName() == primary {
		o.await("it serves", func() bool { return o.settled(primary) })
		spec, err := json.Marshal(map[string]any{"spec": u.Object["spec"]})
		require.NoError(o, err)
		require.NoError(o, o.Patch(o.Context(), made, client.RawPatch(types.MergePatchType, spec)))
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"managedFields": fields}})
	require.NoError(o, err)
	require.NoError(o, o.Patch(o.Context(), made, client.RawPatch(types.MergePatchType, patch)))
}

// settled says that a workload has the pods that it can have.
func (o *one) settled(name string) bool {
	o.Helper()
	w := o.workload(name)
	if d, ok := w.(*appsv1.Deployment); ok {
		_, fault := o.broken[name+" "+strings.TrimPrefix(d.Spec.Template.Spec.Containers[0].Image, o.name+":")]
		s := d.Status
		return s.ObservedGeneration == d.Generation && s.UpdatedReplicas == *d.Spec.Replicas && (fault || s.AvailableReplicas == *d.Spec.Replicas)
	}
	s := w.(*appsv1.DaemonSet).Status //nolint:forcetypeassert // there are two kinds
	return s.ObservedGeneration == w.GetGeneration() && s.NumberUnavailable == 0 && s.UpdatedNumberScheduled == s.DesiredNumberScheduled
}

// holds looks whether anything is changed by the operator's start, before the next check of a Canary may be due.
func (o *one) holds(r recorded, stored time.Time) {
	want, start := o.picture(o.objects(r)), time.Now()
	tick := time.NewTicker(10 * lookout)
	defer tick.Stop()
	for ; time.Since(start) < held; <-tick.C {
		var now []*unstructured.Unstructured
		for _, object := range o.dump() {
			now = append(now, &unstructured.Unstructured{Object: object})
		}
		if time.Since(stored) > interval {
			return
		}
		require.Equal(o, want, o.picture(now), o.reason)
	}
}

// picture is what users would notice a change of: what runs, where requests go, and what the rollout remembers.
func (o *one) picture(objects []*unstructured.Unstructured) string {
	o.Helper()
	seen := map[string]any{}
	for _, u := range objects {
		key := u.GetKind() + " " + u.GetName()
		switch spec, _, _ := unstructured.NestedMap(u.Object, "spec"); {
		case u.GetKind() == "Canary" && !o.moves:
			status, _, _ := unstructured.NestedMap(u.Object, "status")
			for _, field := range []string{
				"phase", "canaryWeight", "iterations", "failedChecks", "lastAppliedSpec", "lastPromotedSpec", "promoting", "step", "matched", "primaryReplicas",
				"sessionAffinityCookie", "primarySessionAffinityCookie",
			} {
				seen[key+" "+field] = status[field]
			}
		case u.GetKind() == "Service":
			seen[key] = []any{spec["selector"], spec["ports"]}
		case o.moves && u.GetName() == target:
			// It is being stopped.
			seen[key] = spec["template"]
		case u.GetKind() != "Canary":
			seen[key] = []any{spec, u.Object["data"]}
		}
	}
	text, err := yaml.Marshal(seen)
	require.NoError(o, err)
	return string(text)
}
