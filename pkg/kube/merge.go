package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// send writes a plan in the way that it asks for.
func (a *Applier) send(ctx context.Context, p *plan, body map[string]any) (*unstructured.Unstructured, error) {
	if p.update {
		return a.update(ctx, p, body)
	}
	if !p.merge {
		return a.serverSideApply(ctx, body)
	}
	patch, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", p.ref, err)
	}
	u := &unstructured.Unstructured{Object: body}
	err = a.Client.Patch(ctx, u, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(FieldManager))
	return u, err
}

// otherObject says that a write met another object than the one it was meant for, or
// none. An apply finds the UID in conflict, a patch finds that it can't be changed.
func otherObject(err error) bool {
	uid, ok := apierrors.StatusCause(err, metav1.CauseTypeFieldValueInvalid)
	return errors.Is(err, ErrStale) || apierrors.IsNotFound(err) || ok && uid.Field == "metadata.uid"
}

// matchesMerge says whether a merge patch would leave an object as it is. Who owns the
// fields does not matter.
func matchesMerge(p *plan, live client.Object) (bool, *snapshot, error) {
	have, err := asMap(live)
	if err != nil {
		return false, nil, err
	}
	want := comparedFields(p.want)
	if patchMatches(have, want) {
		return true, nil, nil
	}
	l, err := snapshotOf((matcher{}).extract("", have, want), nil)
	return false, l, err
}

// patchMatches is what a merge patch means: a null is a field that is not there.
func patchMatches(have, want map[string]any) bool {
	for key, w := range want {
		h, there := have[key]
		switch w := w.(type) {
		case nil:
			if there && h != nil {
				return false
			}
		case map[string]any:
			inner, _ := h.(map[string]any)
			if !patchMatches(inner, w) {
				return false
			}
		default:
			if !equal(h, w) {
				return false
			}
		}
	}
	return true
}
