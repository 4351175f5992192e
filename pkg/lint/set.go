package lint

import (
	"cmp"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// key names an object, whatever its version.
type key struct{ kind, namespace, name string }

// set is all that the files have, by name.
type set struct {
	*Linter
	objects  map[key][]*document
	canaries map[*document]*canary
	targets  map[key][]*canary // by the workload that they roll out
	apexes   map[key][]*canary // by the Service that users ask
	scalers  []*document
	monitors []*document
}

// canary is a Canary that can be read.
type canary struct {
	*v1beta1.Canary
	doc *document
}

func (c *canary) target() key {
	return key{c.Spec.TargetRef.Kind, c.Namespace, c.Spec.TargetRef.Name}
}

func (c *canary) apex() key { return key{"Service", c.Namespace, c.ApexName()} }

func newSet(l *Linter, files *Files) *set {
	s := &set{Linter: l, objects: map[key][]*document{}, canaries: map[*document]*canary{}, targets: map[key][]*canary{}, apexes: map[key][]*canary{}}
	for _, d := range files.documents {
		k := key{d.kind, s.namespaceOf(d), d.name}
		s.objects[k] = append(s.objects[k], d)
		switch d.kind {
		case "HorizontalPodAutoscaler", "ScaledObject":
			s.scalers = append(s.scalers, d)
		case "ServiceMonitor", "PodMonitor":
			s.monitors = append(s.monitors, d)
		}
		if d.kind != "Canary" || !d.known() {
			continue
		}
		c, err := decode[v1beta1.Canary](d.object)
		if err != nil {
			continue // the schema says what is wrong with it
		}
		c.Namespace = s.namespaceOf(d)
		read := &canary{c, d}
		s.canaries[d] = read
		s.targets[read.target()] = append(s.targets[read.target()], read)
		s.apexes[read.apex()] = append(s.apexes[read.apex()], read)
	}
	return s
}

func (s *set) namespaceOf(d *document) string { return cmp.Or(d.namespace, s.Namespace) }

// related says that a document of another API is looked at as well: it is the target of a Canary.
func (s *set) related(d *document) bool {
	return len(s.targets[key{d.kind, s.namespaceOf(d), d.name}]) > 0
}

// find is an object for whoever refers to it; nil: there is none. A folder may have variants: that of the same file goes first.
func (s *set) find(k key, by *document) *document {
	all := s.objects[k]
	for _, d := range all {
		if d.file == by.file {
			return d
		}
	}
	if len(all) > 0 {
		return all[0]
	}
	return nil
}

// missing says that the files should have an object and do not: they have all that is referred to, or others of its kind in
// its namespace. Near is the name that was probably meant; empty: none is like it.
func (s *set) missing(k key) (near string, missing bool) {
	if s.objects[k] != nil {
		return "", false
	}
	var names []string
	for other := range s.objects {
		if other.kind == k.kind && other.namespace == k.namespace {
			names = append(names, other.name)
		}
	}
	near = nearest(k.name, names)
	return near, s.Complete || near != ""
}

// target is the workload of a Canary; nil: the files do not have it.
func (s *set) target(c *canary) (workload.Object, *document) {
	d := s.find(c.target(), c.doc)
	if d == nil {
		return nil, nil
	}
	switch d.kind {
	case "Deployment":
		if o, err := decode[appsv1.Deployment](d.object); err == nil {
			return o, d
		}
	case "DaemonSet":
		if o, err := decode[appsv1.DaemonSet](d.object); err == nil {
			return o, d
		}
	}
	return nil, nil
}

// read are the user's objects that routes are made from; missing: the files do not have all of them.
func (s *set) read(r router.Router, c *canary) (read map[router.Ref]*unstructured.Unstructured, missing bool) {
	read = map[router.Ref]*unstructured.Unstructured{}
	for _, ref := range r.Reads(c.Canary) {
		d := s.find(key{ref.Kind, cmp.Or(ref.Namespace, c.Namespace), ref.Name}, c.doc)
		if d == nil {
			missing = true
			continue
		}
		object := clone(d.object)
		object["apiVersion"] = ref.GroupVersion().String()
		read[ref] = &unstructured.Unstructured{Object: object}
		if ref.Kind == c.Spec.TargetRef.Kind { // as the operator marks Knative's first
			read[ref].SetAnnotations(map[string]string{v1beta1.PrimaryRevisionAnnotation: ref.Name + "-00001"})
		}
	}
	return read, missing
}

// scrape is how often Prometheus asks the pods of a Canary: as a monitor among the files says, or else as the option does.
func (s *set) scrape(c *canary) time.Duration {
	every := s.ScrapeInterval
	labels := map[string]string{"app": c.ApexName()}
	if o, _ := s.target(c); o != nil {
		labels = workload.SummaryOf(o).Template.Labels
	}
	for _, d := range s.monitors {
		m, err := decode[monitor](d.object)
		if s.namespaceOf(d) != c.Namespace || err != nil || !workload.SelectorMatches(&m.Spec.Selector, labels) {
			continue
		}
		for _, e := range slices.Concat(m.Spec.Endpoints, m.Spec.PodMetricsEndpoints) {
			if d, err := time.ParseDuration(e.Interval); err == nil && d > every {
				every = d
			}
		}
	}
	return every
}

// monitor is the part of a ServiceMonitor, or of a PodMonitor, that says how often.
type monitor struct {
	Spec struct {
		Selector            metav1.LabelSelector `json:"selector"`
		Endpoints           []endpoint           `json:"endpoints"`
		PodMetricsEndpoints []endpoint           `json:"podMetricsEndpoints"`
	} `json:"spec"`
}

type endpoint struct {
	Interval string `json:"interval"`
}

// autoscalers are those of the files that scale a workload.
func (s *set) autoscalers(k key) []*document {
	var found []*document
	for _, d := range s.scalers {
		if s.namespaceOf(d) == k.namespace && scaled(d) == (key{k.kind, "", k.name}) {
			found = append(found, d)
		}
	}
	return found
}

// scaled is what an autoscaler says that it scales. KEDA's takes a Deployment where it does not say.
func scaled(d *document) key {
	kind := textAt(d.object, "spec", "scaleTargetRef", "kind")
	return key{cmp.Or(kind, "Deployment"), "", textAt(d.object, "spec", "scaleTargetRef", "name")}
}

// portNames are the names of the ports of a workload's containers.
func portNames(t *corev1.PodTemplateSpec) []string {
	var names []string
	for _, c := range t.Spec.Containers {
		for _, p := range c.Ports {
			names = append(names, p.Name)
		}
	}
	return names
}

// nearest is the name that is most like one that is not there; empty: none is near.
func nearest(name string, names []string) string {
	best, least := "", max(2, len(name)/3)+1
	for _, n := range slices.Sorted(slices.Values(names)) {
		if d := distance(strings.ToLower(name), strings.ToLower(n)); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is how many letters have to be changed, added or left out to make one word of another.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
