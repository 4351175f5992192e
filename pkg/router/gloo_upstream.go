package router

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// settings are how the user's Upstream treats connections, without where it leads to.
// What is taken out are all kinds of place that one can lead to, and what Gloo's discovery noted.
func (r gloo) settings(in Input) (map[string]any, error) {
	refs := r.Reads(in.Canary)
	if len(refs) == 0 {
		return map[string]any{}, nil
	}
	from, err := source(in, refs[0], "spec.upstreamRef.name")
	if err != nil {
		return nil, err
	}
	spec, _, err := unstructured.NestedMap(from.Object, "spec")
	if err != nil || spec == nil {
		return map[string]any{}, nil // nothing is set
	}
	kube, _ := spec["kube"].(map[string]any)
	for _, place := range []string{"ai", "aws", "awsEc2", "azure", "consul", "discoveryMetadata", "gcp", "kube", "pipe", "static"} {
		delete(spec, place)
	}
	// What speaks to the pods stays; which pods these are is the Services' to say.
	if described, ok := kube["serviceSpec"]; ok {
		spec["kube"] = map[string]any{"serviceSpec": described}
	}
	return spec, nil
}

// upstream leads to one side's Service.
func (r gloo) upstream(c *v1beta1.Canary, service string, settings map[string]any) Object {
	// Both sides start from the same settings, and each writes its own place into them.
	spec := runtime.DeepCopyJSON(settings)
	kube, _ := spec["kube"].(map[string]any)
	if kube == nil {
		kube = map[string]any{}
	}
	kube["serviceName"], kube["serviceNamespace"], kube["servicePort"] = service, c.Namespace, int64(c.Spec.Service.Port)
	spec["kube"] = kube
	return object(r.upstreams.WithKind("Upstream"), upstream(c, service), c, nil, spec)
}

// UpstreamNames are the names of the Upstreams that lead to a Service: that of Gloo's own discovery, and ours.
func UpstreamNames(c *v1beta1.Canary, service string) []string {
	return []string{fmt.Sprintf("%s-%s-%d", c.Namespace, service, c.Spec.Service.Port), upstream(c, service)}
}

// upstream is the name under which dashboards and built-in metrics look for a side.
// Gloo names the clusters of its Envoys after Upstreams.
func upstream(c *v1beta1.Canary, service string) string {
	return fmt.Sprintf("%s-%supstream-%d", c.Namespace, service, c.Spec.Service.Port)
}
