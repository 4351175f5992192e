package loadtest

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Gates keeps which gates are open. A gate is closed until somebody opens it: the safe side.
type Gates interface {
	// Open says whether a gate is open.
	Open(ctx context.Context, key string) (bool, error)
	// OpenFor says whether a gate is open for a rollout. It is for the first that asks, and closed when another one does: a
	// switch that was left open must not end the next rollout.
	OpenFor(ctx context.Context, key, rollout string) (bool, error)
	// Turn opens a gate or closes it. It returns when every later Open of every replica sees it.
	Turn(ctx context.Context, key string, open bool) error
}

// Memory keeps gates as long as the process lives, for itself alone. The zero value has all of them closed.
type Memory struct {
	mu   sync.RWMutex
	open map[string]string // by key; the rollout that it is open for, empty: nobody has asked yet
}

// Open never fails.
func (g *Memory) Open(_ context.Context, key string) (bool, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	_, open := g.open[key]
	return open, nil
}

// OpenFor never fails.
func (g *Memory) OpenFor(_ context.Context, key, rollout string) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	of, open := g.open[key]
	switch {
	case !open:
		return false, nil
	case of != "" && of != rollout:
		delete(g.open, key)
		return false, nil
	}
	g.open[key] = rollout
	return true, nil
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
		g.open = map[string]string{}
	}
	g.open[key] = ""
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
func (s *Server) gate(kind gateKind, serve func(w http.ResponseWriter, r *http.Request, key string, p payload)) func(http.ResponseWriter, *http.Request, payload) {
	return func(w http.ResponseWriter, r *http.Request, p payload) {
		key, err := kind.key(p)
		if err != nil {
			answer(w, http.StatusBadRequest, err.Error())
			return
		}
		serve(w, r, key, p)
	}
}

// checkSwitch answers whether the rollout that asks is to go back.
func (s *Server) checkSwitch(w http.ResponseWriter, r *http.Request, key string, p payload) {
	s.asked.note(key)
	if p.rollout() == "" { // asked by hand
		open, err := s.gates.Open(r.Context(), key)
		s.tell(w, key, open, err)
		return
	}
	open, err := s.gates.OpenFor(r.Context(), key, p.rollout())
	s.tell(w, key, open, err)
}

func (s *Server) check(w http.ResponseWriter, r *http.Request, key string, _ payload) {
	s.asked.note(key)
	open, err := s.gates.Open(r.Context(), key)
	s.tell(w, key, open, err)
}

// tell answers with what a gate is.
func (s *Server) tell(w http.ResponseWriter, key string, open bool, err error) {
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

// turn opens a gate or closes it, and says which: a name that is misspelt is accepted like any other.
func (s *Server) turn(kind gateKind, open bool) func(http.ResponseWriter, *http.Request, string, payload) {
	return func(w http.ResponseWriter, r *http.Request, key string, p payload) {
		if err := s.gates.Turn(r.Context(), key, open); err != nil {
			s.options.Log.Error(err, "gate not turned", "gate", key, "open", open)
			answer(w, http.StatusInternalServerError, err.Error())
			return
		}
		s.options.Log.Info("gate turned", "gate", key, "open", open)
		word := "closed"
		if open {
			word = "open"
		}
		text := fmt.Sprintf("The %s of %s/%s is %s.", kind.name, p.Namespace, p.Name, word)
		if known := s.asked.others(key, kind); known != "" {
			text += " No Canary of this name has asked for it since the load tester began" + known + "."
		}
		answer(w, http.StatusAccepted, text)
	}
}

// askedGates are the gates that were asked for, so that one which is turned under a misspelt name can be told.
type askedGates struct {
	mu   sync.Mutex
	keys map[string]bool
}

// mostAsked bounds what is remembered: names are what callers send.
const mostAsked = 1024

func (a *askedGates) note(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.keys == nil {
		a.keys = map[string]bool{}
	}
	if len(a.keys) < mostAsked {
		a.keys[key] = true
	}
}

// others lists, of a gate that was not asked for, the others of its kind; empty: it was.
func (a *askedGates) others(key string, kind gateKind) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.keys[key] {
		return ""
	}
	const most = 10
	var names []string
	for _, one := range slices.Sorted(maps.Keys(a.keys)) {
		if of, ok := strings.CutPrefix(one, kind.name+"_"); ok && len(names) < most {
			names = append(names, strings.Replace(of, "_", "/", 1))
		}
	}
	if len(names) == 0 {
		return ", nor has any other"
	}
	return "; asked for were those of " + strings.Join(names, ", ")
}
