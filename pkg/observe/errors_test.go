package observe

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
)

// TestWhatGivingBackIgnores tells what is told on a Canary from what may be passed over when one goes.
func TestWhatGivingBackIgnores(t *testing.T) {
	resource := schema.GroupResource{Resource: "virtualservices"}
	for name, tc := range map[string]struct {
		reason        string
		err           error
		told, ignored bool
	}{
		"Spec":      {reason: "nobody is there to mend it", err: &rollout.InvalidError{Field: "spec.provider"}, told: true, ignored: true},
		"NotServed": {reason: "there can be no such object", err: &router.NotServedError{Group: "x"}, told: true, ignored: true},
		"Gone":      {reason: "what is not there needs nothing", err: apierrors.NewNotFound(resource, "front"), ignored: true},
		"Forbidden": {reason: "the right may be granted, and the route still leads to a Service that goes", err: apierrors.NewForbidden(resource, "front", nil), told: true},
		"NotListed": {reason: "the same by our own look", err: &NotPermittedError{Verb: "list", Resource: "virtualservices"}, told: true},
		"Server":    {reason: "the next try may do", err: errors.New("etcd is away")},
	} {
		t.Run(name, func(t *testing.T) {
			err := fmt.Errorf("read: %w", tc.err)
			require.Equal(t, tc.told, UserError(err), tc.reason)
			require.Equal(t, tc.ignored, IgnoreUserError(err) == nil, tc.reason)
		})
	}
}
