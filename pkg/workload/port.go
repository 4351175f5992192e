package workload

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// ApexPorts are those of the apex Service while it leads to a side, under our names: what its workload answers at, and what else
// the user's own Service has, which is nil where there is none.
func ApexPorts(c *v1beta1.Canary, w Workloads, side rollout.Side, adopted *corev1.Service) []*corev1ac.ServicePortApplyConfiguration {
	ports := sidePorts(c, w, side)
	if adopted == nil {
		return ports
	}
	for _, l := range adopted.Spec.Ports {
		if slices.ContainsFunc(ports, func(p *corev1ac.ServicePortApplyConfiguration) bool { return samePort(p, l) }) {
			continue
		}
		name := cmp.Or(l.Name, nameFor(l))
		if slices.ContainsFunc(ports, sameName(name)) {
			name = fmt.Sprintf("%s-%d", name, l.Port)
		}
		p := corev1ac.ServicePort().WithName(name).WithProtocol(cmp.Or(l.Protocol, corev1.ProtocolTCP)).WithPort(l.Port)
		p.AppProtocol = l.AppProtocol
		if l.TargetPort != (intstr.IntOrString{}) {
			p.WithTargetPort(l.TargetPort)
		}
		ports = append(ports, p)
	}
	return ports
}

// sidePorts are those of a side's own workload, and of the other as long as there is no such: what is not proven yet takes
// no port away from users. Where the sides divide the requests of one Service, the primary's count.
func sidePorts(c *v1beta1.Canary, w Workloads, side rollout.Side) []*corev1ac.ServicePortApplyConfiguration {
	if w.Primary == nil || side == rollout.TargetSide && w.Target != nil {
		return Ports(c, w.Target)
	}
	return Ports(c, w.Primary)
}

// Ports are the ports of a Canary's Services that lead to a workload: the one that its spec names and, where asked for, the
// others of its containers.
func Ports(c *v1beta1.Canary, of Object) []*corev1ac.ServicePortApplyConfiguration {
	s := c.Spec.Service
	main := corev1ac.ServicePort().
		// The name is the contract's. Istio reads the protocol off it.
		WithName(cmp.Or(s.PortName, "http")).
		WithProtocol(corev1.ProtocolTCP).
		WithPort(s.Port).
		WithTargetPort(targetPort(s))
	if s.AppProtocol != "" {
		main.WithAppProtocol(s.AppProtocol)
	}
	ports := []*corev1ac.ServicePortApplyConfiguration{main}
	if !s.PortDiscovery {
		return ports
	}
	for _, container := range SummaryOf(of).Template.Spec.Containers {
		ports = addContainerPorts(ports, container)
	}
	return ports
}

// targetPort is the containers' port; left out it is the Service's.
func targetPort(s v1beta1.CanaryService) intstr.IntOrString {
	if s.TargetPort.String() == "0" || s.TargetPort.String() == "" {
		return intstr.FromInt32(s.Port)
	}
	return s.TargetPort
}

// addContainerPorts adds the ports of a container that the Services do not have yet. Those of a sidecar belong to
// the mesh.
func addContainerPorts(ports []*corev1ac.ServicePortApplyConfiguration, c corev1.Container) []*corev1ac.ServicePortApplyConfiguration {
	if c.Name == "istio-proxy" || c.Name == "envoy" {
		return ports
	}
	main := ports[0]
	for i, p := range c.Ports {
		// A Service takes no two ports of one number and protocol.
		if servedByMain(*main.TargetPort, p) || slices.ContainsFunc(ports, sameNumber(p)) {
			continue
		}
		name := p.Name
		// Nor two of one name, and with more than one port each must have one.
		if name == "" || slices.ContainsFunc(ports, sameName(name)) {
			name = fmt.Sprintf("tcp-%s-%d", c.Name, i)
		}
		ports = append(ports, corev1ac.ServicePort().
			WithName(name).
			WithProtocol(cmp.Or(p.Protocol, corev1.ProtocolTCP)).
			WithPort(p.ContainerPort).
			WithTargetPort(intstr.FromInt32(p.ContainerPort)))
	}
	return ports
}

// servedByMain says that the main port, which is a TCP port, leads to a container's port.
func servedByMain(target intstr.IntOrString, p corev1.ContainerPort) bool {
	if cmp.Or(p.Protocol, corev1.ProtocolTCP) != corev1.ProtocolTCP {
		return false
	}
	if target.Type == intstr.String {
		return target.StrVal == p.Name
	}
	return target.IntVal == p.ContainerPort
}

// sameNumber finds a port that a container's would collide with.
func sameNumber(p corev1.ContainerPort) func(*corev1ac.ServicePortApplyConfiguration) bool {
	return func(o *corev1ac.ServicePortApplyConfiguration) bool {
		return *o.Port == p.ContainerPort && *o.Protocol == cmp.Or(p.Protocol, corev1.ProtocolTCP)
	}
}

// sameName finds a port whose name a container's port has, too.
func sameName(name string) func(*corev1ac.ServicePortApplyConfiguration) bool {
	return func(o *corev1ac.ServicePortApplyConfiguration) bool { return *o.Name == name }
}

// keepPortNames gives ports the names that a Service has for them already: people and routes refer to those. A
// port that the Service lacks must not take another one's name.
//
// Where there are several each must have a name. So the Service's own that have none are named as well, and go on being:
// a name that is applied no more is taken away.
func keepPortNames(ports []*corev1ac.ServicePortApplyConfiguration, live []corev1.ServicePort) []*corev1ac.ServicePortApplyConfiguration {
	fitted := make([]*corev1ac.ServicePortApplyConfiguration, len(ports))
	others := slices.DeleteFunc(slices.Clone(live), func(l corev1.ServicePort) bool {
		return slices.ContainsFunc(ports, func(p *corev1ac.ServicePortApplyConfiguration) bool { return samePort(p, l) })
	})
	several := len(ports)+len(others) > 1
	for i, p := range ports {
		o := *p
		fitted[i] = &o
		for _, l := range live {
			if samePort(p, l) && (l.Name != "" || !several) {
				o.Name = &l.Name
				break
			}
			if !samePort(p, l) && l.Name == *p.Name {
				o.WithName(fmt.Sprintf("%s-%d", l.Name, *p.Port))
			}
		}
	}
	for _, l := range others {
		if name := nameFor(l); several && (l.Name == "" || l.Name == name) {
			fitted = append(fitted, corev1ac.ServicePort().WithName(name).WithProtocol(cmp.Or(l.Protocol, corev1.ProtocolTCP)).WithPort(l.Port))
		}
	}
	return fitted
}

// samePort compares what a Service knows a port by.
func samePort(p *corev1ac.ServicePortApplyConfiguration, l corev1.ServicePort) bool {
	return l.Port == *p.Port && cmp.Or(l.Protocol, corev1.ProtocolTCP) == *p.Protocol
}

// nameFor names a port that its owner has not. Istio takes what stands before the dash for the protocol, if it is one:
// of a TCP port nobody has said what it speaks.
func nameFor(l corev1.ServicePort) string {
	protocol := cmp.Or(l.Protocol, corev1.ProtocolTCP)
	if protocol == corev1.ProtocolTCP {
		return fmt.Sprintf("port-%d", l.Port)
	}
	return fmt.Sprintf("%s-%d", strings.ToLower(string(protocol)), l.Port)
}

// PortsBeside are the ports of a Service that is rendered, as they are applied to one of the user's, which keeps its own. Both are
// specs in JSON's types.
func PortsBeside(rendered, users any) (ports []any, err error) {
	var ours corev1ac.ServiceSpecApplyConfiguration
	var live corev1.ServiceSpec
	if err := convert(rendered, &ours); err != nil {
		return nil, err
	}
	if err := convert(users, &live); err != nil {
		return nil, err
	}
	of := make([]*corev1ac.ServicePortApplyConfiguration, len(ours.Ports))
	for i := range ours.Ports {
		of[i] = &ours.Ports[i]
	}
	err = convert(keepPortNames(of, live.Ports), &ports)
	return ports, err
}
