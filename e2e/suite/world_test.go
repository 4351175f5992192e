package suite

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/e2e/internal/cluster"
	"github.com/sluice-cd/sluice/e2e/internal/install"
	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// world is the cluster and what all tests share on it.
type world struct {
	install.Product
	config  *rest.Config
	client  client.WithWatch
	gateway string // the mesh's gateway, as seen from here
	metrics string // Prometheus, as seen from here
	istiod  string // where istiod tells proxies what to do, host:port
	chat    walk.Chat
}

// patience is how long anything may take that a rollout does between two steps, pods' starts included; it is
// only used up when something is broken.
const patience = 2 * time.Minute

// newWorld finds or makes the cluster, and installs the product as its documentation says.
func newWorld(t *testing.T) *world {
	t.Helper()
	repository, err := filepath.Abs("../..")
	require.NoError(t, err)
	// Kubectl looks for its plugins on the path.
	t.Setenv("PATH", filepath.Join(repository, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	require.FileExists(t, filepath.Join(repository, "bin", "kubectl-sluice"), "the plugin comes with `make build`")
	ctx, layout := t.Context(), cluster.DefaultLayout()
	if os.Getenv("KUBECONFIG") == "" {
		require.NoError(t, layout.Up(ctx, cluster.Options{}, &cluster.Speaker{Out: t.Output(), Now: time.Now}))
	}
	access, err := layout.Connect(os.Getenv)
	require.NoError(t, err)
	w := &world{
		Product: install.Product{
			Kubectl:    install.Kubectl{Config: access.Kubeconfig, Out: t.Output()},
			Repository: repository,
		},
		config:  access.REST,
		gateway: access.Gateway,
		metrics: access.Prometheus,
		istiod:  access.Istiod,
		chat:    walk.Chat{URL: access.Slack},
	}
	w.config.QPS, w.config.Burst = 100, 200
	w.client, err = client.NewWithWatch(w.config, client.Options{Scheme: scheme.Scheme})
	require.NoError(t, err)
	for _, part := range []func(context.Context) error{w.gatewayAPI, w.Operator, w.Gateway, w.Tester} {
		require.NoError(t, part(ctx), "images come with `make cluster-images`")
	}
	w.Out = nil // from here on tests say what they do
	return w
}

// within bounds a wait.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), d)
	t.Cleanup(stop)
	return ctx
}
