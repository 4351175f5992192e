package main

import (
	"context"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/sluice-cd/sluice/pkg/analysis"
	"github.com/sluice-cd/sluice/pkg/announce"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/controller"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/notify"
	"github.com/sluice-cd/sluice/pkg/observe"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// content passes all checks.
type content struct{}

func (content) Round(*v1beta1.Canary) analysis.Answer {
	return func(context.Context, rollout.Question) rollout.Finding {
		return rollout.Finding{Verdict: v1beta1.Passed}
	}
}

// operator runs the operator in the namespace until the test ends.
func (s *scene) operator() {
	s.Helper()
	o, err := controller.ManagerOptions(s.ns)
	require.NoError(s, err)
	o.Logger, o.Controller, o.Metrics = logr.Discard(), config.Controller{SkipNameValidation: new(true)}, metricsserver.Options{BindAddress: "0"}
	mgr, err := ctrl.NewManager(kubetest.Config(s), o)
	require.NoError(s, err)
	telemetry, err := announce.NewTelemetry(prometheus.NewRegistry(), mgr.GetClient(), "test", "kubernetes")
	require.NoError(s, err)
	d, err := discovery.NewDiscoveryClientForConfig(mgr.GetConfig())
	require.NoError(s, err)
	r := &controller.Reconciler{
		Analyst: content{},
		Announcer: &announce.Announcer{
			Events: record.NewFakeRecorder(1000), Queue: notify.NewQueue(notify.Limits{}, logr.Discard()), Telemetry: telemetry,
			Providers: mgr.GetClient(), Secrets: mgr.GetAPIReader(),
		},
		Watched:  controller.Watched{Namespaces: []string{s.ns}},
		Routers:  &observe.Routers{Default: "kubernetes", Discovery: d, Now: time.Now},
		Kinds:    workload.Kinds{LabelRules: workload.LabelRules{SelectorLabels: []string{"app"}}},
		Validate: func(*v1beta1.Canary) error { return nil },
		Settle:   100 * time.Millisecond,
	}
	r.Use(mgr, time.Now)
	require.NoError(s, r.Setup(mgr, 2))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = mgr.Start(ctx)
	}()
	s.Cleanup(func() { cancel(); <-ended })
}

// The commands of a release, with an operator that answers: a new image pauses at a step, is promoted, and rolled back.
func TestRelease(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	kubetest.Deployments(t, s.ns)
	s.deployment("podinfo", "example.com/podinfo:1", 2, nil, func(d *appsv1.Deployment) {
		d.Spec.Template.Labels = map[string]string{"app": "podinfo", "sluice.dev/apex": "podinfo"}
	})
	c := &v1beta1.Canary{Spec: v1beta1.CanarySpec{
		Provider:  "kubernetes",
		TargetRef: v1beta1.TargetRef{APIVersion: "apps/v1", Kind: "Deployment", Name: "podinfo"},
		Service:   v1beta1.CanaryService{Port: 9898},
		Analysis: &v1beta1.CanaryAnalysis{Interval: "10s", Threshold: 2, ReplicaRatio: true, Steps: []v1beta1.AnalysisStep{
			{Weight: new(50), Pause: &v1beta1.StepPause{}},
		}},
	}}
	c.Namespace, c.Name = s.ns, "podinfo"
	require.NoError(t, s.Create(t.Context(), c))
	s.operator()
	code, _, stderr := s.called("status", "podinfo", "-t", "2m")
	require.Zero(t, code, stderr)
	code, _, stderr = s.called("set", "image", "podinfo", "podinfod=example.com/podinfo:2")
	require.Zero(t, code, stderr)
	code, out, stderr := s.called("status", "podinfo", "--image", "podinfod=example.com/podinfo:2", "-t", "2m")
	require.Equal(t, 4, code, "%s%s", out, stderr)
	require.Contains(t, stderr, "error: podinfo StepPaused: waits for promote")
	_, out, _ = s.called("get", "podinfo")
	containsAll(t, out, "Step: 1/1", "(actual 50)", "podinfo 1 → 2", "canary,weight:50", "primary,weight:50")
	code, out, stderr = s.called("promote", "podinfo", "--reason", "looks good")
	require.Zero(t, code, stderr)
	require.Equal(t, "canary.flagger.app/podinfo promoted: step 1 of 1 goes on when one more check has passed\n", out)
	code, out, stderr = s.called("status", "podinfo", "-t", "2m")
	require.Zero(t, code, "%s%s", out, stderr)
	require.Contains(t, out, "podinfo run 1: Promoted")
	code, out, stderr = s.called("rollback", "podinfo")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "canary.flagger.app/podinfo rolling back: podinfo-primary."+s.ns+" returns to ")
	code, out, stderr = s.called("status", "podinfo", "-t", "2m")
	require.Equal(t, 1, code, out)
	require.Contains(t, stderr, "Reverted")
	require.Equal(t, "example.com/podinfo:1", s.image("podinfo-primary"))
	_, out, _ = s.called("history", "podinfo")
	require.Regexp(t, `(?m)^2 +✖ Reverted .* admin `, out)
}
