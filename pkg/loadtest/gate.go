package loadtest

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Gates keeps which gates are open. A gate is closed until somebody opens it: the safe side.
type Gates interface {
	// Open says whether a gate is open.
	Open(ctx context.Context, key string) (bool, error)
	// Turn opens a gate or closes it. It returns when every later Open of every replica sees it.
	Turn(ctx context.Context, key string, open bool) error
}

// Memory keeps gates as long as the process lives, for itself alone. The zero value has all of them closed.
type Memory struct {
	mu   sync.RWMutex
	open map[string]bool
}

// Open never fails.
func (g *Memory) Open(_ context.Context, key string) (bool, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.open[key], nil
}

// Turn never fails. It forgets closed gates, so that there are never more than somebody left open.
func (g *Memory) Turn(_ context.Context, key string, open bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !open {
		delete(g.open, key)
		return nil
	}
	if g.open == nil {
		g.open = map[string]bool{}
	}
	g.open[key] = true
	return nil
}

// gateKind is a purpose that every Canary has a gate for.
type gateKind struct{ path, name string }

var (
	gateKey     = gateKind{path: "/gate", name: "gate"}
	rollbackKey = gateKind{path: "/rollback", name: "rollback"}
)

// key names a gate of a Canary. An underscore is in no name of Kubernetes, so that no two gates share a key.
func (k gateKind) key(p payload) (string, error) {
	if len(validation.IsDNS1123Subdomain(p.Name)) > 0 {
		return "", fmt.Errorf("name: %q is not the name of a Canary", p.Name)
	}
	if len(validation.IsDNS1123Label(p.Namespace)) > 0 {
		return "", fmt.Errorf("namespace: %q is not the name of a namespace", p.Namespace)
	}
	return k.name + "_" + p.Namespace + "_" + p.Name, nil
}

// gate names the gate that a call is about.
func (s *Server) gate(kind gateKind, serve func(w http.ResponseWriter, r *http.Request, key string)) func(http.ResponseWriter, *http.Request, payload) {
	return func(w http.ResponseWriter, r *http.Request, p payload) {
		key, err := kind.key(p)
		if err != nil {
			answer(w, http.StatusBadRequest, err.Error())
			return
		}
		serve(w, r, key)
	}
}

func (s *Server) check(w http.ResponseWriter, r *http.Request, key string) {
	open, err := s.gates.Open(r.Context(), key)
	switch {
	case err != nil:
		s.options.Log.Error(err, "gate unknown", "gate", key)
		answer(w, http.StatusInternalServerError, err.Error())
	case open:
		answer(w, http.StatusOK, "Approved")
	default:
		answer(w, http.StatusForbidden, "Forbidden")
	}
}

func (s *Server) turn(open bool) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, r *http.Request, key string) {
		if err := s.gates.Turn(r.Context(), key, open); err != nil {
			s.options.Log.Error(err, "gate not turned", "gate", key, "open", open)
			answer(w, http.StatusInternalServerError, err.Error())
			return
		}
		s.options.Log.Info("gate turned", "gate", key, "open", open)
		answer(w, http.StatusAccepted, "")
	}
}
