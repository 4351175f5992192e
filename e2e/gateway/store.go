package gateway

import (
	"errors"
	"fmt"
	"slices"

	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// store holds what was accepted of each kind, compiled. Only the stream's goroutine uses it.
type store struct {
	mode      Mode
	clusters  map[string]*upstream
	endpoints map[string]*endpointSet
	listeners map[string]*inlet
	tables    map[string]*routeTable
	arrived   map[string]bool // kinds of which at least one answer came
}

func newStore(mode Mode) *store {
	return &store{
		mode: mode, arrived: map[string]bool{},
		clusters: map[string]*upstream{}, endpoints: map[string]*endpointSet{},
		listeners: map[string]*inlet{}, tables: map[string]*routeTable{},
	}
}

// apply takes an answer's resources. The error names each that couldn't be used; the others are in force,
// and of the refused ones the last good version is.
func (s *store) apply(kind string, resources []*anypb.Any) (err error) {
	s.arrived[kind] = true
	switch kind {
	case clusterType:
		s.clusters, err = replace(s.clusters, resources, compileCluster)
	case listenerType:
		compile := func(l *listener.Listener) (*inlet, error) { return compileListener(l, s.mode) }
		s.listeners, err = replace(s.listeners, resources, compile)
	case endpointType:
		err = merge(s.endpoints, resources, compileEndpoints)
	case routeType:
		err = merge(s.tables, resources, compileTable)
	}
	s.forget()
	return err
}

// forget drops endpoints and routes that nothing names any more.
func (s *store) forget() {
	wanted := s.wanted()
	for name := range s.endpoints {
		if !slices.Contains(wanted[endpointType], name) {
			delete(s.endpoints, name)
		}
	}
	for name := range s.tables {
		if !slices.Contains(wanted[routeType], name) {
			delete(s.tables, name)
		}
	}
}

// wanted lists, sorted, the endpoints that clusters name and the routes that listeners name.
func (s *store) wanted() map[string][]string {
	sets, tables := map[string]bool{}, map[string]bool{}
	for _, c := range s.clusters {
		if c.service != "" {
			sets[c.service] = true
		}
	}
	for _, l := range s.listeners {
		for _, name := range l.tables() {
			tables[name] = true
		}
	}
	return map[string][]string{endpointType: sortedKeys(sets), routeType: sortedKeys(tables)}
}

// complete says that nothing named is still on its way: the proxy is ready for traffic.
func (s *store) complete() bool {
	wanted := s.wanted()
	missing := func(name string) bool { return s.endpoints[name] == nil }
	absent := func(name string) bool { return s.tables[name] == nil }
	return s.arrived[clusterType] && s.arrived[listenerType] &&
		!slices.ContainsFunc(wanted[endpointType], missing) && !slices.ContainsFunc(wanted[routeType], absent)
}

// named is what every resource message has, under one name or another.
type named interface {
	proto.Message
	GetName() string
}

// resourceName is the key of a resource; a load assignment calls its name otherwise.
func resourceName(m proto.Message) string {
	if a, ok := m.(*endpoint.ClusterLoadAssignment); ok {
		return a.GetClusterName()
	}
	return m.(named).GetName()
}

// replace is for kinds whose answers are complete: what isn't in the answer is gone.
func replace[M proto.Message, C any](old map[string]C, resources []*anypb.Any, compile func(M) (C, error)) (map[string]C, error) {
	next := make(map[string]C, len(resources))
	err := each(resources, compile, func(name string, value C, err error) {
		if err == nil {
			next[name] = value
		} else if last, ok := old[name]; ok {
			next[name] = last
		}
	})
	return next, err
}

// merge is for kinds asked for by name: an answer may hold only those that changed.
func merge[M proto.Message, C any](into map[string]C, resources []*anypb.Any, compile func(M) (C, error)) error {
	return each(resources, compile, func(name string, value C, err error) {
		if err == nil {
			into[name] = value
		}
	})
}

func each[M proto.Message, C any](resources []*anypb.Any, compile func(M) (C, error), use func(string, C, error)) error {
	var problems []error
	for _, resource := range resources {
		message, err := resource.UnmarshalNew()
		if err != nil {
			problems = append(problems, fmt.Errorf("reading %q: %w", resource.TypeUrl, err))
			continue
		}
		typed, ok := message.(M)
		if !ok {
			problems = append(problems, fmt.Errorf("unexpected resource %q", resource.TypeUrl))
			continue
		}
		value, err := compile(typed)
		use(resourceName(typed), value, err)
		if err != nil {
			problems = append(problems, fmt.Errorf("%q: %w", resourceName(typed), err))
		}
	}
	return errors.Join(problems...)
}
