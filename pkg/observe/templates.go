package observe

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// Templates reads what metrics and webhooks refer to, for the analysis.
type Templates struct {
	Providers client.Reader // reads MetricTemplates, from the cache
	Secrets   client.Reader // reads Secrets, live: they are kept nowhere
	Local     bool          // references to other namespaces are refused
}

// errForeign names the flag, since the Canary may be right and the operator's installation another than expected.
var errForeign = errors.New("is in another namespace, which --no-cross-namespace-refs forbids")

// Template reads the MetricTemplate that a metric refers to. Without a namespace it is in the Canary's.
func (t *Templates) Template(ctx context.Context, c *v1beta1.Canary, ref v1beta1.CrossNamespaceRef) (*v1beta1.MetricTemplate, error) {
	key := ref.KeyFor(c)
	// Before it is read: whether there is such a template elsewhere is not told either.
	if t.Local && key.Namespace != c.Namespace {
		return nil, errForeign
	}
	found := &v1beta1.MetricTemplate{}
	if err := t.Providers.Get(ctx, key, found); err != nil {
		return nil, because(err)
	}
	return found, nil
}

// Secret reads the data of a Secret. The names of its keys and their values appear in no error.
func (t *Templates) Secret(ctx context.Context, namespace, name string) (map[string][]byte, error) {
	found := &corev1.Secret{}
	// For each round anew, so that a token that was replaced is used from the next one on.
	if err := t.Secrets.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, found); err != nil {
		return nil, because(err)
	}
	return found.Data, nil
}

// Permit refuses a Canary whose metrics refer to templates that it may not use, by a *rollout.InvalidError: that is
// known as soon as it is applied.
func (t *Templates) Permit(c *v1beta1.Canary) error {
	if !t.Local || c.Spec.Analysis == nil {
		return nil
	}
	for i, m := range c.Spec.Analysis.Metrics {
		if m.TemplateRef != nil && m.TemplateRef.KeyFor(c).Namespace != c.Namespace {
			return &rollout.InvalidError{
				Field:   fmt.Sprintf("spec.analysis.metrics[%d].templateRef.namespace", i),
				Problem: fmt.Sprintf("%q %v", m.TemplateRef.Namespace, errForeign),
			}
		}
	}
	return nil
}

// because is what of an error is worth telling beside the name of the object, which is told already.
func because(err error) error {
	switch {
	case apierrors.IsNotFound(err):
		return errors.New("it does not exist")
	case apierrors.IsForbidden(err):
		return errors.New("the operator is not allowed to read it")
	}
	return err
}
