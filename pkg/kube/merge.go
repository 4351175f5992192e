package kube

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// sendAs sends a wish in the way that it asks for.
func (a *Applier) sendAs(ctx context.Context, t *task, body map[string]any) (*unstructured.Unstructured, error) {
	if !t.merge {
		return a.send(ctx, body)
	}
	patch, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", t.ref, err)
	}
	u := &unstructured.Unstructured{Object: body}
	err = a.Client.Patch(ctx, u, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(Manager))
	return u, err
}

// replaced says that a write met another object than the one it was meant for, or
// none. An apply finds the UID in conflict, a patch finds that it can't be changed.
func replaced(err error) bool {
	uid, ok := apierrors.StatusCause(err, metav1.CauseTypeFieldValueInvalid)
	return apierrors.IsConflict(err) || apierrors.IsNotFound(err) || ok && uid.Field == "metadata.uid"
}

// merged says whether a merge patch would leave an object as it is. Who owns the
// fields does not matter.
func merged(t *task, live client.Object) (bool, *likeness, error) {
	have, err := asMap(live)
	if err != nil {
		return false, nil, err
	}
	want := claims(t.want)
	if holdsPatch(have, want) {
		return true, nil, nil
	}
	l, err := liken((matcher{}).extract("", have, want), nil)
	return false, l, err
}

// holdsPatch is what a merge patch means: a null is a field that is not there.
func holdsPatch(have, want map[string]any) bool {
	for key, w := range want {
		h, there := have[key]
		switch w := w.(type) {
		case nil:
			if there && h != nil {
				return false
			}
		case map[string]any:
			inner, _ := h.(map[string]any)
			if !holdsPatch(inner, w) {
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
