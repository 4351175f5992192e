package cluster

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

func configured(t *testing.T) Layout {
	t.Helper()
	l := issued(t, time.Now())
	require.NoError(t, writeConfigs(l))
	return l
}

func TestKubeconfigsConnect(t *testing.T) {
	l := configured(t)
	for _, user := range []string{"admin", "controller-manager", "scheduler", "kubelet", "kube-proxy", "coredns", "prometheus", "istiod", "mesh"} {
		config, err := clientcmd.BuildConfigFromFlags("", l.kubeconfig(user))
		require.NoError(t, err, user)
		require.Equal(t, "https://"+apiAddress, config.Host)
		cert, err := os.ReadFile(l.cert(user))
		require.NoError(t, err)
		require.Equal(t, string(cert), string(config.CertData), "each speaks in its own name")
		require.NotEmpty(t, config.CAData)
	}
	require.NoFileExists(t, l.kubeconfig("apiserver"), "the API server is nobody's client here")
}

func TestConfigsParse(t *testing.T) {
	l := configured(t)
	cases := map[string]struct {
		reason string
		file   string
		field  string
		want   any
	}{
		"KubeletGroup": {
			reason: "pods below a group of ours are found by it",
			file:   "kubelet.yaml", field: "cgroupRoot", want: "/" + l.group(),
		},
		"KubeletFirstVersionGroups": {
			reason: "machines with control groups of the first version are welcome",
			file:   "kubelet.yaml", field: "failCgroupV1", want: false,
		},
		"KubeletRules": {
			reason: "chains that nobody removes must not be made",
			file:   "kubelet.yaml", field: "makeIPTablesUtilChains", want: false,
		},
		"ProxyMode": {
			reason: "the rules are what Down knows to remove",
			file:   "kube-proxy.yaml", field: "mode", want: "iptables",
		},
		"ProxyRange": {
			reason: "what comes from elsewhere is masqueraded",
			file:   "kube-proxy.yaml", field: "clusterCIDR", want: podRange,
		},
		"AuditKind": {
			reason: "the API server refuses to start with any other",
			file:   "audit.yaml", field: "kind", want: "Policy",
		},
		"MeshRoot": {
			reason: "istiod looks for shared objects there",
			file:   "mesh.yaml", field: "rootNamespace", want: "istio-system",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(l.conf(c.file))
			require.NoError(t, err)
			var have map[string]any
			require.NoError(t, yaml.UnmarshalStrict(raw, &have))
			require.Equal(t, c.want, have[c.field], c.reason)
		})
	}
}

func TestContainerdStaysInItsDirectory(t *testing.T) {
	l := configured(t)
	raw, err := os.ReadFile(l.conf("containerd.toml"))
	require.NoError(t, err)
	text := string(raw)
	for _, want := range []string{
		`root = "` + l.path("containerd") + `"`, `state = "` + l.path("containerd-state") + `"`, `address = "` + l.socket() + `"`,
		`sandbox_image = "` + pauseImage + `"`, "restrict_oom_score_adj = true", "SystemdCgroup = false",
	} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "/var/lib/containerd", "that is the machine's own")
}

func TestNetworkConfigIsWhereContainerdLooks(t *testing.T) {
	l := configured(t)
	raw, err := os.ReadFile(l.path("cni", "cni.conflist"))
	require.NoError(t, err)
	var list struct {
		Name    string
		Plugins []map[string]any
	}
	require.NoError(t, json.Unmarshal(raw, &list))
	require.Equal(t, l.group(), list.Name)
	require.Equal(t, bridge, list.Plugins[0]["bridge"])
	require.Equal(t, true, list.Plugins[0]["hairpinMode"], "a pod may be chosen for its own request")
}

func TestRenderComplains(t *testing.T) {
	_, err := render(configFiles, "config/absent", values{})
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = render(configFiles, "config/kubeconfig", values{Layout: Layout(t.TempDir()), User: "nobody"})
	require.ErrorContains(t, err, `template "config/kubeconfig"`, "an identity without certificate is a mistake, not an empty field")
}

func TestManifestsRender(t *testing.T) {
	cases := map[string]struct {
		reason string
		file   string
		want   []string
	}{
		"Base": {
			reason: "names for what runs outside, and rights for it",
			file:   "base.yaml",
			want: []string{
				"Namespace/istio-system", "Namespace/test", "ClusterRole/sluice-e2e-reader",
				"ClusterRoleBinding/sluice-e2e-readers", "Service/kube-dns", "EndpointSlice/kube-dns-host",
			},
		},
		"Mesh": {
			reason: "each Service without a selector has its slice",
			file:   "mesh.yaml",
			want: []string{
				"Service/istiod", "EndpointSlice/istiod-host", "Service/prometheus", "EndpointSlice/prometheus-host",
				"Service/slack", "EndpointSlice/slack-host",
			},
		},
		"Gateway": {
			reason: "an account, a way in, a process",
			file:   "gateway.yaml",
			want:   []string{"ServiceAccount/istio-ingressgateway", "Service/istio-ingressgateway", "Deployment/istio-ingressgateway"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			raw, err := render(manifestFiles, "manifests/"+c.file, values{Layout: "/x"})
			require.NoError(t, err)
			objects, err := split(raw)
			require.NoError(t, err)
			var have []string
			for _, object := range objects {
				have = append(have, object.GetKind()+"/"+object.GetName())
			}
			require.Equal(t, c.want, have, c.reason)
		})
	}
}

func TestSplit(t *testing.T) {
	cases := map[string]struct {
		reason string
		text   string
		want   int
		fails  string
	}{
		"Empty":         {reason: "nothing is nothing", text: "", want: 0},
		"OnlyComments":  {reason: "a licence above the first object is no object", text: "# hello\n---\n", want: 0},
		"TwoObjects":    {reason: "both count", text: "apiVersion: v1\nkind: A\n---\napiVersion: v1\nkind: B\n", want: 2},
		"EmptyBetween":  {reason: "empty documents are left out", text: "apiVersion: v1\nkind: A\n---\n---\napiVersion: v1\nkind: B\n", want: 2},
		"BrokenSecond":  {reason: "the message says which", text: "apiVersion: v1\nkind: A\n---\n{", fails: "object 2"},
		"TrailingLines": {reason: "a stream may end with a separator", text: "apiVersion: v1\nkind: A\n---\n", want: 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			objects, err := split([]byte(c.text))
			if c.fails != "" {
				require.ErrorContains(t, err, c.fails, c.reason)
				return
			}
			require.NoError(t, err)
			require.Len(t, objects, c.want, c.reason)
		})
	}
}

func TestEveryAddressIsLocal(t *testing.T) {
	l := configured(t)
	for _, p := range (&up{Layout: l}).parts() {
		for _, arg := range p.argv {
			require.NotContains(t, arg, "0.0.0.0", "%s listens to the world: %s", p.name, arg)
		}
	}
}
