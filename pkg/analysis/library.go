package analysis

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric"
)

// Library reads what Canaries refer to.
type Library interface {
	// Template reads the MetricTemplate that a metric of a Canary refers to.
	Template(ctx context.Context, c *v1beta1.Canary, ref v1beta1.CrossNamespaceRef) (*v1beta1.MetricTemplate, error)
	// Secret reads the data of a Secret as it is now. An error shows nothing of them.
	Secret(ctx context.Context, namespace, name string) (map[string][]byte, error)
}

// empty is the Library of an Analyst that was given none.
type empty struct{}

var errNoLibrary = errors.New("nothing can be read from the cluster")

func (empty) Template(context.Context, *v1beta1.Canary, v1beta1.CrossNamespaceRef) (*v1beta1.MetricTemplate, error) {
	return nil, errNoLibrary
}

func (empty) Secret(context.Context, string, string) (map[string][]byte, error) {
	return nil, errNoLibrary
}

func (a *Analyst) library() Library {
	if a.Library == nil {
		return empty{}
	}
	return a.Library
}

// system is a monitoring system that a template stands for.
type system struct {
	metric.Provider
	template *v1beta1.MetricTemplate
	hidden   hidden
}

// round keeps what the metrics of one round have in common: a template that ten of them refer to is read once, and
// so is its Secret. Nothing of it outlives the round.
type round struct {
	mu   sync.Mutex
	made map[v1beta1.CrossNamespaceRef]func() (*system, error)
}

func newRound() *round { return &round{made: map[v1beta1.CrossNamespaceRef]func() (*system, error){}} }

// once makes the system of a template, for the first who asks.
func (r *round) once(ref v1beta1.CrossNamespaceRef, make func() (*system, error)) (*system, error) {
	r.mu.Lock()
	made, ok := r.made[ref]
	if !ok {
		made = sync.OnceValues(make)
		r.made[ref] = made
	}
	r.mu.Unlock()
	return made()
}

// close gives back what systems hold on to, such as connections of their own. Nobody asks any more by then.
func (r *round) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, made := range r.made {
		s, err := made()
		if err != nil {
			continue
		}
		if c, ok := s.Provider.(io.Closer); ok {
			_ = c.Close() // the answers are there, and nothing depends on how the connections end
		}
	}
}
