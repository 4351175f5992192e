package kube_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

// TestConflict has the server answer a write with a conflict though nobody else has written: it is told, and made by
// the next call.
func TestConflict(t *testing.T) {
	for name, tc := range map[string]struct {
		reason    string
		operation admissionv1.Operation
		write     func(b *bench) error
		done      func(b *bench) bool
	}{
		"Delete": {
			reason:    "what is to go goes",
			operation: admissionv1.Delete,
			write: func(b *bench) error {
				_, err := b.Delete(b.t.Context(), b.owner, get(b, &corev1.Service{}, "podinfo"))
				return err
			},
			done: func(b *bench) bool {
				err := b.user.Get(b.t.Context(), client.ObjectKey{Namespace: b.ns, Name: "podinfo"}, &corev1.Service{})
				return apierrors.IsNotFound(err)
			},
		},
		"Partial": {
			reason:    "the target has the size that it is to have",
			operation: admissionv1.Update,
			write: func(b *bench) error {
				_, err := b.Apply(b.t.Context(), b.owner, kube.Partial(b.service().WithLabels(map[string]string{"more": "yes"})))
				return err
			},
			done: func(b *bench) bool { return get(b, &corev1.Service{}, "podinfo").Labels["more"] == "yes" },
		},
		"Restore": {
			reason:    "nothing of ours stays",
			operation: admissionv1.Update,
			write:     func(b *bench) error { return b.Restore(b.t.Context(), b.owner, b.service()) },
			done:      func(b *bench) bool { return kube.AppliedAt(get(b, &corev1.Service{}, "podinfo")).IsZero() },
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.apply(b.service())
			answered := kubetest.Conflicts(t, b.ns, 1, func(r *admissionv1.AdmissionRequest) bool {
				return r.Operation == tc.operation && r.Resource.Resource == "services"
			})
			err := tc.write(b)
			require.True(t, apierrors.IsConflict(err), "it was not made: %v", err)
			require.NotErrorIs(t, err, kube.ErrStale, "and nothing has changed")
			require.Equal(t, 1, answered())
			require.NoError(t, tc.write(b))
			require.True(t, tc.done(b), tc.reason)
		})
	}
}

// TestStale writes on a Canary that somebody else has changed.
func TestStale(t *testing.T) {
	b := newBench(t)
	before := b.owner.DeepCopy()
	edit(b, b.owner, "podinfo", func(c *v1beta1.Canary) { c.Spec.Suspend = true })
	after := before.DeepCopy()
	after.Status.CanaryWeight = 10
	require.ErrorIs(t, b.canaries.PatchStatus(t.Context(), before, after), kube.ErrStale)
	require.ErrorIs(t, b.canaries.SetFinalizer(t.Context(), before, true), kube.ErrStale)
}
