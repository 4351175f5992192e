package gateway

import (
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
)

// Workload is who sent or answered a request, in the terms of Istio's metrics.
type Workload struct {
	Name, Namespace, App, Version, Cluster string
}

// workloadOf reads what istiod notes on an endpoint: name;namespace;app;revision;cluster, where an empty
// revision means "latest".
func workloadOf(m *core.Metadata) Workload {
	note := m.GetFilterMetadata()["istio"].GetFields()["workload"].GetStringValue()
	parts := strings.Split(note, ";")
	if len(parts) < 5 {
		return Workload{}
	}
	version := parts[3]
	if version == "" {
		version = "latest"
	}
	return Workload{Name: parts[0], Namespace: parts[1], App: parts[2], Version: version, Cluster: parts[4]}
}

// known fills what is empty with the word Istio's metrics use for it.
func (w Workload) known() Workload {
	return Workload{
		Name: orUnknown(w.Name), Namespace: orUnknown(w.Namespace), App: orUnknown(w.App),
		Version: orUnknown(w.Version), Cluster: orUnknown(w.Cluster),
	}
}
