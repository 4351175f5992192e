package workload

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// Services renders the three Services of a Canary: one that leads to the primary alone, one that leads
// to the canary alone, and the apex that users ask, which selects the given side.
//
// Adopted is the live apex Service where that is the user's own (see NotControlled), else nil. Such a Service
// keeps its type, its labels and all that is on it; only its ports and its selector become ours, and
// what it selected is remembered on it. Both sides answer at its other ports as well.
func (r LabelRules) Services(c *v1beta1.Canary, w Workloads, apex rollout.Side, adopted *corev1.Service) ([]runtime.ApplyConfiguration, error) {
	sides, err := r.Sides(w)
	if err != nil {
		return nil, err
	}
	if c.Spec.Service.Port == 0 {
		ref := c.Spec.TargetRef
		return nil, &rollout.InvalidError{Field: "spec.service.port", Problem: fmt.Sprintf("is needed: the Services of %s %s have it", ref.Kind, ref.Name)}
	}
	s := services{canary: c, sides: sides, workloads: w, adopted: adopted}
	front := s.service(c.ApexName(), apex, c.Spec.Service.Apex)
	if adopted != nil {
		if s.original, err = r.originalSelector(adopted, w); err != nil {
			return nil, err
		}
		if front, err = s.adopt(adopted, apex); err != nil {
			return nil, err
		}
	}
	return []runtime.ApplyConfiguration{
		// The apex last: it is the one that users ask, and by then both others are there for routes to lead to.
		s.service(c.PrimaryName(), rollout.PrimarySide, c.Spec.Service.Primary),
		s.service(c.CanaryName(), rollout.TargetSide, c.Spec.Service.Canary),
		front,
	}, nil
}

// NotControlled says that a live Service was there before the Canary and belongs to somebody else.
func NotControlled(live *corev1.Service, c *v1beta1.Canary) bool {
	return live != nil && !metav1.IsControlledBy(live, c)
}

// Adopted says that a Service of somebody else's was taken over, by us or by another controller of this API.
func (r LabelRules) Adopted(apex *corev1.Service, w Workloads) (bool, error) {
	if _, noted := apex.Annotations[OriginalSelectorAnnotation]; noted {
		return true, nil
	}
	sides, err := r.Sides(w)
	return err == nil && sides.selectsPrimary(apex), err
}

// Restore renders an adopted apex Service as its owner had it, which leaves nothing of ours on it. A
// Service that holds no note of what it selected once, as one adopted by another controller of this
// API does, is made to select the target; one without a note of its ports keeps those that it has.
func (r LabelRules) Restore(apex *corev1.Service, w Workloads) (runtime.ApplyConfiguration, error) {
	selector, err := r.originalSelector(apex, w)
	if err != nil {
		return nil, err
	}
	sides, err := r.Sides(w)
	ports, portsErr := originalPorts(apex, err == nil && sides.selectsPrimary(apex))
	if portsErr != nil {
		return nil, portsErr
	}
	return corev1ac.Service(apex.Name, apex.Namespace).
		WithSpec(corev1ac.ServiceSpec().WithSelector(selector).WithPorts(ports...)), nil
}

// services is what the three have in common.
type services struct {
	canary    *v1beta1.Canary
	sides     Sides
	workloads Workloads
	adopted   *corev1.Service   // the user's own apex Service; nil: there is none
	original  map[string]string // that it selected
}

// service renders one of ours. The custom metadata comes first, so that it cannot take away the label by
// which the Services of an app are listed, nor the marks for Flux.
func (s services) service(name string, side rollout.Side, custom *v1beta1.CustomMetadata) *corev1ac.ServiceApplyConfiguration {
	if custom == nil {
		custom = &v1beta1.CustomMetadata{}
	}
	wanted := s.canary.Spec.Service
	// What is generated is for inside of the cluster. Who leads in from outside keeps a Service or a gateway of their
	// own.
	spec := corev1ac.ServiceSpec().WithType(corev1.ServiceTypeClusterIP).
		WithSelector(s.sides.selector(side, s.canary)).WithPorts(ApexPorts(s.canary, s.workloads, side, s.adopted)...)
	headless := wanted.Headless
	// What a Service was made as cannot be changed: the API server would refuse all else of it, too.
	if ip, made := s.workloads.ClusterIPs[name]; made {
		headless = ip == corev1.ClusterIPNone
	}
	if headless {
		spec.WithClusterIP(corev1.ClusterIPNone)
	}
	if wanted.TrafficDistribution != "" {
		spec.WithTrafficDistribution(wanted.TrafficDistribution)
	}
	return corev1ac.Service(name, s.canary.Namespace).
		WithOwnerReferences(ownerReference(s.canary)).
		WithLabels(merge(custom.Labels, map[string]string{s.sides.label.key: name})).
		WithAnnotations(withFluxDisabled(custom.Annotations)).
		WithSpec(spec)
}

// adopt renders the user's own apex Service. It gets no owner, or it would go with the Canary. Flux has
// to leave it for as long as it is ours: put back to what it selected, it would send users to a target
// that is stopped.
func (s services) adopt(live *corev1.Service, side rollout.Side) (*corev1ac.ServiceApplyConfiguration, error) {
	// The note goes with the same write: no crash can leave a Service taken over and what it selected forgotten.
	note, err := json.Marshal(s.original)
	if err != nil {
		return nil, fmt.Errorf("note the selector of service %q: %w", live.Name, err)
	}
	notes := map[string]string{OriginalSelectorAnnotation: string(note)}
	if ports, err := portsNote(live, s.sides.selectsPrimary(live)); err != nil {
		return nil, err
	} else if ports != "" {
		notes[OriginalPortsAnnotation] = ports
	}
	return corev1ac.Service(live.Name, live.Namespace).
		WithAnnotations(withFluxDisabled(notes)).
		WithSpec(corev1ac.ServiceSpec().
			WithSelector(s.sides.selector(side, s.canary)).
			WithPorts(keepPortNames(sidePorts(s.canary, s.workloads, side), live.Spec.Ports)...)), nil
}

// originalSelector is what an adopted Service selected before. A selector that is already ours without a note
// of it was set by another controller of this API: what kubectl has noted was before that, else the target was selected.
func (r LabelRules) originalSelector(live *corev1.Service, w Workloads) (map[string]string, error) {
	if note, ok := live.Annotations[OriginalSelectorAnnotation]; ok {
		selector := map[string]string{}
		if err := json.Unmarshal([]byte(note), &selector); err != nil {
			return nil, fmt.Errorf("read annotation %s of service %q: %w", OriginalSelectorAnnotation, live.Name, err)
		}
		return selector, nil
	}
	sides, err := r.Sides(w)
	if err != nil || !sides.selectsPrimary(live) {
		return live.Spec.Selector, err
	}
	if before, _ := appliedBefore(live); len(before) > 0 && before[sides.label.key] != sides.label.to {
		return before, nil
	}
	return sides.target, nil
}

// appliedBefore is what kubectl has noted of a Service as its user applied it: what another controller of this API has put in its
// place is not in it. Empty: it was not applied by kubectl.
func appliedBefore(live *corev1.Service) (selector map[string]string, ports []*corev1ac.ServicePortApplyConfiguration) {
	var applied struct {
		Spec struct {
			Selector map[string]string                         `json:"selector"`
			Ports    []*corev1ac.ServicePortApplyConfiguration `json:"ports"`
		} `json:"spec"`
	}
	// What is no Service is nobody's note.
	if json.Unmarshal([]byte(live.Annotations[corev1.LastAppliedConfigAnnotation]), &applied) != nil {
		return nil, nil
	}
	for _, p := range applied.Spec.Ports {
		if p == nil || p.Port == nil {
			return applied.Spec.Selector, nil
		}
		if p.Protocol == nil { // by which an apply tells one from another
			p.WithProtocol(corev1.ProtocolTCP)
		}
	}
	return applied.Spec.Selector, applied.Spec.Ports
}

// selectsPrimary says that a Service leads to the primary, by the label that every controller of this API selects by.
func (s Sides) selectsPrimary(live *corev1.Service) bool {
	return live.Spec.Selector[s.label.key] == s.label.to
}

// portsNote is what a Service that is taken over is told of the ports it had; empty: nothing. One that was taken over
// without it, by an older version, has ours among them by now; of one that another controller has taken over kubectl may tell.
func portsNote(live *corev1.Service, byAnother bool) (string, error) {
	if note, ok := live.Annotations[OriginalPortsAnnotation]; ok {
		return note, nil
	}
	if _, taken := live.Annotations[OriginalSelectorAnnotation]; taken || len(live.Spec.Ports) == 0 {
		return "", nil
	}
	var had any = live.Spec.Ports
	if _, before := appliedBefore(live); byAnother && len(before) > 0 {
		had = before
	}
	note, err := json.Marshal(had)
	if err != nil {
		return "", fmt.Errorf("note the ports of service %q: %w", live.Name, err)
	}
	return string(note), nil
}

// originalPorts are those that an adopted Service had before, or all that it has: those that another controller has
// replaced it with became ours, and without them it would have none.
func originalPorts(live *corev1.Service, byAnother bool) (ports []*corev1ac.ServicePortApplyConfiguration, err error) {
	note := []byte(live.Annotations[OriginalPortsAnnotation])
	_, noted := live.Annotations[OriginalSelectorAnnotation]
	if _, before := appliedBefore(live); len(note) == 0 && !noted && byAnother && len(before) > 0 {
		return before, nil
	}
	if len(note) == 0 {
		if note, err = json.Marshal(live.Spec.Ports); err != nil {
			return nil, err
		}
	}
	if err := json.Unmarshal(note, &ports); err != nil {
		return nil, fmt.Errorf("read annotation %s of service %q: %w", OriginalPortsAnnotation, live.Name, err)
	}
	return ports, nil
}
