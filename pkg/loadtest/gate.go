package loadtest

import (
	"net/http"
	"sync"
)

// gateKind is a purpose that every Canary has a gate for.
type gateKind struct {
	path   string
	prefix string // that keeps the keys of the two apart
}

var (
	gateKey     = gateKind{path: "/gate"}
	rollbackKey = gateKind{path: "/rollback", prefix: "rollback."}
)

// gates are closed until somebody opens them, and again after a restart: the safe side of a gate.
type gates struct {
	mu   sync.RWMutex
	open map[string]bool
}

func (g *gates) isOpen(key string) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.open[key]
}

// turn forgets closed gates, so that there are never more than somebody left open.
func (g *gates) turn(key string, open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if open {
		g.open[key] = true
		return
	}
	delete(g.open, key)
}

func (s *Server) check(kind gateKind) func(http.ResponseWriter, *http.Request, payload) {
	return func(w http.ResponseWriter, _ *http.Request, p payload) {
		if s.gates.isOpen(kind.prefix + p.canary()) {
			answer(w, http.StatusOK, "Approved")
			return
		}
		answer(w, http.StatusForbidden, "Forbidden")
	}
}

func (s *Server) turn(kind gateKind, open bool) func(http.ResponseWriter, *http.Request, payload) {
	return func(w http.ResponseWriter, _ *http.Request, p payload) {
		s.gates.turn(kind.prefix+p.canary(), open)
		s.options.Log.Info("gate turned", "gate", kind.prefix+p.canary(), "open", open)
		answer(w, http.StatusAccepted, "")
	}
}
