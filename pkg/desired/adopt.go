package desired

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// What has a name that is called for and was there before the Canary is the user's. It is given our fields and a note of what it
// was like, in one write, and no owner; when the Canary goes, or no longer calls for it, it is given back by that note.

// mostNote is how many bytes a note has at most: an object's annotations may have 256 KiB together.
const mostNote = 64 << 10

// The annotations in which another controller of this API finds what a VirtualService was before it took that over.
const (
	otherOriginalAnnotation = "flagger.kubernetes.io/original-configuration"
	lastAppliedAnnotation   = "kubectl.kubernetes.io/last-applied-configuration"
)

// note is what an object was like: its spec, and the labels and annotations that it was given other values of.
type note struct {
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Spec        map[string]any    `json:"spec"`
}

// Adopt has what Facts.Adopted names taken over. An object that is too large to be noted is the user's to mend.
func (o *Objects) Adopt(f *Facts) error {
	if len(f.Adopted) == 0 {
		return nil
	}
	adopted := map[runtime.ApplyConfiguration]runtime.ApplyConfiguration{}
	for _, obj := range o.All() {
		refs, err := kube.Refs(obj)
		if err != nil {
			return err
		}
		live := f.Adopted[refs[0]]
		if live == nil || adopted[obj] != nil {
			continue
		}
		if adopted[obj], err = adopt(f.Canary, obj, live); err != nil {
			return err
		}
	}
	for _, chain := range append(slices.Clip(o.Apply), o.Stop) {
		for i := range chain {
			if now := adopted[chain[i].Object]; now != nil {
				chain[i].Object = now
			}
		}
	}
	for i, obj := range o.Routes {
		if now := adopted[obj]; now != nil {
			o.Routes[i] = now
		}
	}
	return nil
}

// adopt is what was rendered as it is applied to an object of the user's.
func adopt(c *v1beta1.Canary, rendered runtime.ApplyConfiguration, live workload.Object) (runtime.ApplyConfiguration, error) {
	u, err := contentOf(rendered)
	if err != nil {
		return nil, err
	}
	user, err := contentOf(live)
	if err != nil {
		return nil, err
	}
	user.SetGroupVersionKind(u.GroupVersionKind()) // types from a cache have none
	unstructured.RemoveNestedField(u.Object, "metadata", "ownerReferences")
	if isService(u) {
		// As of an apex Service of the user's, only the selector and the ports become ours.
		unstructured.RemoveNestedField(u.Object, "metadata", "labels")
		if err := fitService(u, user); err != nil {
			return nil, err
		}
	}
	text, noted := live.GetAnnotations()[kube.OriginalAnnotation]
	if !noted {
		if text, err = noteOf(c, u, user); err != nil {
			return nil, err
		}
	}
	if len(text) > mostNote {
		return nil, &rollout.InvalidError{
			Field:   "spec.service",
			Problem: fmt.Sprintf("%s %s was there before, and is too large to be taken over: what it was like has %d bytes, at most %d can be noted", u.GetKind(), u.GetName(), len(text), mostNote),
		}
	}
	annotations := u.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[kube.OriginalAnnotation] = text
	u.SetAnnotations(annotations)
	if path := rulesOf(u); path != nil {
		ours, _, _ := unstructured.NestedSlice(u.Object, path...)
		kept := othersRules(c, user, path)
		if err := unstructured.SetNestedSlice(u.Object, append(kept, ours...), path...); err != nil {
			return nil, fmt.Errorf("keep rules of %s %q: %w", u.GetKind(), u.GetName(), err)
		}
	}
	return router.Object{Unstructured: u}, nil
}

// noteOf is the note of an object as it is before it is taken over.
func noteOf(c *v1beta1.Canary, rendered, user *unstructured.Unstructured) (string, error) {
	n := note{Labels: replaced(rendered.GetLabels(), user.GetLabels()), Annotations: replaced(rendered.GetAnnotations(), user.GetAnnotations())}
	n.Spec, _, _ = unstructured.NestedMap(user.Object, "spec")
	if before := takenByAnother(c, rendered, user); before != nil {
		n.Spec = before
	}
	if isService(user) {
		n.Spec = map[string]any{"selector": n.Spec["selector"], "ports": n.Spec["ports"]}
	}
	text, err := json.Marshal(n)
	if err != nil {
		return "", fmt.Errorf("note %s %q: %w", user.GetKind(), user.GetName(), err)
	}
	return string(text), nil
}

// takenByAnother is the spec that an object had before another controller of this API took it over; nil: that is not known, or
// none has. Of what kubectl has applied that is known, else of VirtualServices alone.
func takenByAnother(c *v1beta1.Canary, rendered, user *unstructured.Unstructured) map[string]any {
	now, _ := user.Object["spec"].(map[string]any)
	if !aboutPrimary(c, rendered, now) {
		return nil
	}
	var whole struct {
		Spec map[string]any `json:"spec"`
	}
	applied := utiljson.Unmarshal([]byte(user.GetAnnotations()[lastAppliedAnnotation]), &whole) == nil && len(whole.Spec) > 0
	// A rule of a route is its user's where it leads to the primary from the beginning; another object is what it is.
	if applied && (rulesOf(user) != nil || !aboutPrimary(c, rendered, whole.Spec)) {
		return whole.Spec
	}
	if rulesOf(user) == nil {
		return nil
	}
	var spec map[string]any
	if utiljson.Unmarshal([]byte(user.GetAnnotations()[otherOriginalAnnotation]), &spec) == nil && len(spec) > 0 {
		return spec
	}
	return nil
}

// aboutPrimary says that a spec is what any controller of this API makes of an object: it selects, scales or leads to a side.
func aboutPrimary(c *v1beta1.Canary, rendered *unstructured.Unstructured, spec map[string]any) bool {
	if isService(rendered) {
		ours, _, _ := unstructured.NestedStringMap(rendered.Object, "spec", "selector")
		has, _, _ := unstructured.NestedStringMap(spec, "selector")
		for k, v := range has {
			if ours[k] != v {
				return false
			}
		}
		return len(has) > 0
	}
	scaled, _, _ := unstructured.NestedString(spec, "scaleTargetRef", "name")
	return scaled == c.PrimaryWorkload() || leadsTo(spec, c.Namespace, c.PrimaryName(), c.CanaryName())
}

// Original is an object as it was before it was taken over. Rules that have been added to it since, or changed, and that are
// not about this Canary, stay as they are by now.
func Original(c *v1beta1.Canary, live *unstructured.Unstructured) (runtime.ApplyConfiguration, error) {
	var n note
	if err := utiljson.Unmarshal([]byte(live.GetAnnotations()[kube.OriginalAnnotation]), &n); err != nil {
		return nil, fmt.Errorf("read annotation %s of %s %q: %w", kube.OriginalAnnotation, live.GetKind(), live.GetName(), err)
	}
	u := &unstructured.Unstructured{Object: map[string]any{"spec": n.Spec}}
	u.SetGroupVersionKind(live.GroupVersionKind())
	u.SetNamespace(live.GetNamespace())
	u.SetName(live.GetName())
	u.SetLabels(n.Labels)
	u.SetAnnotations(n.Annotations)
	path := rulesOf(u)
	if path == nil {
		return router.Object{Unstructured: u}, nil
	}
	if now := othersRules(c, live, path); !slices.EqualFunc(now, othersRules(c, u, path), reflect.DeepEqual) {
		before, _, _ := unstructured.NestedSlice(u.Object, path...)
		about := slices.DeleteFunc(before, func(rule any) bool { return !aboutCanary(c, rule) })
		if err := unstructured.SetNestedSlice(u.Object, append(now, about...), path...); err != nil {
			return nil, fmt.Errorf("keep rules of %s %q: %w", u.GetKind(), u.GetName(), err)
		}
	}
	return router.Object{Unstructured: u}, nil
}

// rulesOf is where a kind has its rules, in a list that is applied as a whole; nil: it has none.
func rulesOf(u *unstructured.Unstructured) []string {
	switch u.GetKind() {
	case "VirtualService", "ApisixRoute":
		return []string{"spec", "http"}
	case "HTTPRoute", "GRPCRoute":
		return []string{"spec", "rules"}
	case "HTTPProxy", "RouteTable":
		return []string{"spec", "routes"}
	}
	return nil
}

// othersRules are the rules that lead to none of the Canary's Services, in their order.
func othersRules(c *v1beta1.Canary, u *unstructured.Unstructured, path []string) []any {
	rules, _, _ := unstructured.NestedSlice(u.Object, path...)
	return slices.DeleteFunc(rules, func(rule any) bool { return aboutCanary(c, rule) })
}

func aboutCanary(c *v1beta1.Canary, rule any) bool {
	services := []string{c.ApexName(), c.PrimaryName(), c.CanaryName()}
	for _, name := range slices.Clone(services) {
		services = append(services, router.UpstreamNames(c, name)...)
	}
	return leadsTo(rule, c.Namespace, services...)
}

// leadsTo says that somewhere in a rule one of the Services is named as a destination, by any of its names in the cluster.
func leadsTo(value any, namespace string, services ...string) bool {
	switch v := value.(type) {
	case map[string]any:
		for field, child := range v {
			// A match has hosts and names as well, of what is asked for.
			if field == "match" || field == "matches" || field == "conditions" || field == "headers" {
				continue
			}
			name, text := child.(string)
			if text && slices.Contains([]string{"host", "name", "service", "serviceName"}, field) && slices.Contains(services, serviceName(name, namespace)) && !ruleName(field, v) {
				return true
			}
			if !text && leadsTo(child, namespace, services...) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(child any) bool { return leadsTo(child, namespace, services...) })
	}
	return false
}

// ruleName says that a name is that of a rule, and no destination's.
func ruleName(field string, in map[string]any) bool {
	if field != "name" {
		return false
	}
	for _, content := range []string{"route", "backendRefs", "backends", "services", "matches", "match"} {
		if _, rule := in[content]; rule {
			return true
		}
	}
	return false
}

// serviceName is the name of a Service of a namespace; a host of another is no such name.
func serviceName(host, namespace string) string {
	name, domain, qualified := strings.Cut(host, ".")
	if !qualified || domain == namespace || strings.HasPrefix(domain, namespace+".svc") {
		return name
	}
	return host
}

func isService(u *unstructured.Unstructured) bool {
	return u.GroupVersionKind().Group == corev1.GroupName && u.GetKind() == "Service"
}

// fitService leaves of a rendered Service what is to be ours of one of the user's.
func fitService(u, user *unstructured.Unstructured) error {
	ports, err := workload.PortsBeside(u.Object["spec"], user.Object["spec"])
	if err != nil {
		return fmt.Errorf("take over service %q: %w", u.GetName(), err)
	}
	selector, _, _ := unstructured.NestedMap(u.Object, "spec", "selector")
	u.Object["spec"] = map[string]any{"selector": selector, "ports": ports}
	return nil
}

// replaced are the entries of a map of the user's that are given other values.
func replaced(ours, users map[string]string) map[string]string {
	was := map[string]string{}
	for k, v := range ours {
		if before, ok := users[k]; ok && before != v {
			was[k] = before
		}
	}
	return was
}

// contentOf is a copy of an object as a map, with its kind.
func contentOf(obj any) (*unstructured.Unstructured, error) {
	text, err := json.Marshal(obj)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", obj, err)
	}
	u := &unstructured.Unstructured{}
	if err := utiljson.Unmarshal(text, &u.Object); err != nil {
		return nil, fmt.Errorf("decode %T: %w", obj, err)
	}
	return u, nil
}
