// Package convert makes Canaries, MetricTemplates and Deployments of Argo Rollouts' manifests.
//
// docs/guides/migrate-from-argo-rollouts.md is the table that it follows. What has no counterpart is a Note: it becomes a
// comment in the output, and a line for whoever runs it. Nothing is applied, and the order of a migration is the page's.
package convert

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	kubeyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// Note is about what an output does not have of its input.
type Note struct {
	Object string // Rollout test/podinfo
	Field  string // spec.strategy.canary.antiAffinity
	Text   string
}

// String is the note in one line.
func (n Note) String() string { return n.Object + ": " + n.Field + ": " + n.Text }

// source is what was read, by kind.
type source struct {
	rollouts  []argoRollout
	templates map[string]analysisTemplate
	services  map[string]map[string]any
	routes    map[string]map[string]any // VirtualServices
	scalers   []map[string]any
	ingresses []map[string]any
	apps      []map[string]any // Applications of Argo CD
}

// conversion is that of one Rollout.
type conversion struct {
	*source
	rollout argoRollout
	apex    string
	notes   []Note
	out     []map[string]any // the Deployment, the Canary, its MetricTemplates, the autoscaler
	canary  map[string]any
	metrics []any
	known   map[string]bool // metrics by name
	shared  map[string]string
	every   []time.Duration // intervals that the metrics ask for
	inputs  map[string]bool // MetricTemplates that were made
	ratio   bool
}

// Convert reads manifests and returns those of Sluice, as YAML with comments, and what they lack.
func Convert(manifests io.Reader) (string, []Note, error) {
	s, err := read(manifests)
	if err != nil {
		return "", nil, err
	}
	if len(s.rollouts) == 0 {
		return "", nil, errors.New("there is no Rollout of argoproj.io/v1alpha1 among the files")
	}
	out, notes := &strings.Builder{}, []Note(nil)
	for _, r := range s.rollouts {
		c := &conversion{source: s, rollout: r, known: map[string]bool{}, shared: map[string]string{}, inputs: map[string]bool{}}
		c.convert()
		for _, n := range c.notes {
			fmt.Fprintf(out, "# %s\n", n)
		}
		notes = append(notes, c.notes...)
		for _, object := range c.out {
			text, err := yaml.Marshal(object)
			if err != nil {
				return "", nil, err
			}
			fmt.Fprintf(out, "---\n%s", text)
		}
	}
	return out.String(), notes, nil
}

func read(manifests io.Reader) (*source, error) {
	s := &source{templates: map[string]analysisTemplate{}, services: map[string]map[string]any{}, routes: map[string]map[string]any{}}
	documents := kubeyaml.NewYAMLToJSONDecoder(manifests)
	for {
		var raw runtime.RawExtension
		err := documents.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the manifests: %w", err)
		}
		if err := s.add(raw.Raw); err != nil {
			return nil, err
		}
	}
}

func (s *source) add(raw []byte) error {
	object := map[string]any{}
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil
	}
	if err := json.Unmarshal(raw, &object); err != nil {
		return err
	}
	name, _ := at(object, "metadata", "name").(string)
	var err error
	switch object["kind"] {
	case "Rollout":
		var r argoRollout
		if err = json.Unmarshal(raw, &r); err == nil {
			s.rollouts = append(s.rollouts, r)
		}
	case "AnalysisTemplate", "ClusterAnalysisTemplate":
		var t analysisTemplate
		if err = json.Unmarshal(raw, &t); err == nil {
			s.templates[name] = t
		}
	case "Service":
		s.services[name] = object
	case "VirtualService":
		s.routes[name] = object
	case "HorizontalPodAutoscaler":
		s.scalers = append(s.scalers, object)
	case "Ingress":
		s.ingresses = append(s.ingresses, object)
	case "Application":
		s.apps = append(s.apps, object)
	}
	if err != nil {
		return fmt.Errorf("read %s %q: %w", object["kind"], name, err)
	}
	return nil
}

// at is a part of an object; nil: there is none.
func at(object any, path ...string) any {
	for _, key := range path {
		m, _ := object.(map[string]any)
		object = m[key]
	}
	return object
}

func (c *conversion) note(field, format string, args ...any) {
	n := Note{"Rollout " + strings.TrimPrefix(c.rollout.Namespace+"/"+c.rollout.Name, "/"), field, fmt.Sprintf(format, args...)}
	if !slices.Contains(c.notes, n) { // two metrics may have one template
		c.notes = append(c.notes, n)
	}
}

// leave notes fields that have no counterpart.
func (c *conversion) leave(prefix string, fields ...any) {
	for i := 0; i < len(fields); i += 2 {
		if set(fields[i+1]) {
			c.note(prefix+fields[i].(string), "has no counterpart")
		}
	}
}

func set(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case *int32:
		return v != nil
	case string:
		return v != ""
	}
	return true
}

func (c *conversion) metadata(name string) map[string]any {
	m := map[string]any{"name": name}
	if c.rollout.Namespace != "" {
		m["namespace"] = c.rollout.Namespace
	}
	return m
}

// mostWindow is the most that spec.history.rollbackWindow takes.
const mostWindow = 30

func (c *conversion) convert() {
	r := c.rollout.Spec
	target := c.deployment()
	spec := map[string]any{"targetRef": map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": target}}
	if r.ProgressDeadlineSeconds != nil {
		spec["progressDeadlineSeconds"] = *r.ProgressDeadlineSeconds
	}
	if r.Paused {
		spec["suspend"] = true
	}
	if n := r.RollbackWindow.Revisions; n > 0 {
		spec["history"] = map[string]any{"rollbackWindow": min(n, mostWindow)}
	}
	c.leave("spec.", "restartAt", r.RestartAt)
	c.canary = map[string]any{"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": c.metadata(c.rollout.Name), "spec": spec}
	c.out = append(c.out, c.canary)
	analysis := map[string]any{"threshold": 1}
	switch {
	case r.Strategy.Canary != nil:
		c.apex = cmp.Or(r.Strategy.Canary.StableService, target)
		c.traffic(spec, r.Strategy.Canary.TrafficRouting)
		c.canarySteps(r.Strategy.Canary, analysis)
	case r.Strategy.BlueGreen != nil:
		c.apex = cmp.Or(r.Strategy.BlueGreen.ActiveService, target)
		spec["provider"] = "kubernetes"
		c.blueGreen(r.Strategy.BlueGreen, analysis)
	default:
		c.apex = target
		spec["provider"], spec["skipAnalysis"] = "kubernetes", true
		analysis["iterations"] = 1
		c.note("spec.strategy", "is empty: the Canary promotes without judging")
	}
	c.service(spec, target)
	if len(c.metrics) > 0 {
		analysis["metrics"] = c.metrics
	}
	analysis["interval"] = short(c.interval())
	spec["analysis"] = analysis
	c.autoscaler(spec, target)
	c.previews()
	c.applications()
}

// deployment makes one of the Rollout, unless that refers to one; it returns the name.
func (c *conversion) deployment() string {
	r := c.rollout.Spec
	if r.WorkloadRef != nil {
		if r.WorkloadRef.Kind != "Deployment" {
			c.note("spec.workloadRef.kind", "%s cannot be rolled out, make a Deployment of it", r.WorkloadRef.Kind)
		}
		return r.WorkloadRef.Name
	}
	spec := map[string]any{"selector": r.Selector, "template": r.Template}
	if r.Replicas != nil {
		spec["replicas"] = *r.Replicas
		c.note("spec.replicas", "leave it out of the Deployment once that serves: it is 0 between rollouts")
	}
	if r.MinReadySeconds > 0 {
		spec["minReadySeconds"] = r.MinReadySeconds
	}
	if r.RevisionHistoryLimit != nil {
		spec["revisionHistoryLimit"] = *r.RevisionHistoryLimit
	}
	if s := r.Strategy.Canary; s != nil && (s.MaxSurge != nil || s.MaxUnavailable != nil) {
		rolling := map[string]any{}
		if s.MaxSurge != nil {
			rolling["maxSurge"] = s.MaxSurge
		}
		if s.MaxUnavailable != nil {
			rolling["maxUnavailable"] = s.MaxUnavailable
		}
		spec["strategy"] = map[string]any{"rollingUpdate": rolling}
	}
	metadata := c.metadata(c.rollout.Name)
	if len(c.rollout.Labels) > 0 {
		metadata["labels"] = c.rollout.Labels
	}
	c.out = append(c.out, map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
	return c.rollout.Name
}

// service takes the ports over from the stable Service.
func (c *conversion) service(spec map[string]any, target string) {
	s := map[string]any{"port": 80}
	if c.apex != target {
		s["name"] = c.apex
	}
	ports, _ := at(c.services[c.apex], "spec", "ports").([]any)
	if len(ports) == 0 {
		c.note("spec.strategy", "the files do not have the Service %q: correct spec.service.port", c.apex)
	} else {
		for to, from := range map[string]string{"port": "port", "targetPort": "targetPort", "portName": "name", "appProtocol": "appProtocol"} {
			if v := at(ports[0], from); v != nil {
				s[to] = v
			}
		}
		if len(ports) > 1 {
			s["portDiscovery"] = true
		}
	}
	if named, ok := spec["service"].(map[string]any); ok {
		for k, v := range named {
			s[k] = v
		}
	}
	spec["service"] = s
}

// traffic finds the provider.
func (c *conversion) traffic(spec, routing map[string]any) {
	if len(routing) == 0 {
		spec["provider"] = "kubernetes"
		c.ratio = true
		return
	}
	const field = "spec.strategy.canary.trafficRouting."
	for _, name := range sortedKeys(routing) {
		how, _ := routing[name].(map[string]any)
		switch name {
		case "istio":
			spec["provider"] = "istio"
			c.istio(spec, how)
		case "nginx":
			spec["provider"] = "nginx"
			if ingress, ok := how["stableIngress"].(string); ok {
				spec["ingressRef"] = map[string]any{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": ingress}
			}
		case "traefik":
			spec["provider"] = "traefik"
		case "apisix":
			spec["provider"] = "apisix"
			if route, ok := at(how, "route", "name").(string); ok {
				spec["routeRef"] = map[string]any{"apiVersion": "apisix.apache.org/v2", "kind": "ApisixRoute", "name": route}
			}
		case "smi":
			spec["provider"] = "smi:v1alpha2"
		case "plugins":
			c.plugin(spec, how)
		default:
			c.note(field+name, "has no counterpart; choose a provider of docs/providers")
		}
	}
	if spec["provider"] == nil {
		spec["provider"] = "kubernetes"
		c.ratio = true
	}
}

func (c *conversion) plugin(spec, plugins map[string]any) {
	for _, name := range sortedKeys(plugins) {
		switch {
		case strings.Contains(strings.ToLower(name), "gatewayapi"):
			spec["provider"] = "gatewayapi:v1"
			if route, ok := at(plugins[name], "httpRoute").(string); ok {
				spec["service"] = map[string]any{"routeRefs": []any{map[string]any{"kind": "HTTPRoute", "name": route}}}
			}
		case strings.Contains(name, "contour"):
			spec["provider"] = "contour"
		case strings.Contains(name, "gloo"):
			spec["provider"] = "gloo"
		default:
			c.note("spec.strategy.canary.trafficRouting.plugins."+name, "has no counterpart")
		}
	}
}

// istio takes hosts and gateways over from the VirtualService.
func (c *conversion) istio(spec, how map[string]any) {
	name, _ := at(how, "virtualService", "name").(string)
	v := c.routes[name]
	if v == nil {
		c.note("spec.strategy.canary.trafficRouting.istio.virtualService", "the files do not have %q: add its hosts and gateways to spec.service", name)
		return
	}
	service := map[string]any{}
	for _, field := range []string{"hosts", "gateways"} {
		if list := at(v, "spec", field); list != nil {
			service[field] = list
		}
	}
	spec["service"] = service
	if routes, _ := at(v, "spec", "http").([]any); len(routes) > 1 {
		c.note("spec.strategy.canary.trafficRouting.istio.virtualService", "%s has more routes than one: name it in spec.service.routeRefs to keep them", name)
	}
}

// autoscaler has the one of the Rollout scale the Deployment.
func (c *conversion) autoscaler(spec map[string]any, target string) {
	for _, object := range c.scalers {
		ref, _ := at(object, "spec", "scaleTargetRef").(map[string]any)
		if ref["kind"] != "Rollout" || ref["name"] != c.rollout.Name {
			continue
		}
		object = runtime.DeepCopyJSON(object)
		at(object, "spec").(map[string]any)["scaleTargetRef"] = map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
		c.out = append(c.out, object)
		if c.ratio {
			c.note("spec.strategy.canary", "weights by numbers of pods cannot be combined with autoscaler %s: use a provider that divides requests", at(object, "metadata", "name"))
		}
		spec["autoscalerRef"] = map[string]any{"apiVersion": object["apiVersion"], "kind": object["kind"], "name": at(object, "metadata", "name")}
	}
}

// previews has Ingresses of the canary's Service lead to the one that is made.
func (c *conversion) previews() {
	was, made := c.canaryService(), c.apex+"-canary"
	if was == "" || was == made {
		return
	}
	for _, object := range c.ingresses {
		object = runtime.DeepCopyJSON(object)
		rules, _ := at(object, "spec", "rules").([]any)
		backends := []any{at(object, "spec", "defaultBackend")}
		for _, r := range rules {
			paths, _ := at(r, "http", "paths").([]any)
			for _, p := range paths {
				backends = append(backends, at(p, "backend"))
			}
		}
		leads := false
		for _, b := range backends {
			if s, _ := at(b, "service").(map[string]any); s["name"] == was {
				s["name"], leads = made, true
			}
		}
		if leads {
			c.out = append(c.out, object)
		}
	}
}

// applications notes what Argo CD has to let go of, and to know.
func (c *conversion) applications() {
	var made []string
	for _, name := range []string{c.apex, c.canaryService()} {
		if c.services[name] != nil {
			made = append(made, name)
		}
	}
	for _, a := range c.apps {
		if to, _ := at(a, "spec", "destination", "namespace").(string); to != "" && c.rollout.Namespace != "" && to != c.rollout.Namespace {
			continue
		}
		namespace, _ := at(a, "metadata", "namespace").(string)
		name, _ := at(a, "metadata", "name").(string)
		object := "Application " + strings.TrimPrefix(namespace+"/"+name, "/")
		if len(made) > 0 {
			c.notes = append(c.notes, Note{object, "spec.source", "take what the Canary makes out of what is applied: Services " + strings.Join(made, ", ")})
		}
		c.notes = append(c.notes, Note{object, "metadata", "Argo CD knows health and actions of a Canary by artifacts/argocd/argocd-cm.yaml"})
	}
}

// interval is how often the canary is judged: as often as the most eager metric, and no more than the shortest step lasts.
func (c *conversion) interval() time.Duration {
	if len(c.every) == 0 {
		return time.Minute
	}
	return max(slices.Min(c.every), 10*time.Second)
}

// short is a duration as people write it.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// lasting reads a duration of Argo's: a number is one of seconds.
func lasting(v intstr.IntOrString) (time.Duration, error) {
	if v.Type == intstr.Int {
		return time.Duration(v.IntVal) * time.Second, nil
	}
	if d, err := time.ParseDuration(v.StrVal); err == nil {
		return d, nil
	}
	return time.ParseDuration(v.StrVal + "s")
}

func sortedKeys(m map[string]any) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
