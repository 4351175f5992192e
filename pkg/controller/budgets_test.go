package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// protect makes a budget for the pods of one side.
func (w *world) protect(name, side string) *policyv1.PodDisruptionBudget {
	w.Helper()
	one := intstr.FromInt32(1)
	b := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name},
		Spec:       policyv1.PodDisruptionBudgetSpec{MinAvailable: &one, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": side}}},
	}
	require.NoError(w, w.Create(w.Context(), b))
	return b
}

// budget reads one, nil when there is none.
func (w *world) budget(name string) *policyv1.PodDisruptionBudget {
	w.Helper()
	b := &policyv1.PodDisruptionBudget{}
	err := w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: name}, b)
	require.NoError(w, client.IgnoreNotFound(err))
	if apierrors.IsNotFound(err) {
		return nil
	}
	return b
}

func TestBudgets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source := w.protect("podinfo", "podinfo")
	w.protect("cache", "cache")
	w.begin()
	w.await("the primary has one of its own", func() bool { return w.budget("podinfo-primary") != nil })
	require.Equal(t, map[string]string{"app": "podinfo-primary"}, w.budget("podinfo-primary").Spec.Selector.MatchLabels)
	require.Nil(t, w.budget("cache-primary"), "what is about others is not copied")

	two := intstr.FromInt32(2)
	source.Spec.MinAvailable = &two
	require.NoError(t, w.Update(t.Context(), source))
	w.await("it follows", func() bool { return w.budget("podinfo-primary").Spec.MinAvailable.IntValue() == 2 })
	require.NoError(t, w.Delete(t.Context(), w.budget("podinfo-primary")))
	w.await("it is made again", func() bool { return w.budget("podinfo-primary") != nil })
	require.NoError(t, w.Delete(t.Context(), source))
	w.await("and goes with the original", func() bool { return w.budget("podinfo-primary") == nil })
	again := w.protect("another", "podinfo")
	w.await("a later one is copied as well", func() bool { return w.budget("another-primary") != nil })
	again.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "cache"}}
	require.NoError(t, w.Update(t.Context(), again))
	w.await("until it is about others", func() bool { return w.budget("another-primary") == nil })
}

// TestBudgetOfSomebodyElse leaves the primary to the one that a person has made for it.
func TestBudgetOfSomebodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.protect("podinfo", "podinfo")
	theirs := w.protect("mine", "podinfo-primary")
	w.begin()
	require.Nil(t, w.budget("podinfo-primary"), "a pod with two budgets can not be evicted")
	require.NoError(t, w.Delete(t.Context(), theirs))
	w.await("without it the copy is made", func() bool { return w.budget("podinfo-primary") != nil })
	w.protect("mine", "podinfo-primary")
	w.await("and goes again", func() bool { return w.budget("podinfo-primary") == nil })
}

func TestBudgetNameIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.protect("podinfo-primary", "cache")
	w.protect("podinfo", "podinfo")
	w.begin()
	require.Equal(t, map[string]string{"app": "cache"}, w.budget("podinfo-primary").Spec.Selector.MatchLabels)
}
