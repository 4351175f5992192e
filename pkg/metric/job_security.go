package metric

import (
	"fmt"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	podsecurity "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"k8s.io/utils/ptr"
)

// File job_security.go has Jobs run with no more rights than they ask for. Whoever writes a MetricTemplate need not be allowed
// to make pods.

// nobody is whom containers run as that do not say: not root, and no account of the node.
const nobody = 65532

// harden fills in what the Pod Security Standard `restricted` calls for and a Job leaves out. What it says stays.
func harden(made *batchv1.Job) {
	spec := &made.Spec.Template.Spec
	// A check asks the canary, and the API server only if it says so: by an account, or by asking for the token.
	if spec.AutomountServiceAccountToken == nil && spec.ServiceAccountName == "" {
		spec.AutomountServiceAccountToken = new(false)
	}
	if spec.OS != nil && spec.OS.Name == corev1.Windows {
		return // it has none of the fields below
	}
	containers := make([]*corev1.Container, 0, len(spec.InitContainers)+len(spec.Containers))
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			containers = append(containers, &list[i])
		}
	}
	pod := spec.SecurityContext
	if pod == nil {
		pod = &corev1.PodSecurityContext{}
		spec.SecurityContext = pod
	}
	if pod.RunAsUser == nil {
		pod.RunAsUser = new(int64(nobody))
	}
	root := *pod.RunAsUser == 0 || slices.ContainsFunc(containers, func(c *corev1.Container) bool {
		return c.SecurityContext != nil && c.SecurityContext.RunAsUser != nil && *c.SecurityContext.RunAsUser == 0
	})
	if pod.RunAsNonRoot == nil && !root {
		pod.RunAsNonRoot = new(true)
	}
	if pod.SeccompProfile == nil {
		pod.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}
	}
	for _, c := range containers {
		hardenContainer(c)
	}
}

// hardenContainer leaves one alone that asks for the rights of the node, with which the rest would contradict it.
func hardenContainer(c *corev1.Container) {
	if c.SecurityContext == nil {
		c.SecurityContext = &corev1.SecurityContext{}
	}
	s := c.SecurityContext
	if ptr.Deref(s.Privileged, false) {
		return
	}
	if s.Capabilities == nil {
		s.Capabilities = &corev1.Capabilities{}
	}
	if len(s.Capabilities.Drop) == 0 {
		s.Capabilities.Drop = []corev1.Capability{"ALL"}
	}
	admin := slices.ContainsFunc(s.Capabilities.Add, func(c corev1.Capability) bool {
		return strings.TrimPrefix(string(c), "CAP_") == "SYS_ADMIN"
	})
	if s.AllowPrivilegeEscalation == nil && !admin {
		s.AllowPrivilegeEscalation = new(false)
	}
}

// restricted refuses a Job whose pods contradict the standard, by Kubernetes' own checks.
func restricted(made *batchv1.Job) error {
	checks, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return err
	}
	level := podsecurity.LevelVersion{Level: podsecurity.LevelRestricted, Version: podsecurity.LatestVersion()}
	template := made.Spec.Template
	all := policy.AggregateCheckResults(checks.EvaluatePod(level, &template.ObjectMeta, &template.Spec))
	if all.Allowed {
		return nil
	}
	return fmt.Errorf("spec.job contradicts the Pod Security Standard restricted, which -restrict-jobs calls for: %s", all.ForbiddenDetail())
}
