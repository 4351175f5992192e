package chart

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/utils/ptr"
)

func TestLint(t *testing.T) {
	h := helm(t)
	for _, chart := range []string{"sluice", "loadtester"} {
		_, err := h.Run(t.Context(), "lint", "--strict", h.Chart(chart))
		require.NoError(t, err, chart)
	}
}

func TestSchemaRefuses(t *testing.T) {
	cases := map[string]struct{ reason, chart, set, want string }{
		"Misspelled":     {reason: "A name that nothing reads.", chart: "sluice", set: "meshProvidr=istio", want: "'meshProvidr' not allowed"},
		"Inside":         {reason: "At any depth.", chart: "sluice", set: "leaderElection.replicas=2", want: "'/leaderElection'"},
		"Provider":       {reason: "One that there is not.", chart: "sluice", set: "meshProvider=osm", want: "'/meshProvider'"},
		"MoreProviders":  {reason: "The same for those that Canaries name.", chart: "sluice", set: "rbac.providers={istio,istoi}", want: "'/rbac/providers/1'"},
		"Level":          {reason: "The operator would not start.", chart: "sluice", set: "logLevel=loud", want: "'/logLevel'"},
		"Encoding":       {reason: "The operator would not start.", chart: "sluice", set: "zapEncoding=xml", want: "'/zapEncoding'"},
		"Duration":       {reason: "A time has a unit.", chart: "sluice", set: "settle=fast", want: "'/settle'"},
		"Number":         {reason: "A number is one.", chart: "sluice", set: "threadiness=many", want: "'/threadiness'"},
		"Negative":       {reason: "And none below zero.", chart: "sluice", set: "kubeconfigQPS=-1", want: "'/kubeconfigQPS'"},
		"Replicas":       {reason: "An installation has one at least.", chart: "sluice", set: "leaderElection.replicaCount=0", want: "'/leaderElection/replicaCount'"},
		"Switch":         {reason: "A switch is on or off.", chart: "sluice", set: "prometheus.install=maybe", want: "'/prometheus/install'"},
		"Address":        {reason: "An address has a scheme.", chart: "sluice", set: "metricsServer=prometheus:9090", want: "'/metricsServer'"},
		"Namespace":      {reason: "One namespace, not a list.", chart: "sluice", set: "namespace=a\\,b", want: "'/namespace'"},
		"Pull":           {reason: "A policy of Kubernetes.", chart: "sluice", set: "image.pullPolicy=Sometimes", want: "'/image/pullPolicy'"},
		"TesterName":     {reason: "The other chart as well.", chart: "loadtester", set: "cmd.timeuot=1h", want: "'/cmd'"},
		"TesterTimeout":  {reason: "A time has a unit.", chart: "loadtester", set: "cmd.timeout=hour", want: "'/cmd/timeout'"},
		"TesterScope":    {reason: "One of two.", chart: "loadtester", set: "rbac.scope=world", want: "'/rbac/scope'"},
		"TesterPort":     {reason: "A port is one.", chart: "loadtester", set: "service.port=70000", want: "'/service/port'"},
		"TesterDigest":   {reason: "A digest is one, and no token.", chart: "loadtester", set: "token.sha256=secret", want: "'/token/sha256'"},
		"TesterReplicas": {reason: "A number is one.", chart: "loadtester", set: "replicaCount=two", want: "'/replicaCount'"},
	}
	h := helm(t)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := h.Template(t.Context(), tc.chart, "--set", tc.set)
			require.ErrorContains(t, err, tc.want, tc.reason)
		})
	}
}

// TestHardened looks at every pod that the charts make, with all that can be turned on.
func TestHardened(t *testing.T) {
	h := helm(t)
	found := 0
	for _, o := range append(render(t, h, "sluice", everything()...), render(t, h, "loadtester", everythingOfTester()...)...) {
		d, ok := o.(*appsv1.Deployment)
		if !ok {
			continue
		}
		found++
		pod := d.Spec.Template.Spec
		require.True(t, *pod.SecurityContext.RunAsNonRoot, d.Name)
		require.NotZero(t, *pod.SecurityContext.RunAsUser, d.Name)
		require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type, d.Name)
		for _, c := range pod.Containers {
			require.False(t, *c.SecurityContext.AllowPrivilegeEscalation, d.Name)
			require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem, d.Name)
			require.Equal(t, []corev1.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop, d.Name)
			require.NotNil(t, c.LivenessProbe.HTTPGet, "%s: probes need no program in the image.", d.Name)
			require.NotNil(t, c.ReadinessProbe.HTTPGet, d.Name)
			require.NotEmpty(t, c.Resources.Requests, d.Name)
			require.Contains(t, c.Resources.Limits, corev1.ResourceMemory, d.Name)
		}
	}
	require.Equal(t, 3, found, "operator, Prometheus, load tester")
	bare := find[*appsv1.Deployment](t, render(t, h, "sluice", "securityContext.enabled=false"), "test-sluice")
	require.Nil(t, bare.Spec.Template.Spec.Containers[0].SecurityContext, "Clusters that set their own get none.")
}

// TestValuesOfOtherCharts gives the charts what people bring with them.
func TestValuesOfOtherCharts(t *testing.T) {
	cases := map[string]struct {
		reason, set string // in JSON
		want        func(t *testing.T, chart string, pod corev1.PodSpec)
	}{
		"Level": {
			reason: "Operator and load tester take all names that zap has for one.",
			set:    `logLevel="warning"`,
			want: func(t *testing.T, _ string, pod corev1.PodSpec) {
				require.Contains(t, pod.Containers[0].Args, "-log-level=warning")
			},
		},
		"Encoding": {
			reason: "The same of encodings.",
			set:    `zapEncoding="console"`,
			want: func(t *testing.T, _ string, pod corev1.PodSpec) {
				require.Contains(t, pod.Containers[0].Args, "-zap-encoding=console")
			},
		},
		"PodSecurityContext": {
			reason: "It is the pod's as it is written, without our own beside it.",
			set:    `podSecurityContext={"enabled":true,"context":{"fsGroup":283}}`,
			want: func(t *testing.T, _ string, pod corev1.PodSpec) {
				require.Equal(t, &corev1.PodSecurityContext{FSGroup: ptr.To[int64](283)}, pod.SecurityContext)
			},
		},
		"PodSecurityContextAlone": {
			reason: "Enabled says no more than what is so by default.",
			set:    `podSecurityContext={"enabled":true,"context":{}}`,
			want: func(t *testing.T, _ string, pod corev1.PodSpec) {
				require.True(t, *pod.SecurityContext.RunAsNonRoot)
			},
		},
		"NoPodSecurityContext": {
			reason: "For clusters that set their own.",
			set:    `podSecurityContext={"enabled":false}`,
			want: func(t *testing.T, _ string, pod corev1.PodSpec) {
				require.Nil(t, pod.SecurityContext)
			},
		},
		"Affinity": {
			reason: "A template in it names this release's pods.",
			set: `affinity={"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"kubernetes.io/hostname",` +
				`"labelSelector":{"matchLabels":{"app.kubernetes.io/name":"{{ template \"CHART.name\" . }}","app.kubernetes.io/instance":"{{ .Release.Name }}"}}}]}}`,
			want: func(t *testing.T, chart string, pod corev1.PodSpec) {
				require.Equal(t, map[string]string{"app.kubernetes.io/name": chart, "app.kubernetes.io/instance": "test"},
					pod.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0].LabelSelector.MatchLabels)
			},
		},
		"NodeSelector": {
			reason: "The same where else pods are placed.",
			set:    `nodeSelector={"pool":"{{ .Release.Name }}"}`,
			want: func(t *testing.T, _ string, pod corev1.PodSpec) {
				require.Equal(t, map[string]string{"pool": "test"}, pod.NodeSelector)
			},
		},
	}
	h := helm(t)
	for name, tc := range cases {
		for chart, other := range map[string]string{"sluice": "flagger", "loadtester": "loadtester"} {
			t.Run(name+"/"+chart, func(t *testing.T) {
				all, err := h.Template(t.Context(), chart, "--set-json", strings.ReplaceAll(tc.set, "CHART", other))
				require.NoError(t, err, tc.reason)
				d := find[*appsv1.Deployment](t, all, "test-"+chart)
				tc.want(t, chart, d.Spec.Template.Spec)
			})
		}
	}
}

func everythingOfTester() []string {
	return []string{
		"replicaCount=2", "logLevel=debug", "zapEncoding=console", "cmd.timeout=10m", "cmd.namespaceRegexp=^test$", "token.secretName=tester", "image.tag=v1",
		"image.pullSecret=registry", "env[0].name=A", "env[0].value=b", "rbac.create=true", "rbac.scope=cluster",
		"rbac.rules[0].apiGroups={apps}", "rbac.rules[0].resources={deployments}", "rbac.rules[0].verbs={get}", "volumes[0].name=tests",
		"volumes[0].configMap.name=tests", "volumeMounts[0].name=tests", "volumeMounts[0].mountPath=/tests", "podDisruptionBudget.enabled=true",
		"networkPolicy.enabled=true", "networkPolicy.egress[0].ports[0].port=80", "podMonitor.enabled=true", "nodeSelector.zone=a",
		"tolerations[0].operator=Exists", "podPriorityClassName=low", "podLabels.team=x", "deploymentAnnotations.a=b",
		"service.annotations.a=b", "serviceAccount.annotations.a=b",
	}
}

func TestTesterFlags(t *testing.T) {
	h := helm(t)
	there := flagsOf(t, program(t, "loadtester"))
	given := args(t, render(t, h, "loadtester", everythingOfTester()...), "test-loadtester")
	require.Subset(t, there, flagNames(t, given), "All flags of the chart are the load tester's.")
	require.Equal(t, []string{
		"-port=8080", "-log-level=debug", "-zap-encoding=console", "-timeout=10m", "-namespace-regexp=^test$", "-gates-configmap=test-loadtester-gates",
	}, given)
	require.NotContains(t, flagNames(t, args(t, render(t, h, "loadtester", "gates.persistent=false"), "test-loadtester")), "gates-configmap")
	const digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
	require.Contains(t, args(t, render(t, h, "loadtester", "token.sha256="+digest), "test-loadtester"), "-token-sha256="+digest)
}

func TestTesterToken(t *testing.T) {
	token := func(set ...string) (found []corev1.EnvVar) {
		for _, e := range find[*appsv1.Deployment](t, render(t, helm(t), "loadtester", set...), "test-loadtester").Spec.Template.Spec.Containers[0].Env {
			if e.Name == "LOADTESTER_TOKEN" {
				found = append(found, e)
			}
		}
		return found
	}
	require.Empty(t, token())
	require.Equal(t, []corev1.EnvVar{{Name: "LOADTESTER_TOKEN", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: "tester"}, Key: "token",
	}}}}, token("token.secretName=tester"))
}

func TestTesterRights(t *testing.T) {
	h := helm(t)
	all := render(t, h, "loadtester")
	role := find[*rbacv1.Role](t, all, "test-loadtester-gates")
	require.Equal(t, []rbacv1.PolicyRule{{
		APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{"test-loadtester-gates"}, Verbs: []string{"get", "update"},
	}}, role.Rules, "Commands run with this account, and may do no more.")
	require.Empty(t, find[*corev1.ConfigMap](t, all, "test-loadtester-gates").Data, "What is in it is the load tester's.")
	require.Equal(t, "test-loadtester", find[*rbacv1.RoleBinding](t, all, "test-loadtester-gates").Subjects[0].Name)
	require.Equal(t, []string{"Deployment/test-loadtester", "Service/test-loadtester", "ServiceAccount/test-loadtester"},
		ids(render(t, h, "loadtester", "gates.persistent=false")), "Without gates to keep it has no rights at all.")
	more := []string{"rbac.create=true", "rbac.rules[0].apiGroups={apps}", "rbac.rules[0].resources={deployments}", "rbac.rules[0].verbs={get}"}
	require.Equal(t, []string{"apps/deployments: get"}, rules(find[*rbacv1.Role](t, render(t, h, "loadtester", more...), "test-loadtester").Rules))
	require.Equal(t, []string{"apps/deployments: get"},
		rules(find[*rbacv1.ClusterRole](t, render(t, h, "loadtester", append(more, "rbac.scope=cluster")...), "test-loadtester").Rules))
	own := find[*rbacv1.RoleBinding](t, render(t, h, "loadtester", "serviceAccountName=mine"), "test-loadtester-gates")
	require.Equal(t, "mine", own.Subjects[0].Name, "An account of the user's keeps the gates too.")
}

func TestTesterSelectors(t *testing.T) {
	all := render(t, helm(t), "loadtester", everythingOfTester()...)
	d := find[*appsv1.Deployment](t, all, "test-loadtester")
	policy := find[*networkingv1.NetworkPolicy](t, all, "test-loadtester")
	for what, selector := range map[string]map[string]string{
		"Deployment":          d.Spec.Selector.MatchLabels,
		"Service":             find[*corev1.Service](t, all, "test-loadtester").Spec.Selector,
		"PodDisruptionBudget": find[*policyv1.PodDisruptionBudget](t, all, "test-loadtester").Spec.Selector.MatchLabels,
		"NetworkPolicy":       policy.Spec.PodSelector.MatchLabels,
	} {
		require.NotEmpty(t, selector, what)
		require.Subset(t, d.Spec.Template.Labels, selector, what)
	}
	operator := find[*appsv1.Deployment](t, render(t, helm(t), "sluice"), "test-sluice")
	require.Subset(t, operator.Spec.Template.Labels, policy.Spec.Ingress[0].From[0].PodSelector.MatchLabels, "The operator's pods may call.")
}
