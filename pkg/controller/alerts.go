package controller

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/notify"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// readAlerts remarks on alerts that could never be sent. That is no reason to stop a release, but nobody should
// find out by not hearing of a failed one.
func (r *Reconciler) readAlerts(ctx context.Context, v *view, _ client.Reader) error {
	if v.canary.Spec.Analysis == nil {
		return nil
	}
	for i, a := range v.canary.Spec.Analysis.Alerts {
		if why := r.mute(ctx, v.canary, a); why != "" {
			v.snapshot.Plan.Remarks = append(v.snapshot.Plan.Remarks, rollout.Remark{
				Reason: rollout.ReasonAlertUnsent,
				Text:   fmt.Sprintf("spec.analysis.alerts[%d] is not sent: %s", i, why),
			})
		}
	}
	return nil
}

// mute says why an alert cannot be sent, as far as that is known without its Secret.
func (r *Reconciler) mute(ctx context.Context, c *v1beta1.Canary, a v1beta1.CanaryAlert) string {
	key := providerKey(c, a)
	p := &v1beta1.AlertProvider{}
	err := r.Herald.Providers.Get(ctx, key, p)
	switch {
	case r.Herald.Local && key.Namespace != c.Namespace:
		return fmt.Sprintf("AlertProvider %q is in another namespace, which --no-cross-namespace-refs forbids", key)
	case apierrors.IsNotFound(err):
		return fmt.Sprintf("AlertProvider %q does not exist", key)
	case err != nil:
		return fmt.Sprintf("AlertProvider %q cannot be read: %v", key, err) // as in a namespace that is not watched
	case !notify.Known(string(p.Spec.Type)):
		return fmt.Sprintf("AlertProvider %q is of type %q, which is not supported yet", key, p.Spec.Type)
	}
	return ""
}

// providerKey names the channel of an alert; without a namespace it is in the Canary's.
func providerKey(c *v1beta1.Canary, a v1beta1.CanaryAlert) client.ObjectKey {
	key := client.ObjectKey{Namespace: a.ProviderRef.Namespace, Name: a.ProviderRef.Name}
	if key.Namespace == "" {
		key.Namespace = c.Namespace
	}
	return key
}
