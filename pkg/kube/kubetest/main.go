package kubetest

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// Kubeconfig is the environment variable that names the kubeconfig of the
// server tests run against. Main sets it. Set from outside, it makes Main use
// that server instead of starting one, which saves seconds when one test is
// run over and over.
const Kubeconfig = "SLUICE_KUBETEST_KUBECONFIG"

// Main starts a server, installs the CRDs found in crdDirs (folders or files,
// relative to the package under test), runs the tests and stops the server:
//
//	func TestMain(m *testing.M) { os.Exit(kubetest.Main(m, "../../artifacts/crds")) }
func Main(m *testing.M, crdDirs ...string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	shut, err := open(ctx, crdDirs)
	defer shut()
	if err != nil {
		fmt.Fprintln(os.Stderr, "kubetest:", err)
		return 1
	}
	// A test binary that is interrupted exits without running what is
	// deferred, so the server is taken down from here.
	disarm := context.AfterFunc(ctx, func() {
		shut()
		os.Exit(130)
	})
	defer disarm()
	return m.Run()
}

// Config is how an administrator reaches the server that Main started. The
// client side limits nothing: what a test counts and times is the server's.
func Config(t testing.TB) *rest.Config {
	t.Helper()
	cfg, err := load(os.Getenv(Kubeconfig))
	require.NoError(t, err, "does the package call kubetest.Main from its TestMain?")
	return cfg
}

// Apart starts a server for one test alone, for what would disturb the others,
// such as APIs that come late. It takes seconds.
func Apart(t testing.TB, crdDirs ...string) *rest.Config {
	t.Helper()
	path, err := binary(t.Context())
	require.NoError(t, err)
	s, err := start(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(s.stop)
	cfg, err := load(s.path("kubeconfig"))
	require.NoError(t, err)
	Install(t, cfg, crdDirs...)
	return cfg
}

// Install installs the CRDs found in folders or files, and waits until they
// are served.
func Install(t testing.TB, cfg *rest.Config, crdDirs ...string) {
	t.Helper()
	require.NoError(t, install(cfg, crdDirs))
}

// Namespace makes a namespace for one test and names it.
func Namespace(t testing.TB) string {
	t.Helper()
	api, err := kubernetes.NewForConfig(Config(t))
	require.NoError(t, err)
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "t-"}}
	ns, err = api.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{})
	require.NoError(t, err)
	return ns.Name
}

func open(ctx context.Context, crdDirs []string) (shut func(), err error) {
	shut = func() {}
	if os.Getenv(Kubeconfig) == "" {
		if shut, err = boot(ctx); err != nil {
			return shut, err
		}
	}
	cfg, err := load(os.Getenv(Kubeconfig))
	if err != nil || len(crdDirs) == 0 {
		return shut, err
	}
	return shut, install(cfg, crdDirs)
}

func install(cfg *rest.Config, crdDirs []string) error {
	_, err := envtest.InstallCRDs(cfg, envtest.CRDInstallOptions{
		Paths: crdDirs, ErrorIfPathMissing: true, MaxTime: time.Minute, PollInterval: 50 * time.Millisecond,
	})
	return err
}

// boot starts a server and leaves its address in the environment: the tests of
// a package share it without sharing a variable.
func boot(ctx context.Context) (func(), error) {
	binary, err := binary(ctx)
	if err != nil {
		return func() {}, err
	}
	s, err := start(ctx, binary)
	if err != nil {
		return func() {}, err
	}
	return s.stop, os.Setenv(Kubeconfig, s.path("kubeconfig"))
}

func load(kubeconfig string) (*rest.Config, error) {
	if kubeconfig == "" {
		return nil, fmt.Errorf("no server: %s is empty", Kubeconfig)
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", filepath.Clean(kubeconfig))
	if err != nil {
		return nil, err
	}
	cfg.QPS = -1
	return cfg, nil
}
