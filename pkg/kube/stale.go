package kube

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ErrStale says that an object has changed since it was read for a write: it is to be read, and decided on, again.
var ErrStale = errors.New("changed since it was read")

// conflict is the error of a write that was meant for one object, and one version of it if that is given. It is
// ErrStale if the server has another object or version by now, or none.
//
// The status code alone does not tell: quotas and admission webhooks answer with a conflict as well. Such a write has
// not been made, and no event follows it.
func conflict(ctx context.Context, live client.Reader, r ref, uid types.UID, version string, err error) error {
	if !apierrors.IsConflict(err) {
		return err
	}
	now := &metav1.PartialObjectMetadata{TypeMeta: typeMeta(r.kind)}
	switch got := live.Get(ctx, r.key, now); {
	case apierrors.IsNotFound(got), got == nil && (now.UID != uid || version != "" && now.ResourceVersion != version):
		return fmt.Errorf("%w: %w", ErrStale, err)
	default:
		return err
	}
}
