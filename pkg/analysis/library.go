package analysis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric"
	"github.com/sluice-cd/sluice/pkg/outbound"
)

// File library.go is what metrics and hooks refer to: templates, and Secrets beside them.

// Library reads what Canaries refer to.
// The controller has the rules of who may refer to what, so this package knows no client of Kubernetes.
type Library interface {
	// Template reads the MetricTemplate that a metric of a Canary refers to.
	Template(ctx context.Context, c *v1beta1.Canary, ref v1beta1.CrossNamespaceRef) (*v1beta1.MetricTemplate, error)
	// Secret reads the data of a Secret as it is now. An error shows nothing of them.
	Secret(ctx context.Context, namespace, name string) (map[string][]byte, error)
}

// empty is the Library of an Analyst that was given none.
type empty struct{}

var errNoLibrary = errors.New("nothing can be read from the cluster")

// Template has nothing to read from.
func (empty) Template(context.Context, *v1beta1.Canary, v1beta1.CrossNamespaceRef) (*v1beta1.MetricTemplate, error) {
	return nil, errNoLibrary
}

// Secret has nothing to read from.
func (empty) Secret(context.Context, string, string) (map[string][]byte, error) {
	return nil, errNoLibrary
}

// library spares everybody else the question whether there is one.
func (a *Analyst) library() Library {
	if a.Library == nil {
		return empty{}
	}
	return a.Library
}

// readTimeout bounds how long a template and its Secret may take to be read, for which all metrics of a round wait.
const readTimeout = 10 * time.Second

// entry is a template as it was read, with the Secret that belongs to it.
type entry struct {
	template *v1beta1.MetricTemplate
	secret   map[string][]byte // nil: it needs none
	secrets  outbound.Secrets
}

// round keeps what the metrics of one round have in common: a template that ten of them refer to is read once, and
// so is its Secret. Nothing of it outlives the round.
type round struct {
	mu   sync.Mutex
	read map[v1beta1.CrossNamespaceRef]func() (*entry, error)
}

// newRound begins with nothing read.
func newRound() *round { return &round{read: map[v1beta1.CrossNamespaceRef]func() (*entry, error){}} }

// once reads a template for the first who asks.
func (r *round) once(ref v1beta1.CrossNamespaceRef, read func() (*entry, error)) (*entry, error) {
	r.mu.Lock()
	known, ok := r.read[ref]
	if !ok {
		// Called outside the lock: who needs another template does not wait for this one.
		known = sync.OnceValues(read)
		r.read[ref] = known
	}
	r.mu.Unlock()
	return known()
}

// look reads a template, and its Secret as it is now.
func (a *Analyst) look(ctx context.Context, c *v1beta1.Canary, ref v1beta1.CrossNamespaceRef) (*entry, error) {
	ctx, stop := context.WithTimeout(ctx, readTimeout)
	defer stop()
	template, err := a.library().Template(ctx, c, ref)
	if err != nil {
		return nil, fmt.Errorf("error: %w", err)
	}
	e := &entry{template: template}
	p := template.Spec.Provider
	if p.SecretRef != nil {
		// In the template's namespace, whose owner wrote it down.
		if e.secret, err = a.library().Secret(ctx, ref.Namespace, p.SecretRef.Name); err != nil {
			return nil, fmt.Errorf("secret %s error: %w", p.SecretRef.Name, err)
		}
	}
	e.secrets = metric.SecretsOf(p, e.secret)
	return e, nil
}
