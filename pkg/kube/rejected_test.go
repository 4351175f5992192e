package kube_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-cd/sluice/pkg/kube"
)

func TestRejected(t *testing.T) {
	t.Parallel()
	kind := schema.GroupKind{Kind: "HTTPRoute"}
	for name, tc := range map[string]struct {
		reason string
		err    error
		want   bool
	}{
		"Invalid":    {reason: "the schema says no", err: apierrors.NewInvalid(kind, "podinfo", nil), want: true},
		"Forbidden":  {reason: "our rights do not go so far", err: apierrors.NewForbidden(schema.GroupResource{}, "podinfo", nil), want: true},
		"Undeclared": {reason: "the schema is too old", err: apierrors.NewInternalError(errors.New(".spec.x: field not declared in schema")), want: true},
		"Internal":   {reason: "a server that fails may not the next time", err: apierrors.NewInternalError(errors.New("etcd is away"))},
		"Conflict":   {reason: "a conflict is read again", err: apierrors.NewConflict(schema.GroupResource{}, "podinfo", nil)},
		"Ours":       {reason: "only the server knows its schemas", err: errors.New("field not declared in schema")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, kube.Rejected(fmt.Errorf("apply: %w", tc.err)), tc.reason)
		})
	}
}
