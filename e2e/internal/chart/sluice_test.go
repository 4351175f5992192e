package chart

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/router"
)

// served are the APIs of all providers.
func served() router.Options {
	return router.Options{APIVersions: []string{
		"networking.istio.io/v1", "gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1", "networking.k8s.io/v1",
		"traefik.io/v1alpha1", "projectcontour.io/v1", "split.smi-spec.io/v1alpha1", "split.smi-spec.io/v1alpha2",
		"split.smi-spec.io/v1alpha3", "apisix.apache.org/v2", "gateway.solo.io/v1", "gloo.solo.io/v1", "kuma.io/v1alpha1",
		"serving.knative.dev/v1", "policy.linkerd.io/v1beta1", "policy.linkerd.io/v1beta3",
	}}
}

// canary refers to all that routers may copy from.
func canary(protocol string) *v1beta1.Canary {
	c := &v1beta1.Canary{}
	c.Spec.TargetRef = v1beta1.TargetRef{APIVersion: "apps/v1", Kind: "Deployment", Name: "podinfo"}
	c.Spec.IngressRef = &v1beta1.IngressRef{APIVersion: "networking.k8s.io/v1", Kind: "Ingress", Name: "podinfo"}
	c.Spec.RouteRef = &v1beta1.RouteRef{APIVersion: "apisix.apache.org/v2", Kind: "ApisixRoute", Name: "podinfo"}
	c.Spec.Service.AppProtocol = protocol
	return c
}

// needs are the resources that the router of a provider, in any of its versions, reads and writes on clusters
// that serve all APIs or older ones.
func needs(t *testing.T, provider string) []string {
	t.Helper()
	short, _, _ := strings.Cut(provider, ":")
	var kinds []schema.GroupVersionKind
	for _, name := range enum(t, "meshProvider") {
		if n, _, _ := strings.Cut(name, ":"); n != short {
			continue
		}
		r, _, err := router.New(name, served())
		require.NoError(t, err, "The schema names providers that there are.")
		routers := []router.Router{r}
		if older, _, err := router.New(name, router.Options{APIVersions: []string{"split.smi-spec.io/v1alpha1"}}); err == nil {
			routers = append(routers, older)
		}
		for _, r := range routers {
			kinds = append(kinds, r.Writes()...)
			for _, ref := range slices.Concat(r.Reads(canary("")), r.Reads(canary("grpc"))) {
				kinds = append(kinds, ref.GroupVersionKind)
			}
		}
	}
	var out []string
	for _, kind := range kinds {
		plural, _ := meta.UnsafeGuessKindToResource(kind)
		out = append(out, plural.GroupResource().String())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestProviders renders the chart for each provider: its rights are those for what the router reads and writes,
// and the operator takes its arguments.
func TestProviders(t *testing.T) {
	h, operator := helm(t), program(t, "sluice")
	common := map[string]bool{}
	for _, rule := range rules(find[*rbacv1.ClusterRole](t, render(t, h, "sluice", "meshProvider=kubernetes"), "test-sluice").Rules) {
		common[rule] = true
	}
	for _, provider := range enum(t, "meshProvider") {
		if provider == "" {
			continue
		}
		t.Run(provider, func(t *testing.T) {
			all := render(t, h, "sluice", "meshProvider="+provider)
			require.Contains(t, args(t, all, "test-sluice"), "-mesh-provider="+provider)
			var extra []string
			for _, rule := range rules(find[*rbacv1.ClusterRole](t, all, "test-sluice").Rules) {
				if common[rule] {
					continue
				}
				name, verbs, _ := strings.Cut(rule, ": ")
				group, resource, _ := strings.Cut(name, "/")
				switch name {
				case "serving.knative.dev/services":
					require.Equal(t, "get list patch watch", verbs, "The target is the user's own.")
				default: // what the spec no longer calls for is deleted
					require.Equal(t, "create delete get list patch watch", verbs, name)
				}
				extra = append(extra, schema.GroupResource{Group: group, Resource: resource}.String())
			}
			require.ElementsMatch(t, needs(t, provider), extra, "No right is missing, none is for nothing.")
			out, err := exec.CommandContext(t.Context(), operator, append(args(t, all, "test-sluice"), "-version")...).CombinedOutput()
			require.NoError(t, err, string(out))
		})
	}
}

func TestProvidersThatCanariesName(t *testing.T) {
	h := helm(t)
	routes := func(set ...string) (groups []string) {
		for _, r := range find[*rbacv1.ClusterRole](t, render(t, h, "sluice", set...), "test-sluice").Rules {
			if g := r.APIGroups[0]; strings.Contains(g, "istio") || g == "traefik.io" || g == "networking.k8s.io" {
				groups = append(groups, g)
			}
		}
		return groups
	}
	require.ElementsMatch(t, []string{"networking.istio.io", "traefik.io"}, routes("meshProvider=istio", "rbac.providers={traefik}"))
	require.Equal(t, []string{"networking.k8s.io"}, routes("meshProvider=nginx", "rbac.providers={skipper}"), "What two providers share is there once.")
	require.Len(t, routes(), 3, "Without a provider any may be named.")
	for _, o := range render(t, h, "sluice", "rbac.create=false", "rbac.aggregateRoles=false") {
		require.NotContains(t, o.GetObjectKind().GroupVersionKind().Kind, "Role", "Rights are somebody else's business.")
	}
}

// everything sets all values that are empty by default.
func everything() []string {
	return []string{
		"meshProvider=nginx", "metricsServer=http://prometheus.monitoring:9090", "namespace=prod", "watchLabelSelector=team=a", "selectorLabels=app\\,name",
		"includeLabelPrefix=team", "ingressAnnotationsPrefix=nginx.example.com", "ingressClass=public", "settle=3s",
		"controlLoopInterval=15s", "threadiness=4", "kubeconfigQPS=10", "kubeconfigBurst=20", "clusterName=one", "consoleURL=https://sluice.example.com", "runRecordsTotal=70",
		"eventWebhook=https://events.example.com", "slack.user=robot", "slack.channel=releases", "slack.url=https://hooks.example.com/x",
		"slack.proxyUrl=http://proxy:3128", "slack.tokenSecret.name=slack", "msteams.url=https://teams.example.com",
		"msteams.proxyUrl=http://proxy:3128", "zapEncoding=console", "noCrossNamespaceRefs=true", "allowAmbientCredentials=false", "allowAddresses=127.0.0.1", "restrictHosts=true", "restrictJobs=true", "clusterDomain=corp.internal", "configTracking.enabled=false",
		"image.tag=v1.2.3", "image.pullSecret=registry", "podPriorityClassName=high",
		"env[0].name=SLACK_URL", "env[0].value=https://hooks.example.com/y", "nodeSelector.zone=a", "podLabels.team=x",
		"additionalVolumes[0].name=ca", "additionalVolumes[0].configMap.name=ca", "additionalVolumeMounts[0].name=ca",
		"additionalVolumeMounts[0].mountPath=/ca", "tolerations[0].operator=Exists", "deploymentAnnotations.a=b",
		"topologySpreadConstraints[0].maxSkew=1", "topologySpreadConstraints[0].topologyKey=zone",
		"topologySpreadConstraints[0].whenUnsatisfiable=ScheduleAnyway", "podDisruptionBudget.enabled=true",
		"networkPolicy.enabled=true", "networkPolicy.from[0].namespaceSelector.matchLabels.name=monitoring",
		"networkPolicy.egress[0].ports[0].port=443", "podMonitor.enabled=true", "serviceMonitor.enabled=true",
		"podMonitor.additionalLabels.release=p", "prometheus.install=true", "linkerdAuthPolicy.create=true",
		"serviceAccount.annotations.role=x", "rbac.providers={kuma}", "global.anything=1",
	}
}

func TestFlags(t *testing.T) {
	h := helm(t)
	there := flagsOf(t, program(t, "sluice"))
	given := args(t, render(t, h, "sluice", everything()...), "test-sluice")
	require.Subset(t, there, flagNames(t, given), "All flags of the chart are the operator's.")
	for _, want := range []string{
		"-mesh-provider=nginx", "-metrics-server=http://prometheus.monitoring:9090", "-namespace=prod", "-watch-label-selector=team=a", "-selector-labels=app,name",
		"-include-label-prefix=team", "-ingress-annotations-prefix=nginx.example.com", "-ingress-class=public", "-settle=3s",
		"-control-loop-interval=15s", "-threadiness=4", "-kubeconfig-qps=10", "-kubeconfig-burst=20", "-cluster-name=one", "-console-url=https://sluice.example.com", "-run-records-total=70",
		"-event-webhook=https://events.example.com", "-slack-user=robot", "-slack-channel=releases", "-slack-url=https://hooks.example.com/x",
		"-slack-proxy-url=http://proxy:3128", "-msteams-url=https://teams.example.com", "-msteams-proxy-url=http://proxy:3128",
		"-zap-encoding=console", "-log-level=info", "-no-cross-namespace-refs=true", "-allow-ambient-credentials=false", "-allow-addresses=127.0.0.1", "-restrict-hosts=true", "-restrict-jobs=true", "-cluster-domain=corp.internal", "-enable-config-tracking=false",
		"-enable-leader-election=true", "-leader-election-namespace=prod",
	} {
		require.Contains(t, given, want)
	}
	few := args(t, render(t, h, "sluice"), "test-sluice")
	require.Equal(t, []string{
		"-log-level=info", "-include-label-prefix=app.kubernetes.io", "-enable-config-tracking=true",
		"-enable-leader-election=true", "-leader-election-namespace=release",
	}, few, "What nobody has set is left to the operator.")
}

// TestLease gives the right to the lease that the operator makes of its flags: cmd/sluice has the same name of the same flags.
func TestLease(t *testing.T) {
	h := helm(t)
	for name, tc := range map[string]struct {
		reason string
		set    []string
		want   string
	}{
		"All":        {reason: "One for all operators of this API.", want: "flagger-leader-election"},
		"Namespaces": {reason: "Others watch others.", set: []string{"watchNamespaces=a\\,b"}, want: "flagger-leader-election-975305d2"},
		"Labels":     {reason: "Others follow others.", set: []string{"watchLabelSelector=team in (a\\,b)"}, want: "flagger-leader-election-e1e63f4c"},
	} {
		t.Run(name, func(t *testing.T) {
			role := find[*rbacv1.Role](t, render(t, h, "sluice", tc.set...), "test-sluice-leader")
			require.Equal(t, []string{tc.want}, role.Rules[0].ResourceNames, tc.reason)
		})
	}
}

// TestAnotherCluster refuses what the operator would end with: an error at once is better than a pod that never starts.
func TestAnotherCluster(t *testing.T) {
	h := helm(t)
	_, err := h.Template(t.Context(), "sluice", "--set", "controlplane.kubeconfig.secretName=remote")
	require.ErrorContains(t, err, `controlplane.kubeconfig.secretName is "remote"`)
	require.ErrorContains(t, err, "routes in another cluster than the operator's are not supported")
	_, err = h.Template(t.Context(), "sluice", "--set", "controlplane.kubeconfig.secretName=,controlplane.kubeconfig.key=kubeconfig")
	require.NoError(t, err, "What other charts have by default can be kept.")
	out, err := exec.CommandContext(t.Context(), program(t, "sluice"), "-kubeconfig-service-mesh=/etc/sluice/kubeconfig", "-version").CombinedOutput()
	require.Error(t, err, "The chart refuses what the operator does: %s", out)
}

// TestStarts gives the operator the arguments of every value that the chart takes.
func TestStarts(t *testing.T) {
	given := args(t, render(t, helm(t), "sluice", everything()...), "test-sluice")
	out, err := exec.CommandContext(t.Context(), program(t, "sluice"), append(given, "-version")...).CombinedOutput()
	require.NoError(t, err, string(out))
}

func TestWatchedNamespace(t *testing.T) {
	all := render(t, helm(t), "sluice", "namespace=prod", "meshProvider=istio", "rbac.aggregateRoles=false")
	for _, o := range all {
		kind := o.GetObjectKind().GroupVersionKind().Kind
		require.NotContains(t, kind, "Cluster", "Nothing is asked for outside of namespaces: %v", ids(all))
		if strings.HasPrefix(kind, "Role") {
			require.Equal(t, "prod", o.GetNamespace(), "%s %s", kind, o.GetName())
		} else {
			require.Equal(t, "release", o.GetNamespace(), "%s %s", kind, o.GetName())
		}
	}
	binding := find[*rbacv1.RoleBinding](t, all, "test-sluice")
	require.Equal(t, []rbacv1.Subject{{Kind: "ServiceAccount", Name: "test-sluice", Namespace: "release"}}, binding.Subjects)
	kuma := render(t, helm(t), "sluice", "namespace=prod", "meshProvider=kuma")
	require.Equal(t, []string{"kuma.io/trafficroutes: create delete get list patch watch"},
		rules(find[*rbacv1.ClusterRole](t, kuma, "test-sluice-kuma").Rules), "Kuma's routes are in no namespace.")
}

// TestOneDefinitionIsRead holds that of all custom resource definitions the operator may read its own, and that one of a
// namespace asks for none.
func TestOneDefinitionIsRead(t *testing.T) {
	definitions := func(all []client.Object) (found []string) {
		for _, o := range all {
			var given []rbacv1.PolicyRule
			switch o := o.(type) {
			case *rbacv1.ClusterRole:
				given = o.Rules
			case *rbacv1.Role:
				given = o.Rules
			}
			for _, r := range rules(given) {
				if strings.Contains(r, "customresourcedefinitions") {
					found = append(found, r)
				}
			}
		}
		return found
	}
	require.Equal(t, []string{"apiextensions.k8s.io/customresourcedefinitions/canaries.flagger.app: list watch"}, definitions(render(t, helm(t), "sluice")))
	require.Empty(t, definitions(render(t, helm(t), "sluice", "namespace=prod")))
}

func TestSecretsAreReadForTrackingOnly(t *testing.T) {
	secrets := func(set ...string) (found []string) {
		for _, r := range rules(find[*rbacv1.ClusterRole](t, render(t, helm(t), "sluice", set...), "test-sluice").Rules) {
			if strings.Contains(r, "secrets") || strings.Contains(r, "configmaps") {
				found = append(found, r)
			}
		}
		return found
	}
	require.Equal(t, []string{"/configmaps: create delete get list patch watch", "/secrets: create delete get list patch watch"}, secrets())
	require.Equal(t, []string{"/secrets: get"}, secrets("configTracking.enabled=false"))
}

func TestReplicas(t *testing.T) {
	cases := map[string]struct {
		reason   string
		set      []string
		replicas int32
		strategy appsv1.DeploymentStrategyType
	}{
		"Default":  {reason: "The next one starts before the last one stops; the lease parts them.", replicas: 1},
		"Several":  {reason: "One works, others wait.", set: []string{"leaderElection.replicaCount=3"}, replicas: 3},
		"NoLeader": {reason: "Two at a time would write against each other.", set: []string{"leaderElection.enabled=false", "leaderElection.replicaCount=3"}, replicas: 1, strategy: appsv1.RecreateDeploymentStrategyType},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			d := find[*appsv1.Deployment](t, render(t, helm(t), "sluice", tc.set...), "test-sluice")
			require.Equal(t, tc.replicas, *d.Spec.Replicas, tc.reason)
			require.Equal(t, tc.strategy, d.Spec.Strategy.Type, tc.reason)
		})
	}
}

func TestOptional(t *testing.T) {
	h := helm(t)
	always := ids(render(t, h, "sluice"))
	cases := map[string]struct {
		reason, set string
		more        []string
	}{
		"Disruption":  {reason: "A budget for replicas.", set: "podDisruptionBudget.enabled=true", more: []string{"PodDisruptionBudget/test-sluice"}},
		"Network":     {reason: "A policy.", set: "networkPolicy.enabled=true", more: []string{"NetworkPolicy/test-sluice"}},
		"PodMonitor":  {reason: "Prometheus' operator, by pods.", set: "podMonitor.enabled=true", more: []string{"PodMonitor/test-sluice"}},
		"ServiceMon":  {reason: "Or by a Service.", set: "serviceMonitor.enabled=true", more: []string{"Service/test-sluice", "ServiceMonitor/test-sluice"}},
		"Linkerd":     {reason: "Linkerd's Prometheus has a lock.", set: "linkerdAuthPolicy.create=true", more: []string{"AuthorizationPolicy/test-sluice"}},
		"CustomKinds": {reason: "Custom resources by the release.", set: "crd.create=true", more: []string{"CustomResourceDefinition/alertproviders.flagger.app", "CustomResourceDefinition/canaries.flagger.app", "CustomResourceDefinition/canaryruns.flagger.app", "CustomResourceDefinition/metrictemplates.flagger.app"}},
		"Prometheus": {reason: "A Prometheus of its own.", set: "prometheus.install=true", more: []string{
			"ClusterRole/test-sluice-prometheus", "ClusterRoleBinding/test-sluice-prometheus", "ConfigMap/test-sluice-prometheus",
			"Deployment/test-sluice-prometheus", "Service/test-sluice-prometheus", "ServiceAccount/test-sluice-prometheus",
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			for _, id := range tc.more {
				require.NotContains(t, always, id, tc.reason)
			}
			require.ElementsMatch(t, append(slices.Clone(always), tc.more...), ids(render(t, h, "sluice", tc.set)), tc.reason)
		})
	}
}

func TestSelectors(t *testing.T) {
	all := render(t, helm(t), "sluice", everything()...)
	d := find[*appsv1.Deployment](t, all, "test-sluice")
	pods := d.Spec.Template.Labels
	for what, selector := range map[string]map[string]string{
		"Deployment":          d.Spec.Selector.MatchLabels,
		"Service":             find[*corev1.Service](t, all, "test-sluice").Spec.Selector,
		"PodDisruptionBudget": find[*policyv1.PodDisruptionBudget](t, all, "test-sluice").Spec.Selector.MatchLabels,
		"NetworkPolicy":       find[*networkingv1.NetworkPolicy](t, all, "test-sluice").Spec.PodSelector.MatchLabels,
	} {
		require.NotEmpty(t, selector, what)
		require.Subset(t, pods, selector, what)
		require.NotContains(t, selector, "app.kubernetes.io/version", "%s: a selector never changes.", what)
	}
	p := find[*appsv1.Deployment](t, all, "test-sluice-prometheus")
	require.NotSubset(t, p.Spec.Template.Labels, d.Spec.Selector.MatchLabels, "Nobody else's pods are selected.")
	require.Equal(t, find[*corev1.Service](t, all, "test-sluice-prometheus").Spec.Selector, p.Spec.Selector.MatchLabels)
	require.Contains(t, args(t, render(t, helm(t), "sluice", "prometheus.install=true"), "test-sluice"),
		"-metrics-server=http://test-sluice-prometheus.release:9090", "The operator asks the Prometheus that comes with it.")
}

func TestCustomResources(t *testing.T) {
	root := repository(t)
	files, err := filepath.Glob(filepath.Join(root, "artifacts", "crds", "*.yaml"))
	require.NoError(t, err)
	require.Len(t, files, 4)
	rendered := render(t, helm(t), "sluice", "crd.create=true")
	for _, file := range files {
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(root, "charts", "sluice", "crds", filepath.Base(file)))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "`make generate` writes both.")
		wanted, err := Objects(want)
		require.NoError(t, err)
		crd := wanted[0].(*apiextensionsv1.CustomResourceDefinition)
		mine := find[*apiextensionsv1.CustomResourceDefinition](t, rendered, crd.Name)
		require.Equal(t, crd.Spec, mine.Spec)
		require.Equal(t, "keep", mine.Annotations["helm.sh/resource-policy"], "Deleting the kind would delete every Canary.")
	}
}
