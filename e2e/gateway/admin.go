package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Admin serves what one looks at from outside: metrics at /metrics and, as Istio's proxies do, at
// /stats/prometheus; whether the proxy is ready at /healthz/ready; at /config what it is doing, in words.
func (g *Gateway) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", g.metrics.handler())
	mux.Handle("GET /stats/prometheus", g.metrics.handler())
	mux.HandleFunc("GET /healthz/ready", func(w http.ResponseWriter, _ *http.Request) {
		if !g.Snapshot().Ready {
			http.Error(w, "waiting for istiod", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ready\n")
	})
	mux.HandleFunc("GET /config", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, g.Snapshot().String())
	})
	return mux
}

// String describes the snapshot, the same one always in the same words.
func (s *Snapshot) String() string {
	var b strings.Builder
	for _, name := range sortedKeys(s.inlets) {
		l := s.inlets[name]
		fmt.Fprintf(&b, "listener %s at %s open=%t routes=%v\n", name, l.address, l.bind, l.tables())
	}
	for _, name := range sortedKeys(s.tables) {
		fmt.Fprintf(&b, "routes %s\n", name)
		s.tables[name].describe(&b)
	}
	for _, name := range sortedKeys(s.upstreams) {
		fmt.Fprintf(&b, "cluster %s", name)
		if set := s.upstreams[name].set; set != nil {
			for _, p := range set.all {
				fmt.Fprintf(&b, " %s(%s)", p.address, p.workload.Name)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (t *routeTable) describe(b *strings.Builder) {
	seen := map[*virtualHost]bool{}
	hosts := []*virtualHost{}
	for _, domain := range sortedKeys(t.exact) {
		hosts = append(hosts, t.exact[domain])
	}
	for _, w := range t.suffixes {
		hosts = append(hosts, w.host)
	}
	for _, vh := range append(hosts, t.any) {
		if vh == nil || seen[vh] {
			continue
		}
		seen[vh] = true
		fmt.Fprintf(b, "  host %s %v\n", vh.name, vh.domains)
		for _, r := range vh.routes {
			fmt.Fprintf(b, "    %s %q headers=%d%s\n", r.match.shape, r.match.prefix, len(r.match.headers), r.describe())
		}
	}
}

func (r *rule) describe() string {
	if r.forward == nil {
		return " answered here"
	}
	var b strings.Builder
	for i, s := range r.forward.splits {
		fmt.Fprintf(&b, " %s=%g", s.cluster, r.forward.weights[i])
	}
	for _, m := range r.forward.mirrors {
		fmt.Fprintf(&b, " mirror %s=%g%%", m.cluster, 100*m.share)
	}
	return b.String()
}
