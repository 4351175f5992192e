package action

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// Whoever waits for another action is told so, also if the wait ends while the Canary is read.
func TestWaitEndsWithinRead(t *testing.T) {
	ctx, stop := context.WithTimeoutCause(t.Context(), 2*writeAgain, ErrAnother)
	defer stop()
	now := metav1.Now()
	waiting := &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{
		Annotations:   map[string]string{v1beta1.ActionAnnotation: "promote id=" + now.UTC().Format(time.RFC3339) + " revision=r1-two"},
		ManagedFields: []metav1.ManagedFieldsEntry{{Time: &now}},
	}, Status: v1beta1.CanaryStatus{Phase: v1beta1.PhaseProgressing, LastAppliedSpec: "r1-two"}}
	slow := interceptor.NewClient(nil, interceptor.Funcs{Get: func(ctx context.Context, _ client.WithWatch, _ client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
		<-ctx.Done()
		return ctx.Err()
	}})
	_, _, err := Writer{Client: slow}.Write(ctx, waiting, rollout.Request{Verb: "promote", Revision: "r1-two"}, "anna")
	require.ErrorIs(t, err, ErrAnother)
}
