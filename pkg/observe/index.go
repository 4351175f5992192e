package observe

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// nameIndex finds Canaries by the names of the objects that matter to them. Without it every event about any object
// would look at every Canary of its namespace, and a hundred rollouts at once would cost ten thousand looks a step.
const nameIndex = "names"

// IndexNames has Canaries found by the names of what matters to them: CanariesNaming needs it.
func IndexNames(by client.FieldIndexer) error {
	// Nothing is waited for, and setting up has no context.
	err := by.IndexField(context.Background(), &v1beta1.Canary{}, nameIndex, func(o client.Object) []string { //nolint:forbidigo // as said
		c, ok := o.(*v1beta1.Canary)
		if !ok {
			return nil
		}
		return concerns(c)
	})
	if err != nil {
		return fmt.Errorf("index canaries by name: %w", err)
	}
	return nil
}

// concerns are the names of what a Canary refers to or generates. Its objects are in its namespace, mostly.
func concerns(c *v1beta1.Canary) []string {
	// Those of what may be in its way as well, as a rival's primary: it goes on when that goes.
	names := append(named(c), c.Spec.TargetRef.Name, c.PrimaryWorkload(), c.ApexName(), c.PrimaryName(), c.CanaryName())
	for _, t := range []*v1beta1.TargetName{c.Status.Target, c.Status.Replaces} {
		if t != nil && t.Name != c.Spec.TargetRef.Name {
			was := c.WithTarget(*t)
			names = append(names, t.Name, was.PrimaryWorkload(), was.ApexName())
		}
	}
	if ref := c.Spec.AutoscalerRef; ref != nil {
		names = append(names, ref.Name, ref.Name+v1beta1.PrimarySuffix)
	}
	return names
}

// CanariesNaming lists the Canaries of a namespace to which a name matters; an empty namespace stands for all. What is listed is
// the cache's own: nobody may write to it.
func CanariesNaming(ctx context.Context, from client.Reader, in client.InNamespace, name string) ([]v1beta1.Canary, error) {
	all := &v1beta1.CanaryList{}
	err := from.List(ctx, all, in, client.MatchingFields{nameIndex: name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("list canaries that %q matters to: %w", name, err)
	}
	return all.Items, nil
}

// named are the user's objects that a Canary's spec names for its routes. Routers read no others.
func named(c *v1beta1.Canary) []string {
	var names []string
	if ref := c.Spec.IngressRef; ref != nil {
		names = append(names, ref.Name)
	}
	if ref := c.Spec.RouteRef; ref != nil {
		names = append(names, ref.Name)
	}
	if ref := c.Spec.UpstreamRef; ref != nil {
		names = append(names, ref.Name)
	}
	for _, ref := range c.Spec.Service.RouteRefs {
		names = append(names, ref.Name)
	}
	return names
}
