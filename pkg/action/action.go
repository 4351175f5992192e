// Package action writes what a person asks of a rollout: the annotation of a Canary that the operator answers. The plugin writes it
// with its user's rights, the page with its own, for a user whose rights it has looked at.
package action

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// writeAgain is how long after a conflict an action is written again.
const writeAgain = 100 * time.Millisecond

// soonAnswered is how long an operator that runs may take to answer.
const soonAnswered = time.Minute

// ErrAnother means that an action of somebody's waited for its answer all the time.
var ErrAnother = errors.New("another action waits for the operator's answer")

// Writer writes actions.
type Writer struct {
	Client  client.Client // reads live
	Manager string        // of the fields that are written
}

// Write writes an action, once one that is there already has been answered: its place would be taken. By is who asks; empty: the
// admission policy fills it in. It waits until the context ends, and returns its cause then. Text is what it has written, and ID what
// the answer is known by.
func (w Writer) Write(ctx context.Context, c *v1beta1.Canary, r rollout.Request, by string) (text, id string, err error) {
	for {
		if !waitsForAnswer(c) {
			// Its ID is of now: one that is older than what was answered meanwhile would be refused.
			if text, id, err = r.Text(time.Now()); err != nil {
				return "", "", err
			}
			if err = w.annotate(ctx, c, text, by); !apierrors.IsConflict(err) {
				return text, id, err
			}
		}
		timer := time.NewTimer(writeAgain)
		select {
		case <-ctx.Done():
			timer.Stop()
			return "", "", context.Cause(ctx)
		case <-timer.C:
		}
		now := &v1beta1.Canary{}
		if err := w.Client.Get(ctx, client.ObjectKeyFromObject(c), now); ctx.Err() != nil {
			return "", "", context.Cause(ctx)
		} else if err != nil {
			return "", "", err
		}
		c = now
	}
}

// annotate writes the annotations, if the Canary is as it was read.
func (w Writer) annotate(ctx context.Context, c *v1beta1.Canary, text, by string) error {
	annotations := map[string]any{v1beta1.ActionAnnotation: text, v1beta1.ActionByAnnotation: nil}
	if by != "" {
		annotations[v1beta1.ActionByAnnotation] = by
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"resourceVersion": c.ResourceVersion, "annotations": annotations}})
	if err != nil {
		return err
	}
	return w.Client.Patch(ctx, c.DeepCopy(), client.RawPatch(types.MergePatchType, patch), client.FieldOwner(w.Manager))
}

// Pending says that the action of a Canary waits for its answer.
func Pending(c *v1beta1.Canary) bool {
	return rollout.ActionPending(rollout.Snapshot{Status: c.Status, Requested: rollout.Requested{Text: c.Annotations[v1beta1.ActionAnnotation]}})
}

// waitsForAnswer says that somebody's action is about to be answered.
func waitsForAnswer(c *v1beta1.Canary) bool {
	if !Pending(c) {
		return false
	}
	for _, entry := range c.ManagedFields {
		if entry.Time != nil && entry.Subresource == "" && time.Since(entry.Time.Time) < soonAnswered {
			return true
		}
	}
	return false
}
