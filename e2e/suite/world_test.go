package suite

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
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
	w := &world{
		Product: install.Product{
			Kubectl:    install.Kubectl{Config: os.Getenv("KUBECONFIG"), Out: t.Output()},
			Repository: repository,
		},
		gateway: cmp.Or(os.Getenv("E2E_GATEWAY"), cluster.Gateway),
		chat:    walk.Chat{URL: cmp.Or(os.Getenv("E2E_SLACK"), cluster.Slack)},
	}
	ctx := t.Context()
	if w.Config == "" {
		layout := cluster.DefaultLayout()
		w.Config = layout.Kubeconfig()
		require.NoError(t, layout.Up(ctx, cluster.Options{}, &cluster.Speaker{Out: t.Output(), Now: time.Now}))
	}
	w.config, err = clientcmd.BuildConfigFromFlags("", w.Config)
	require.NoError(t, err)
	w.config.QPS, w.config.Burst = 100, 200
	w.client, err = client.NewWithWatch(w.config, client.Options{Scheme: scheme.Scheme})
	require.NoError(t, err)
	for _, part := range []func(context.Context) error{w.Operator, w.Gateway, w.Tester} {
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
