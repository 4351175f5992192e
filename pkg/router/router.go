// Package router renders the routes that divide an apex's requests between the primary and the canary.
// There is one file per traffic provider.
//
// A router is a plain function: it reads no cluster, and the same input gives the same bytes. It renders
// everything that its provider needs each time, so that what it no longer renders is no longer wanted.
// Objects of the user's that it copies from are handed to it.
package router

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// Router renders the routes of one traffic provider.
type Router interface {
	// Writes are the kinds of what Render returns, in the versions it renders, for watches.
	Writes() []schema.GroupVersionKind
	// Reads are the user's objects that Render copies from.
	// They are watched: a change of one is rendered into the copy at once.
	Reads(c *v1beta1.Canary) []Ref
	// Render returns all route objects of a Canary. A spec that the provider cannot express is refused
	// by a *rollout.InvalidError.
	// Objects are applied in the order in which they are returned.
	Render(in Input) ([]runtime.ApplyConfiguration, error)
}

// Prober is a Router whose provider reports whether it has taken its routes.
type Prober interface {
	// Accepted says whether the route objects, as they are now, are in effect as far as is known, and
	// else why not.
	Accepted(live []*unstructured.Unstructured) (ok bool, reason string)
}

// Input is what routes are rendered from.
type Input struct {
	Canary   *v1beta1.Canary
	Traffic  rollout.Traffic
	Ports    map[string]int32 // of the apex Service, by name
	Revision string           // of the target, for providers that route by revision
	// Leaving says that the Canary goes: routes of the user's own that name the apex Service lead there.
	Leaving bool
	// Read holds the user's objects that Reads names, as far as they exist. They are not to be changed.
	Read map[Ref]*unstructured.Unstructured
}

// Ref names an object.
type Ref struct {
	schema.GroupVersionKind
	Namespace, Name string
}

// Options is what a router has to know of the cluster.
type Options struct {
	// APIVersions are the group versions that the cluster serves: networking.istio.io/v1.
	APIVersions []string
	// IngressClass is the ingress class of routes that are made, for Contour; empty: none.
	IngressClass string
	// AnnotationsPrefix is what the annotations of the nginx ingress controller begin with; empty:
	// nginx.ingress.kubernetes.io.
	AnnotationsPrefix string
}

// NotServedError says that the cluster lacks an API that a provider's routes are made of. It passes
// when that is installed.
type NotServedError struct{ Provider, Group string }

// Error names the API and what to do about it.
func (e *NotServedError) Error() string {
	return fmt.Sprintf("provider %q: the cluster does not serve %s, install its custom resources", e.Provider, e.Group)
}

// New returns the router of a provider and what it can do. Of a name that it does not know it says
// which ones it does, by a *rollout.InvalidError; an API that is not there is a *NotServedError.
// There is no default: routes for a proxy that is not there would be read by nobody, and users stay where they are
// while the status says otherwise.
func New(name string, o Options) (Router, rollout.Capabilities, error) {
	if build, ok := providers()[name]; ok {
		return build(o)
	}
	if err := retired(name); err != nil {
		return nil, 0, err
	}
	return nil, 0, &rollout.InvalidError{
		Field:   "spec.provider",
		Problem: fmt.Sprintf("%q is not a known provider, known are: %s", name, strings.Join(names(), ", ")),
	}
}

type builder = func(Options) (Router, rollout.Capabilities, error)

// providers are what makes each provider's router, by the names that spec.provider has for them.
// A function and no variable, so that nothing can be added to it from elsewhere.
func providers() map[string]builder {
	return map[string]builder{
		"gatewayapi":         newGatewayAPI("gatewayapi", "v1"),
		"gatewayapi:v1":      newGatewayAPI("gatewayapi:v1", "v1"),
		"gatewayapi:v1beta1": newGatewayAPI("gatewayapi:v1beta1", "v1beta1"),
		"istio":              newIstio,
		"kubernetes":         newKubernetes,
		"nginx":              newNginx,
		"skipper":            newSkipper,
		"traefik":            newTraefik,
		"smi:v1alpha1":       newSMI("v1alpha1"),
		"smi:v1alpha2":       newSMI("v1alpha2"),
		"smi:v1alpha3":       newSMI("v1alpha3"),
		"kuma":               newKuma,
		"apisix":             newApisix,
		"contour":            newContour,
		"gloo":               newGloo,
		"knative":            newKnative,
		"linkerd":            newLinkerd,
	}
}

func names() []string { return slices.Sorted(maps.Keys(providers())) }

// pick returns the first of the versions, best first, in which the cluster serves a group.
func pick(o Options, provider, group string, versions ...string) (schema.GroupVersion, error) {
	for _, v := range versions {
		gv := schema.GroupVersion{Group: group, Version: v}
		if slices.Contains(o.APIVersions, gv.String()) {
			return gv, nil
		}
	}
	return schema.GroupVersion{}, &NotServedError{Provider: provider, Group: group}
}
