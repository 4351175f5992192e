package kube_test

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
)

// storefront makes a route of the user's with all requests at the primary, and waits until it is watched.
func (b *bench) storefront() *unstructured.Unstructured {
	b.t.Helper()
	weighed, err := runtime.DefaultUnstructuredConverter.ToUnstructured(virtualService(b, 0))
	require.NoError(b.t, err)
	u := &unstructured.Unstructured{Object: weighed}
	u.SetLabels(map[string]string{"team": "shop"})
	require.NoError(b.t, b.user.Create(b.t.Context(), u))
	b.watched(u)
	return u
}

// weighed is the list of rules as it is, with our weight in it, under the version that it was read in.
func (b *bench) weighed(weight int64) runtime.ApplyConfiguration {
	b.t.Helper()
	live := get(b, anyVirtualService(), "podinfo")
	b.watched(live)
	setWeights(100-weight, weight)(live)
	http, _, err := unstructured.NestedSlice(live.Object, "spec", "http")
	require.NoError(b.t, err)
	u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"http": http}}}
	u.SetGroupVersionKind(virtualServiceKind())
	u.SetNamespace(b.ns)
	u.SetName("podinfo")
	u.SetResourceVersion(live.GetResourceVersion())
	return kube.PartialOwned(client.ApplyConfigurationFromUnstructured(u))
}

// entries are those of the record of owners that have a name.
func entries(obj client.Object, manager string) []metav1.ManagedFieldsEntry {
	var found []metav1.ManagedFieldsEntry
	for _, e := range obj.GetManagedFields() {
		if e.Manager == manager {
			found = append(found, e)
		}
	}
	return found
}

func rule(u *unstructured.Unstructured) map[string]any {
	http, _, _ := unstructured.NestedSlice(u.Object, "spec", "http")
	return http[0].(map[string]any)
}

func TestPartialOwned(t *testing.T) {
	b := newBench(t)
	var told []string
	b.Drifted = func(_ *v1beta1.Canary, object string) { told = append(told, object) }
	before := b.storefront()
	require.True(t, b.apply(b.weighed(0)), "fields that are as desired are made ours all the same")
	b.quiet("once", b.weighed(0))
	require.True(t, b.apply(b.weighed(30)))
	after := get(b, anyVirtualService(), "podinfo")
	require.EqualValues(t, 30, rule(after)["route"].([]any)[1].(map[string]any)["weight"])
	require.Equal(t, before.GetLabels(), after.GetLabels())
	require.Empty(t, after.GetAnnotations(), "it gets no mark of ours")
	require.Len(t, entries(after, kube.FieldManager), 1)
	require.JSONEq(t, `{"f:spec":{"f:http":{}}}`, string(entries(after, kube.FieldManager)[0].FieldsV1.GetRawBytes()))
	b.quiet("it is as desired", b.weighed(30))
	b.restart()
	b.quiet("after a restart too", b.weighed(30))
	require.Empty(t, told)

	edit(b, after, "podinfo", func(u *unstructured.Unstructured) {
		r := rule(u)
		r["timeout"] = "3s"
		require.NoError(t, unstructured.SetNestedSlice(u.Object, []any{r}, "spec", "http"))
	})
	require.Empty(t, entries(after, kube.FieldManager), "who edits a rule takes the list")
	require.True(t, b.apply(b.weighed(30)), "the list is taken back as it is now")
	after = get(b, after, "podinfo")
	require.Equal(t, "3s", rule(after)["timeout"], "with the edit in it")
	require.Len(t, entries(after, kube.FieldManager), 1)
	require.Empty(t, told, "the weights were what they should be")
}

func TestPartialOwnedDriftIsTold(t *testing.T) {
	b := newBench(t)
	var told []string
	b.Drifted = func(_ *v1beta1.Canary, object string) { told = append(told, object) }
	b.storefront()
	b.apply(b.weighed(0))
	b.apply(b.weighed(30))
	require.Empty(t, told, "what we change is no drift")
	edit(b, anyVirtualService(), "podinfo", setWeights(1, 99))
	require.True(t, b.apply(b.weighed(30)))
	require.Equal(t, []string{"VirtualService podinfo"}, told)
	edit(b, anyVirtualService(), "podinfo", setWeights(1, 99))
	b.restart()
	require.True(t, b.apply(b.weighed(30)), "a new process puts back what it cannot know the history of")
}

// TestPartialOwnedIsNotOverwritten has somebody edit the list between our reading it and applying it.
func TestPartialOwnedIsNotOverwritten(t *testing.T) {
	b := newBench(t)
	b.storefront()
	stale := b.weighed(30)
	edited := anyVirtualService()
	edit(b, edited, "podinfo", func(u *unstructured.Unstructured) {
		r := rule(u)
		r["timeout"] = "3s"
		require.NoError(t, unstructured.SetNestedSlice(u.Object, []any{r}, "spec", "http"))
	})
	changed, err := b.Apply(t.Context(), b.owner, stale)
	require.NoError(t, err)
	require.True(t, changed, "what was read is out of date")
	require.Equal(t, edited.GetResourceVersion(), get(b, anyVirtualService(), "podinfo").GetResourceVersion(), "nothing was written")

	require.NoError(t, b.user.Delete(t.Context(), edited))
	require.Eventually(t, func() bool {
		_, err := b.Snapshot().Pending(t.Context(), b.owner, stale)
		return err != nil
	}, patience, tick)
	_, err = b.Apply(t.Context(), b.owner, stale)
	require.ErrorIs(t, err, kube.ErrMissing, "what is the user's is never made by us")
}

func TestPartialOwnedAppliedTimes(t *testing.T) {
	b := newBench(t)
	route := b.storefront()
	at := func() time.Time {
		b.t.Helper()
		b.watched(get(b, anyVirtualService(), "podinfo"))
		_, at, err := b.Snapshot().AppliedTimes(t.Context(), virtualService(b, 0))
		require.NoError(t, err)
		return at
	}
	require.Zero(t, at(), "nothing in it is ours")
	b.apply(b.weighed(0))
	require.Equal(t, entries(route, "kubectl-edit")[0].Time.Add(time.Second).UTC(), at().UTC(), "the user has set what we want, and the server says when")

	start := time.Now()
	b.apply(b.weighed(30))
	require.False(t, at().Before(start), "the time is that of our write, and never too early")
	require.False(t, at().After(time.Now().Add(time.Second)))
	b.restart()
	require.False(t, at().Before(start), "another process knows as well")
}

func TestTrimKeepsTimes(t *testing.T) {
	t.Parallel()
	early, late := metav1.Unix(100, 0), metav1.Unix(200, 0)
	mine := metav1.ManagedFieldsEntry{Manager: kube.FieldManager, Operation: metav1.ManagedFieldsOperationApply}
	theirs := func(at metav1.Time, subresource string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: "kubectl", Operation: metav1.ManagedFieldsOperationUpdate, Time: &at, Subresource: subresource}
	}
	for name, tc := range map[string]struct {
		reason string
		own    *metav1.Time
		others []metav1.ManagedFieldsEntry
		want   *metav1.Time
	}{
		"Own":    {reason: "our own time is the truth", own: &early, others: []metav1.ManagedFieldsEntry{theirs(late, "")}, want: &early},
		"None":   {reason: "values that we found were set at the latest then", others: []metav1.ManagedFieldsEntry{theirs(early, ""), theirs(late, "")}, want: &late},
		"Status": {reason: "a status says nothing about them", others: []metav1.ManagedFieldsEntry{theirs(early, ""), theirs(late, "status")}, want: &early},
		"Alone":  {reason: "nobody knows"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := mine
			e.Time = tc.own
			u := anyVirtualService()
			u.SetManagedFields(append(tc.others, e))
			trimmed, err := kube.TrimManagedFields()(u)
			require.NoError(t, err)
			left := trimmed.(client.Object).GetManagedFields()
			require.Len(t, left, 1, "the rest is dropped")
			require.True(t, tc.want.Equal(left[0].Time), "%s: %v", tc.reason, left[0].Time)
		})
	}
}

func TestReleaseFields(t *testing.T) {
	b := newBench(t)
	route := virtualService(b, 0)
	holds := func() bool {
		held, err := b.OwnsFields(t.Context(), route)
		require.NoError(t, err)
		return held
	}
	require.NoError(t, b.ReleaseFields(t.Context(), route), "there is nothing to give up")
	require.False(t, holds())
	before := b.storefront()
	require.False(t, holds(), "it is the user's alone")
	require.NoError(t, b.ReleaseFields(t.Context(), route))
	require.Equal(t, before.GetResourceVersion(), get(b, anyVirtualService(), "podinfo").GetResourceVersion())

	b.apply(b.weighed(30))
	require.True(t, holds())
	held := get(b, anyVirtualService(), "podinfo")
	mine := func() error {
		u := &unstructured.Unstructured{Object: map[string]any{"spec": before.Object["spec"]}}
		u.SetGroupVersionKind(virtualServiceKind())
		u.SetNamespace(b.ns)
		u.SetName("podinfo")
		return b.user.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("kubectl"))
	}
	require.True(t, apierrors.IsConflict(mine()), "the weights are ours")
	require.NoError(t, b.ReleaseFields(t.Context(), route))
	require.False(t, holds())
	require.Equal(t, held.Object["spec"], get(b, anyVirtualService(), "podinfo").Object["spec"], "the fields stay")
	require.NoError(t, mine(), "and are anybody's")
}

// TestReleaseFieldsTheLastOwner empties the record, which the server does by one spelling only.
func TestReleaseFieldsTheLastOwner(t *testing.T) {
	b := newBench(t)
	b.storefront()
	b.apply(b.weighed(30))
	held := get(b, anyVirtualService(), "podinfo")
	held.SetManagedFields(entries(held, kube.FieldManager))
	require.NoError(t, b.user.Update(t.Context(), held))
	require.Len(t, held.GetManagedFields(), 1, "nobody else has a part in it")
	require.NoError(t, b.ReleaseFields(t.Context(), virtualService(b, 0)))
	require.Empty(t, get(b, anyVirtualService(), "podinfo").GetManagedFields())
}

// TestReleaseFieldsConflict has the route change between reading and writing its record of owners.
func TestReleaseFieldsConflict(t *testing.T) {
	b := newBench(t)
	b.storefront()
	b.apply(b.weighed(30))
	b.Live = meddler{Reader: b.Live, then: func() { edit(b, anyVirtualService(), "podinfo", setWeights(2, 98)) }}
	err := b.ReleaseFields(t.Context(), virtualService(b, 0))
	require.True(t, apierrors.IsConflict(err), "%v", err)
	require.ErrorContains(t, err, `disown VirtualService "`+b.ns+`/podinfo"`)
}

// meddler has somebody act right after each read.
type meddler struct {
	client.Reader
	then func()
}

func (m meddler) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	err := m.Reader.Get(ctx, key, obj, opts...)
	m.then()
	return err
}

func TestTrimSharesRecords(t *testing.T) {
	trim := kube.TrimManagedFields()
	record := func(fields string) map[string]any {
		u := anyVirtualService()
		u.SetManagedFields([]metav1.ManagedFieldsEntry{{
			Manager: kube.FieldManager, Operation: metav1.ManagedFieldsOperationApply, APIVersion: "networking.istio.io/v1", FieldsType: "FieldsV1",
			FieldsV1: metav1.NewFieldsV1(fields),
		}})
		trimmed, err := trim(u)
		require.NoError(t, err)
		left := trimmed.(client.Object).GetManagedFields()
		require.Len(t, left, 1)
		require.JSONEq(t, fields, left[0].FieldsV1.GetRawString())
		list := u.Object["metadata"].(map[string]any)["managedFields"].([]any)
		return list[0].(map[string]any)["fieldsV1"].(map[string]any)
	}
	same := func(a, b any) bool { return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer() }
	mine := func(uid, spec string) map[string]any {
		return record(`{"f:metadata":{"f:labels":{"f:a":{}},"f:ownerReferences":{"k:{\"uid\":\"` + uid + `\"}":{}}},"f:spec":{"f:` + spec + `":{}}}`)
	}
	labels := func(r map[string]any) any { return r["f:metadata"].(map[string]any)["f:labels"] }
	first, second, other := mine("1", "http"), mine("2", "http"), mine("1", "tcp")
	require.True(t, same(first["f:spec"], second["f:spec"]))
	require.True(t, same(labels(first), labels(second)))
	require.False(t, same(first["f:metadata"], second["f:metadata"]), "the owners are others")
	require.False(t, same(first["f:spec"], other["f:spec"]))
	long := `{"f:spec":{"f:` + strings.Repeat("x", 10_000) + `":{}}}`
	require.False(t, same(record(long)["f:spec"], record(long)["f:spec"]), "whoever takes our name cannot fill the memory")
}
