package kubetest

import (
	"testing"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metrics "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// newManager makes what the stand-ins of one namespace run in. What they log
// is dropped: the end of a test cuts them off in the middle of things.
func newManager(t testing.TB, ns string) manager.Manager {
	s := runtime.NewScheme()
	require.NoError(t, clientgoscheme.AddToScheme(s))
	cfg := Config(t)
	cfg.UserAgent = "kube-controller-manager"
	mgr, err := manager.New(cfg, manager.Options{
		Scheme:     s,
		Logger:     logr.Discard(),
		Cache:      cache.Options{DefaultNamespaces: map[string]cache.Config{ns: {}}},
		Controller: config.Controller{SkipNameValidation: ptr.To(true)},
		Metrics:    metrics.Options{BindAddress: "0"},
	})
	require.NoError(t, err)
	return mgr
}

// run runs the manager until the test ends, and lets the test end only when
// nothing of it runs any more.
func run(t testing.TB, mgr manager.Manager) {
	ctx, done := t.Context(), make(chan struct{})
	go func() {
		defer close(done)
		_ = mgr.Start(ctx)
	}()
	t.Cleanup(func() { <-done })
}
