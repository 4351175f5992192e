package announce

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	library "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/notify"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// asked is one query of a dashboard or an alert.
type asked struct{ place, query string }

// dashboard is as much of Grafana's form as is looked at here.
type dashboard struct {
	UID, Title string
	Templating struct{ List []struct{ Name string } }
	Panels     []struct {
		ID          int
		Type, Title string
		Description string
		GridPos     struct{ X, Y, W, H int }
		Targets     []struct{ Expr string }
	}
}

func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob("../../artifacts/dashboards/*.json")
	require.NoError(t, err)
	all := map[string]dashboard{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		var d dashboard
		require.NoError(t, json.Unmarshal(text, &d), f)
		all[filepath.Base(f)] = d
	}
	require.Len(t, all, 2)
	return all
}

// rules are the groups of a PrometheusRule.
type rules struct {
	Kind string
	Spec struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
}

func alertRules(t *testing.T) rules {
	t.Helper()
	text, err := os.ReadFile("../../artifacts/alerts/sluice.yaml")
	require.NoError(t, err)
	var r rules
	require.NoError(t, yaml.Unmarshal(text, &r))
	require.Equal(t, "PrometheusRule", r.Kind)
	return r
}

// queries are all of them, as Prometheus gets them.
func queries(t *testing.T) []asked {
	t.Helper()
	filled := strings.NewReplacer("$__rate_interval", "5m", "$__range", "6h", "$namespace", "test", "$name", "podinfo")
	var all []asked
	for file, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				all = append(all, asked{file + ": " + p.Title, filled.Replace(target.Expr)})
			}
		}
	}
	for _, g := range alertRules(t).Spec.Groups {
		for _, r := range g.Rules {
			all = append(all, asked{g.Name + ": " + r.Alert, r.Expr})
		}
	}
	require.Greater(t, len(all), 30)
	return all
}

// exercised is a Telemetry of which everything was used, so that all its metrics have a series.
func exercised(t *testing.T) *prometheus.Registry {
	t.Helper()
	seen := journey()
	c := newsOf(seen[0], seen[1]).Canary
	c.Status.WaitingFor = string(rollout.WaitInterval)
	told, into := newTelemetry(t, *c)
	var p rolloutHistory
	for i := range seen[1:] {
		n := newsOf(seen[i], seen[i+1])
		was, _ := p.recordDecision(n)
		told.count(n, was)
	}
	failure := newsOf(seen[1], stands(v1beta1.PhaseFailed, "r1-b", 3))
	told.count(failure, rolloutRecord{outcome: failed})
	told.Observe(c, "success", 99)
	told.Took(c, 1)
	told.QueryFailed("prometheus")
	told.Watch("alerts", notify.NewQueue(notify.Limits{}, logr.Discard()))
	told.RoundTook(time.Second)
	return into
}

// runLibrary has the library's metrics get series: they have some once a controller has run and a request was made.
func runLibrary(t *testing.T) {
	t.Helper()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	asking, err := discovery.NewDiscoveryClientForConfig(&rest.Config{Host: server.URL})
	require.NoError(t, err)
	_, err = asking.ServerVersion()
	require.Error(t, err, "it answers nothing, but it was asked")
	done := make(chan struct{})
	reconciler := reconcile.Func(func(context.Context, reconcile.Request) (reconcile.Result, error) {
		close(done)
		return reconcile.Result{}, nil
	})
	run, err := controller.NewUnmanaged("dashboards", controller.Options{Reconciler: reconciler})
	require.NoError(t, err)
	require.NoError(t, run.Watch(source.Func(func(_ context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		q.Add(reconcile.Request{})
		return nil
	})))
	go func() { _ = run.Start(t.Context()) }()
	<-done
}

// TestDashboardsAskForWhatThereIs holds every query against the grammar, and every name in it and every label against
// what a running operator exposes.
func TestDashboardsAskForWhatThereIs(t *testing.T) {
	t.Parallel()
	runLibrary(t)
	there := map[string]map[string]bool{}
	for _, from := range []prometheus.Gatherer{exercised(t), library.Registry} {
		families, err := from.Gather()
		require.NoError(t, err)
		for _, f := range families {
			labels := map[string]bool{"__name__": true, "le": true, "instance": true}
			for _, m := range f.GetMetric() {
				for _, l := range m.GetLabel() {
					labels[l.GetName()] = true
				}
			}
			there[f.GetName()] = labels
		}
	}
	for _, one := range queries(t) {
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(one.query)
		require.NoError(t, err, "%s: %s", one.place, one.query)
		require.NotContains(t, one.query, "$", "%s: a variable that nobody fills", one.place)
		names := 0
		parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
			s, ok := n.(*parser.VectorSelector)
			if !ok {
				return nil
			}
			names++
			labels, known := there[belongs(s.Name, there)]
			require.True(t, known, "%s: nobody exposes %q", one.place, s.Name)
			for _, m := range s.LabelMatchers {
				require.True(t, labels[m.Name], "%s: %q has no label %q", one.place, s.Name, m.Name)
			}
			return nil
		})
		require.Positive(t, names, "%s: asks for nothing", one.place)
	}
}

// belongs is the metric that a series belongs to: a histogram has several.
func belongs(name string, there map[string]map[string]bool) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if of, ok := strings.CutSuffix(name, suffix); ok && there[of] != nil {
			return of
		}
	}
	return name
}

// TestOwnMetricsAreShown holds that whatever we expose is looked at somewhere.
func TestOwnMetricsAreShown(t *testing.T) {
	all := ""
	for _, one := range queries(t) {
		all += one.query + "\n"
	}
	families, err := exercised(t).Gather()
	require.NoError(t, err)
	require.Greater(t, len(families), 12)
	for _, f := range families {
		require.Contains(t, all, f.GetName())
	}
}

func TestDashboardsAreWhole(t *testing.T) {
	for file, d := range dashboards(t) {
		require.NotEmpty(t, d.UID, file)
		require.Equal(t, "datasource", d.Templating.List[0].Name, "%s works with any data source", file)
		ids := map[int]bool{}
		taken := map[[2]int]string{}
		for _, p := range d.Panels {
			require.False(t, ids[p.ID], "%s: two panels have id %d", file, p.ID)
			ids[p.ID] = true
			if p.Type != "row" {
				require.NotEmpty(t, p.Description, "%s: %s", file, p.Title)
			}
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					require.Empty(t, taken[[2]int{x, y}], "%s: %s is on top of another panel", file, p.Title)
					taken[[2]int{x, y}] = p.Title
				}
			}
			require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, "%s: %s", file, p.Title)
		}
	}
}

func TestAlertRulesSayWhatToDo(t *testing.T) {
	names := map[string]bool{}
	for _, g := range alertRules(t).Spec.Groups {
		for _, r := range g.Rules {
			require.False(t, names[r.Alert], r.Alert)
			names[r.Alert] = true
			require.Contains(t, []string{"warning", "critical"}, r.Labels["severity"], r.Alert)
			require.NotEmpty(t, r.Annotations["summary"], r.Alert)
			require.NotEmpty(t, r.Annotations["description"], r.Alert)
		}
	}
	require.Len(t, names, 11)
}
