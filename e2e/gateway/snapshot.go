package gateway

import (
	"net"
	"strings"
)

// Snapshot is one consistent state of everything istiod said. It never changes once published.
type Snapshot struct {
	Ready     bool // nothing that is named is still on its way
	inlets    map[string]*inlet
	byAddress map[string]*inlet
	tables    map[string]*routeTable
	upstreams map[string]*upstream
	workloads map[string]Workload // by IP
}

func emptySnapshot() *Snapshot { return newStore(Ingress).snapshot() }

// snapshot freezes the store. A cluster whose endpoints haven't come yet is left out, as Envoy leaves
// one out that is still warming: a route to it answers 503 instead of hanging.
func (s *store) snapshot() *Snapshot {
	snap := &Snapshot{
		Ready: s.complete(), inlets: s.listeners, byAddress: map[string]*inlet{},
		tables: map[string]*routeTable{}, upstreams: map[string]*upstream{}, workloads: map[string]Workload{},
	}
	for _, l := range s.listeners {
		snap.byAddress[l.address] = l
	}
	for name, t := range s.tables {
		snap.tables[name] = t
	}
	for name, c := range s.clusters {
		if c.service == "" {
			snap.upstreams[name] = c
			continue
		}
		if set := s.endpoints[c.service]; set != nil {
			snap.upstreams[name] = c.with(set)
			set.workloads(snap.workloads)
		}
	}
	return snap
}

// inlet finds the listener for a destination: that address, or any address with that port.
func (s *Snapshot) inlet(destination string) *inlet {
	if l, ok := s.byAddress[destination]; ok {
		return l
	}
	_, port, err := net.SplitHostPort(destination)
	if err != nil {
		return nil
	}
	return s.byAddress[net.JoinHostPort("0.0.0.0", port)]
}

// table finds the routes of an HTTP chain, which holds them itself or names them.
func (s *Snapshot) table(c *chain) *routeTable {
	if c.inline != nil {
		return c.inline
	}
	return s.tables[c.routes]
}

// bound lists the addresses that a gateway must listen on.
func (s *Snapshot) bound() map[string]bool {
	out := map[string]bool{}
	for _, l := range s.inlets {
		if l.bind {
			out[l.address] = true
		}
	}
	return out
}

// workload tells who lives at an address with or without a port; the zero value if istiod didn't say.
func (s *Snapshot) workload(address string) Workload {
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host
	}
	return s.workloads[strings.Trim(address, "[]")]
}
