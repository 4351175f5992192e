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
)

// Ports are the ports of a Canary's Services: the one that its spec names and, where asked for, the
// others of the target's containers.
func Ports(c *v1beta1.Canary, target Object) []*corev1ac.ServicePortApplyConfiguration {
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
	for _, container := range SummaryOf(target).Template.Spec.Containers {
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
