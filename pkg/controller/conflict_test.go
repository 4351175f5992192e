package controller

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

// written matches the operator's updates of one object, after which it is so; nil: whatever it is.
func written[T any](resource, name string, is func(*T) bool) func(*admissionv1.AdmissionRequest) bool {
	return func(r *admissionv1.AdmissionRequest) bool {
		var by metav1.PatchOptions
		if r.Name != name || r.Resource.Resource != resource || json.Unmarshal(r.Options.Raw, &by) != nil || by.FieldManager != kube.FieldManager {
			return false
		}
		var after T
		return json.Unmarshal(r.Object.Raw, &after) == nil && (is == nil || is(&after))
	}
}

func stopping(d *appsv1.Deployment) bool { return *d.Spec.Replicas == 0 }

// TestConflict has the server answer one write of a rollout with a conflict, though nobody else has written anything:
// no event follows.
func TestConflict(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		match  func(*admissionv1.AdmissionRequest) bool
	}{
		"TargetStarts": {reason: "the canary is started", match: written[appsv1.Deployment]("deployments", "podinfo", nil)},
		"TargetStops":  {reason: "the last write of a rollout, after which nothing else happens", match: written("deployments", "podinfo", stopping)},
		"Primary":      {reason: "the revision is promoted", match: written[appsv1.Deployment]("deployments", "podinfo-primary", nil)},
		"Routes":       {reason: "the weight is set", match: written[any]("virtualservices", "podinfo", nil)},
		"Status":       {reason: "the decision is taken again", match: written[v1beta1.Canary]("canaries", "podinfo", nil)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.begin()
			answered := kubetest.Conflicts(t, w.ns, 1, tc.match)
			w.setImage(imageTwo)
			w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
			require.Equal(t, 1, answered(), tc.reason)
		})
	}
}

// TestConflictOnGivingBack has the server answer so when a Canary is on its way out.
func TestConflictOnGivingBack(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		change []func(*v1beta1.Canary)
		match  func(*admissionv1.AdmissionRequest) bool
	}{
		"Service": {
			reason: "nothing of ours stays on the user's Service",
			change: []func(*v1beta1.Canary){revert},
			match:  written("services", "podinfo", func(o *metav1.PartialObjectMetadata) bool { return kube.AppliedAt(o).IsZero() }),
		},
		"Target": {
			reason: "it has its size back",
			match:  written("deployments", "podinfo", func(d *appsv1.Deployment) bool { return !stopping(d) }),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.createApexService()
			w.garbageCollect()
			w.begin(tc.change...)
			answered := kubetest.Conflicts(t, w.ns, 1, tc.match)
			w.delete("podinfo")
			w.await(tc.reason, func() bool {
				return w.targetReleased(2) && w.selector("podinfo") == "podinfo" && kube.AppliedAt(w.service("podinfo")).IsZero()
			})
			require.Equal(t, 1, answered())
		})
	}
}
