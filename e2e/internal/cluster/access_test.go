package cluster

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConnect(t *testing.T) {
	l := configured(t)
	other := l.path("other.kubeconfig")
	raw, err := os.ReadFile(l.kubeconfig("istiod"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(other, raw, 0o600))
	cases := map[string]struct {
		reason string
		env    map[string]string
		want   Access
		fails  string
	}{
		"Nothing": {
			reason: "our own cluster needs no settings",
			want:   Access{Kubeconfig: l.Kubeconfig(), Gateway: Gateway, Prometheus: Prometheus, Slack: Slack, Istiod: istiodAddress, Own: true},
		},
		"Other": {
			reason: "a cluster of somebody else's, with its own ways in",
			env:    map[string]string{"KUBECONFIG": other, "GATEWAY_URL": "http://g", "PROMETHEUS_URL": "http://p", "SLACK_URL": "http://s", "ISTIOD_ADDRESS": "i:15010"},
			want:   Access{Kubeconfig: other, Gateway: "http://g", Prometheus: "http://p", Slack: "http://s", Istiod: "i:15010"},
		},
		"OurOwnNamed": {
			reason: "naming our own cluster does not make it foreign",
			env:    map[string]string{"KUBECONFIG": l.Kubeconfig()},
			want:   Access{Kubeconfig: l.Kubeconfig(), Gateway: Gateway, Prometheus: Prometheus, Slack: Slack, Istiod: istiodAddress, Own: true},
		},
		"Missing": {
			reason: "the message names the file",
			env:    map[string]string{"KUBECONFIG": "/no/such/file"},
			fails:  `kubeconfig "/no/such/file"`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			have, err := l.Connect(func(name string) string { return c.env[name] })
			if c.fails != "" {
				require.ErrorContains(t, err, c.fails, c.reason)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "https://"+apiAddress, have.REST.Host)
			have.REST = nil
			require.Equal(t, c.want, have, c.reason)
		})
	}
}
