package observe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
)

const (
	// HostsAnnotation of a Namespace lists, separated by commas, the hosts that its Canaries may have routes for.
	HostsAnnotation = "sluice.dev/allowed-hosts"
	// GatewaysAnnotation of a Namespace lists, separated by commas, the gateways of other namespaces that its Canaries may
	// have routes at: NAMESPACE/NAME.
	GatewaysAnnotation = "sluice.dev/allowed-gateways"
)

// NamespaceKind is read as metadata.
var NamespaceKind = schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}

// Hosts judges whether a Canary may have routes for the hosts that it names, and at the gateways. A host of another
// namespace's Services is refused to everybody.
type Hosts struct {
	// Domain of the cluster, such as cluster.local.
	Domain string
	// Enforced has all other hosts, and gateways of other namespaces, refused that the Canary's Namespace does not list.
	Enforced bool
	// Cache has the metadata of Namespaces once Watch has returned.
	Cache client.Reader
	// Watch begins to watch Namespaces, and is called until it has. The error is a *NotPermittedError where they may not be
	// listed.
	Watch func(context.Context) error
	Now   func() time.Time

	mu      sync.Mutex
	watched bool
	denied  denial
}

// NewNamespace is what the metadata of a Namespace is read into.
func NewNamespace() *metav1.PartialObjectMetadata {
	n := &metav1.PartialObjectMetadata{}
	n.SetGroupVersionKind(NamespaceKind)
	return n
}

// readHosts refuses a Canary whose routes would take requests that are meant for others.
func (r *Reader) readHosts(ctx context.Context, f *desired.Facts, p pass) error {
	claimant, ok := p.router.(router.Claimant)
	if r.Hosts == nil || !ok {
		return nil
	}
	for _, claim := range claimant.Claims(f.Canary) {
		if err := r.Hosts.judge(ctx, f.Canary.Namespace, claim); err != nil {
			return err
		}
	}
	return nil
}

// judge refuses a claim by a *rollout.InvalidError.
func (h *Hosts) judge(ctx context.Context, namespace string, claim router.Claim) error {
	if claim.Host == "" {
		return h.judgeGateway(ctx, namespace, claim)
	}
	of, certain := router.ServiceHost(claim.Host, h.Domain)
	switch {
	case of == namespace:
		return nil
	case certain && of == "*":
		return &rollout.InvalidError{Field: claim.Field, Problem: fmt.Sprintf("%q includes hosts of other namespaces", claim.Host)}
	case !certain:
		is, err := h.namespace(ctx, of)
		if err != nil {
			return err
		}
		if is == nil {
			of = ""
		}
	}
	if of != "" {
		return &rollout.InvalidError{Field: claim.Field, Problem: fmt.Sprintf("%q is a host of namespace %q", claim.Host, of)}
	}
	if !h.Enforced || claim.Local && !strings.ContainsAny(claim.Host, ".*") {
		return nil
	}
	list, err := h.listed(ctx, namespace, HostsAnnotation)
	if err != nil || router.Listed(list, claim.Host) {
		return err
	}
	return unlisted(claim.Field, claim.Host, namespace, HostsAnnotation)
}

// judgeGateway refuses gateways of other namespaces that are not listed. Who may make one in the Canary's namespace is not
// Sluice's business.
func (h *Hosts) judgeGateway(ctx context.Context, namespace string, claim router.Claim) error {
	if !h.Enforced || strings.HasPrefix(claim.Gateway, namespace+"/") {
		return nil
	}
	list, err := h.listed(ctx, namespace, GatewaysAnnotation)
	if err != nil || router.GatewayListed(list, claim.Gateway) {
		return err
	}
	return unlisted(claim.Field, claim.Gateway, namespace, GatewaysAnnotation)
}

func unlisted(field, value, namespace, annotation string) error {
	return &rollout.InvalidError{
		Field:   field,
		Problem: fmt.Sprintf("%q is not listed in annotation %s of Namespace %q, which --restrict-hosts calls for", value, annotation, namespace),
	}
}

// listed are the entries of an annotation of a Namespace. What may not be read lists nothing.
func (h *Hosts) listed(ctx context.Context, namespace, annotation string) ([]string, error) {
	n, err := h.namespace(ctx, namespace)
	if n == nil || err != nil {
		return nil, err
	}
	entries := strings.Split(n.Annotations[annotation], ",")
	for i := range entries {
		entries[i] = strings.TrimSpace(entries[i])
	}
	return entries, nil
}

// namespace reads a Namespace. Nil: there is none, or, where nothing is enforced, Namespaces may not be read.
func (h *Hosts) namespace(ctx context.Context, name string) (*metav1.PartialObjectMetadata, error) {
	if err := h.watch(ctx); err != nil {
		if !h.Enforced && errors.As(err, new(*NotPermittedError)) {
			return nil, nil
		}
		return nil, err
	}
	n := NewNamespace()
	if err := h.Cache.Get(ctx, client.ObjectKey{Name: name}, n, client.UnsafeDisableDeepCopy); err != nil {
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("read namespace %q: %w", name, err)
		}
		return nil, nil
	}
	return n, nil
}

// watch has Namespaces watched from the first Canary on that needs to know of one.
func (h *Hosts) watch(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watched {
		return nil
	}
	if h.denied.err != nil && h.Now().Sub(h.denied.at) < rediscover {
		return h.denied.err
	}
	err := h.Watch(ctx)
	h.watched = err == nil
	if NotPermitted(err) {
		h.denied = denial{err: err, at: h.Now()}
	}
	return err
}

// Changed says whether what a Namespace lists has changed.
func (h *Hosts) Changed(before, after client.Object) bool {
	for _, key := range []string{HostsAnnotation, GatewaysAnnotation} {
		if before.GetAnnotations()[key] != after.GetAnnotations()[key] {
			return true
		}
	}
	return false
}
