package upgrade

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

func TestMain(m *testing.M) {
	// All Canaries are followed at once, by one operator, and nearly all of the time is spent waiting for intervals.
	if err := flag.Set("test.parallel", "100"); err != nil {
		panic(err)
	}
	log.SetLogger(logr.Discard()) // watches that end with a test have much to say
	os.Exit(kubetest.Main(m, "../../../artifacts/crds", istioCRDs()))
}

func istioCRDs() string {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "istio.io/api").Output()
	if err != nil {
		panic(err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "kubernetes", "customresourcedefinitions.gen.yaml")
}

// cluster is the API server, who plays the workloads' controllers on it, and those who judge all Canaries.
type cluster struct {
	client.WithWatch
	deployments, daemonSets *kubetest.Workloads
	judges                  *judges
	url                     string // of the judges

	mu   sync.Mutex
	seen map[string][]string // by namespace, a slash and the name of a Canary or a primary: what it has been
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, clientgoscheme.AddToScheme(scheme))
	require.NoError(t, v1beta1.AddToScheme(scheme))
	c, err := client.NewWithWatch(kubetest.Config(t), client.Options{Scheme: scheme})
	require.NoError(t, err)
	j := &judges{closed: map[string]string{}, failing: map[string]int{}, asked: map[string]int{}}
	server := httptest.NewServer(j)
	t.Cleanup(server.Close)
	k := &cluster{
		WithWatch: c, judges: j, url: server.URL, seen: map[string][]string{},
		deployments: kubetest.Deployments(t, ""), daemonSets: kubetest.DaemonSets(t, ""),
	}
	k.watch(t)
	// The next operator on this server has no business with them.
	t.Cleanup(func() { k.clear(t) })
	return k
}

// clear deletes all Canaries.
func (k *cluster) clear(t *testing.T) {
	t.Helper()
	all := &v1beta1.CanaryList{}
	require.NoError(t, k.List(context.Background(), all))
	for i := range all.Items {
		require.NoError(t, k.Delete(context.Background(), &all.Items[i]))
	}
}

// watch notes every state that a Canary is in, and every template that a primary has.
func (k *cluster) watch(t *testing.T) {
	t.Helper()
	for _, list := range []client.ObjectList{&v1beta1.CanaryList{}, &appsv1.DeploymentList{}, &appsv1.DaemonSetList{}} {
		watching, err := k.Watch(t.Context(), list)
		require.NoError(t, err)
		go func() {
			for e := range watching.ResultChan() {
				switch o := e.Object.(type) {
				case *v1beta1.Canary:
					k.note(o, fmt.Sprintf("%s, step %d", stateOf(o), o.Status.Step))
				case *appsv1.Deployment:
					k.note(o, templateOf(o.Spec.Template))
				case *appsv1.DaemonSet:
					k.note(o, templateOf(o.Spec.Template))
				}
			}
		}()
	}
}

// note adds what is new; a Canary and its target have one name, of which only the Canary is noted.
func (k *cluster) note(o client.Object, now string) {
	if _, canary := o.(*v1beta1.Canary); !canary && o.GetName() == target {
		return
	}
	key := client.ObjectKeyFromObject(o).String()
	k.mu.Lock()
	defer k.mu.Unlock()
	if all := k.seen[key]; len(all) == 0 || all[len(all)-1] != now {
		k.seen[key] = append(all, now)
	}
}

func (k *cluster) history(ns, name string) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.seen[ns+"/"+name])
}

// templateOf begins with the image.
func templateOf(p corev1.PodTemplateSpec) string {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	return p.Spec.Containers[0].Image + " " + string(text)
}

func stateOf(c *v1beta1.Canary) string {
	return fmt.Sprintf("%s %d %d", c.Status.Phase, c.Status.CanaryWeight, c.Status.Iterations)
}

// run starts the operator and waits until it works.
func (k *cluster) run(t *testing.T, path string, flags ...string) {
	t.Helper()
	port := freePort(t)
	said, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), path, append(flags, "-kubeconfig="+os.Getenv(kubetest.Kubeconfig), "-mesh-provider=istio",
		"-metrics-server="+k.url, "-port="+port)...)
	cmd.Stdout, cmd.Stderr = said, said
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if text, err := os.ReadFile(said.Name()); t.Failed() && err == nil {
			t.Logf("%s", text[max(0, len(text)-4000):])
		}
	})
	require.Eventually(t, func() bool {
		resp, err := http.Get("http://127.0.0.1:" + port + "/readyz")
		return err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	}, patience, 50*time.Millisecond, "the operator is ready")
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	return port
}

// judges answer for Prometheus and for webhooks, each Canary by its namespace.
type judges struct {
	mu      sync.Mutex
	closed  map[string]string
	failing map[string]int
	asked   map[string]int // webhooks that refused
}

var namespaced = regexp.MustCompile(`(recorded-)?(earlier|present)-[a-z0-9-]+`)

// ServeHTTP answers the query of a metric, or a webhook.
func (j *judges) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if strings.HasPrefix(r.URL.Path, "/hook/") {
		var call struct{ Namespace string }
		_ = json.NewDecoder(r.Body).Decode(&call)
		if "/hook/"+j.closed[call.Namespace] == r.URL.Path {
			j.asked[call.Namespace]++
			w.WriteHeader(http.StatusForbidden)
		}
		return
	}
	ns, value := namespaced.FindString(r.FormValue("query")), "100"
	if j.failing[ns] > 0 {
		j.failing[ns]--
		value = "50"
	}
	_, _ = fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,%q]}]}}`, value)
}

func (j *judges) refused(ns string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.asked[ns]
}

// set has the checks of a namespace go as a scenario says.
func (j *judges) set(ns, closed string, failing int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed[ns], j.failing[ns], j.asked[ns] = closed, failing, 0
}
