package view

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

var update = flag.Bool("update", false, "write the golden files")

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) metav1.Time { return metav1.NewTime(noon.Add(-d)) }

func microAgo(d time.Duration) *metav1.MicroTime {
	return &metav1.MicroTime{Time: noon.Add(-d)}
}

func object(name string, age time.Duration, owner types.UID) metav1.ObjectMeta {
	m := metav1.ObjectMeta{Namespace: "test", Name: name, UID: types.UID("uid-" + name), CreationTimestamp: ago(age)}
	if owner != "" {
		m.OwnerReferences = []metav1.OwnerReference{{UID: owner, Controller: new(true)}}
	}
	return m
}

// deploy adds a Deployment whose newest ReplicaSet has pods.
func (o *Objects) deploy(name, hash string, age time.Duration, pods int32) {
	d := appsv1.Deployment{ObjectMeta: object(name, age, "")}
	d.Annotations = map[string]string{deploymentRevision: "2"}
	d.UID = types.UID("uid-deployment-" + name)
	o.Deployments = append(o.Deployments, d)
	o.replicas(d, "2", name+"-"+hash, age, pods)
	o.replicas(d, "1", name+"-former", 2*age, 0)
}

func (o *Objects) replicas(d appsv1.Deployment, number, name string, age time.Duration, pods int32) {
	rs := appsv1.ReplicaSet{ObjectMeta: object(name, age, d.UID)}
	rs.Annotations = map[string]string{deploymentRevision: number}
	rs.Spec.Replicas = &pods
	rs.Status.Replicas, rs.Status.ReadyReplicas = pods, pods
	o.ReplicaSets = append(o.ReplicaSets, rs)
	for i := range pods {
		p := corev1.Pod{ObjectMeta: object(fmt.Sprintf("%s-%c", name, 'a'+i), age, rs.UID)}
		p.Spec.Containers = []corev1.Container{{Name: "podinfod"}}
		p.Status.Phase = corev1.PodRunning
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Ready: true}}
		o.Pods = append(o.Pods, p)
	}
}

// paused is a rollout that waits at its third step for a person.
func paused(change ...func(*Objects)) Objects {
	c := &v1beta1.Canary{ObjectMeta: object("podinfo", 41*24*time.Hour, "")}
	c.Spec.TargetRef = v1beta1.TargetRef{Kind: "Deployment", Name: "podinfo"}
	c.Spec.Analysis = &v1beta1.CanaryAnalysis{Interval: "1m", Threshold: 5, StepWeights: []int{5, 10, 20, 40, 60, 80}}
	plan, err := rollout.Compile(c.Spec, rollout.Weighted)
	if err != nil {
		panic(err)
	}
	c.Status = v1beta1.CanaryStatus{
		Phase: v1beta1.PhaseProgressing, Step: 3, CanaryWeight: 20, ActualWeight: new(20), FailedChecks: 1, LastFailure: "request-success-rate 97 < 99",
		LastAppliedSpec: "r1-5f3c9a7d", LastPromotedSpec: "r1-11111111", PlanHash: plan.Hash, WaitingFor: string(rollout.WaitStepPaused),
		StepStarted: &v1beta1.StepStart{Revision: "r1-5f3c9a7d", Step: 3, Paused: microAgo(2 * time.Minute)},
		Run: &v1beta1.Run{Number: 17, Revision: "r1-5f3c9a7d", Images: "podinfod:6.0.1", Attempt: 1, Started: ago(12 * time.Minute),
			From:    &v1beta1.RunOrigin{Run: 16, Revision: "r1-11111111", Images: "podinfod:6.0.0"},
			Track:   []v1beta1.TrackPoint{{T: 5, Weight: 5, Step: 1}, {T: 65, Weight: 10, Step: 2}, {T: 125, Weight: 20, Step: 3}},
			Actions: []v1beta1.RunAction{{Verb: "pause", By: "ben", At: ago(11 * time.Minute), Step: 1, Reason: "lunch"}, {Verb: "resume", By: "ben", At: ago(10 * time.Minute), Step: 1}}},
		History: []v1beta1.PastRun{
			{Number: 16, Revision: "r1-11111111", Images: "podinfod:6.0.0", Outcome: v1beta1.RunPromoted, By: "anna", Started: ago(73 * time.Hour), Finished: ago(72 * time.Hour)},
			{Number: 15, Revision: "r1-22222222", Images: "podinfod:5.9.9", Outcome: v1beta1.RunRolledBack, Reason: "request-duration 900 > 500", Started: ago(90 * time.Hour), Finished: ago(89 * time.Hour)},
			{Number: 14, Revision: "r1-33333333", Images: "podinfod:5.9.8", Outcome: v1beta1.RunAborted, By: "anna", Started: ago(99 * time.Hour), Finished: ago(98 * time.Hour)},
		},
		Analysis: &v1beta1.AnalysisStatus{Metrics: []v1beta1.MetricStatus{
			{Name: "request-success-rate", Measurements: []v1beta1.Measurement{{Value: "99.93", Limit: ">= 99", Verdict: v1beta1.Passed}}},
			{Name: "request-duration", Measurements: []v1beta1.Measurement{{Value: "212", Limit: "<= 500", Verdict: v1beta1.Passed}, {Value: "700", Verdict: v1beta1.Failed}}},
			{Name: "never-asked"},
		}},
	}
	o := Objects{Canary: c}
	o.deploy("podinfo", "7d84d44bb8", 12*time.Minute, 1)
	o.deploy("podinfo-primary", "db976bc44", 72*time.Hour, 2)
	for name, age := range map[string]time.Duration{"podinfo-smoke": 11 * time.Minute, "podinfo-of-run-16": 72 * time.Hour} {
		j := batchv1.Job{ObjectMeta: object(name, age, c.UID)}
		j.Status.Succeeded = 1
		j.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}
		o.Jobs = append(o.Jobs, j)
	}
	for _, f := range change {
		f(&o)
	}
	return o
}

// ended is the status after a run.
func ended(phase v1beta1.CanaryPhase, outcome v1beta1.RunOutcome) func(*Objects) {
	return func(o *Objects) {
		s := &o.Canary.Status
		finished := ago(time.Minute)
		s.Phase, s.WaitingFor, s.CanaryWeight, s.ActualWeight, s.StepStarted = phase, "", 0, nil, nil
		s.Run.Finished, s.Run.Outcome = &finished, outcome
		s.History = append([]v1beta1.PastRun{{Number: 17, Revision: s.Run.Revision, Images: s.Run.Images, Outcome: outcome, Started: s.Run.Started, Finished: finished}}, s.History...)
		if outcome == v1beta1.RunPromoted {
			s.LastPromotedSpec = s.LastAppliedSpec
		}
		o.resize("podinfo-7d84d44bb8", 0)
	}
}

func (o *Objects) resize(set string, pods int32) {
	for i := range o.ReplicaSets {
		if rs := &o.ReplicaSets[i]; rs.Name == set {
			rs.Spec.Replicas, rs.Status.Replicas, rs.Status.ReadyReplicas = &pods, pods, pods
		}
	}
	var kept []corev1.Pod
	for _, p := range o.Pods {
		if !strings.HasPrefix(p.Name, set) {
			kept = append(kept, p)
		}
	}
	o.Pods = kept
}

var situations = map[string]func(*Objects){
	"paused": func(*Objects) {},
	"held": func(o *Objects) {
		o.Canary.Status.WaitingFor = string(rollout.WaitHeld)
		o.Canary.Status.Held = &v1beta1.Hold{Since: *microAgo(time.Hour), By: "ben", Reason: "looking at the logs"}
	},
	"crashing": func(o *Objects) {
		o.Canary.Status.WaitingFor = string(rollout.WaitCanary)
		o.Canary.Status.StepStarted.Paused = nil
		o.Canary.Status.Conditions = []metav1.Condition{{Type: v1beta1.ConditionWaiting, Status: metav1.ConditionTrue, LastTransitionTime: ago(time.Minute),
			Message: "podinfo.test not ready: CrashLoopBackOff."}}
		p := &o.Pods[0]
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{RestartCount: 4, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}}}
	},
	"promoted": ended(v1beta1.PhaseSucceeded, v1beta1.RunPromoted),
	"rolled-back": func(o *Objects) {
		ended(v1beta1.PhaseFailed, v1beta1.RunRolledBack)(o)
		o.Canary.Status.Cause, o.Canary.Status.Run.Cause, o.Canary.Status.FailedChecks = "request-success-rate 97 < 99", "request-success-rate 97 < 99", 5
	},
	"kept": func(o *Objects) {
		ended(v1beta1.PhaseFailed, v1beta1.RunRolledBack)(o)
		o.Canary.Status.CanaryKept = true
		o.ReplicaSets = o.ReplicaSets[1:]
		o.replicas(o.Deployments[0], "2", "podinfo-7d84d44bb9", time.Minute, 1)
	},
	"invalid": func(o *Objects) {
		ended(v1beta1.PhaseSucceeded, v1beta1.RunPromoted)(o)
		o.Canary.Status.Conditions = []metav1.Condition{{Type: v1beta1.ConditionValid, Status: metav1.ConditionFalse, Message: "spec.analysis.maxWeight: is 101"}}
	},
	"initializing": func(o *Objects) {
		o.Canary.Status = v1beta1.CanaryStatus{Phase: v1beta1.PhaseInitializing}
		o.resize("podinfo-primary-db976bc44", 0)
	},
	"new": func(o *Objects) {
		o.Canary.Status = v1beta1.CanaryStatus{}
		o.Deployments, o.ReplicaSets, o.Pods, o.Jobs = nil, nil, nil, nil
		o.Unread = []string{"pods: forbidden"}
	},
	"daemonset": func(o *Objects) {
		o.Canary.Spec.TargetRef.Kind = "DaemonSet"
		for i, name := range []string{"podinfo", "podinfo-primary"} {
			d := appsv1.DaemonSet{ObjectMeta: object(name, time.Hour, "")}
			d.Status = appsv1.DaemonSetStatus{DesiredNumberScheduled: 2, CurrentNumberScheduled: 2, NumberReady: int32(i + 1)}
			o.DaemonSets = append(o.DaemonSets, d)
		}
	},
	"hostile": func(o *Objects) {
		s := &o.Canary.Status
		s.Run.Images = "podinfo:\x1b[2J\x1b]0;owned\x07\u202e" + strings.Repeat("x", 2000)
		s.LastFailure = "a\nb"
		s.Analysis.Metrics[0].Measurements[0].Value = "\x1b[31m1\x9b2"
		s.History[1].Reason, s.History[1].By = "one\r\ntwo", "eve\x00\xff"
		s.WaitingFor = "Step\x1bPaused"
		s.Phase = "Progressing\n"
	},
}

// TestSituations holds what people see to golden files.
func TestSituations(t *testing.T) {
	for name, change := range situations {
		t.Run(name, func(t *testing.T) {
			v := Of(paused(change))
			style := Style{Now: noon, Runs: 3}
			var out strings.Builder
			section := func(title string, lines ...string) {
				fmt.Fprintf(&out, "== %s\n%s\n", title, strings.Join(lines, "\n"))
			}
			section("get", style.Lines(v)...)
			low, narrow, colored := style, style, style
			low.Height, narrow.Width, narrow.ASCII, colored.Color = 9, 60, true, true
			section("get, 9 lines", low.Lines(v)...)
			section("get, 60 columns of ASCII", narrow.Lines(v)...)
			section("get, first line in color", fmt.Sprintf("%q", colored.Lines(v)[0]))
			section("list", style.List([]View{v}, true)...)
			section("transition", style.Transition(v))
			section("history", style.History(v)...)
			section("history 17", style.RunLines(v, 17)...)
			section("history 16", style.RunLines(v, 16)...)
			section("detail", indented(t, DetailOf(paused(change).Canary, noon)))
			section("row", indented(t, RowOf(paused(change).Canary)))
			golden(t, filepath.Join("testdata", name+".golden"), out.String())
		})
	}
}

func indented(t *testing.T, v any) string {
	t.Helper()
	text, err := json.MarshalIndent(v, "", "  ")
	require.NoError(t, err)
	return string(text)
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// The pages show what is printed.
func TestPages(t *testing.T) {
	lines := Style{Now: noon, Runs: 3}.Lines(Of(paused()))
	for _, page := range []string{"docs/guides/plugin.md", "README.md"} {
		text, err := os.ReadFile("../../" + page)
		require.NoError(t, err)
		require.Contains(t, string(text), "```text\n"+strings.Join(lines, "\n")+"\n```\n", page)
	}
}

// What a cluster returns moves no cursor, and does not fill the screen.
func TestUntrustedText(t *testing.T) {
	v := Of(paused(situations["hostile"]))
	style := Style{Now: noon}
	lines := append(append(append(style.Lines(v), style.List([]View{v}, true)...), style.History(v)...), style.RunLines(v, 17)...)
	lines = append(lines, style.Transition(v))
	for _, l := range lines {
		require.NotRegexp(t, `[\x00-\x1f\x7f\x{80}-\x{9f}\x{202a}-\x{202e}]`, l)
		require.Less(t, utf8.RuneCountInString(l), 2000)
	}
	c := paused(situations["hostile"]).Canary
	for _, shown := range []any{v, DetailOf(c, noon), RowOf(c), DetailOfRun(record(c))} {
		text, err := json.Marshal(shown)
		require.NoError(t, err)
		require.NotRegexp(t, `\\u00[01]|\\u202e|\\[rnt]`, string(text))
	}
}

// record is the CanaryRun of the run of a Canary.
func record(c *v1beta1.Canary) *v1beta1.CanaryRun {
	plan, err := rollout.Compile(c.Spec, rollout.Weighted)
	if err != nil {
		panic(err)
	}
	r := &v1beta1.CanaryRun{ObjectMeta: object(c.Name+"-17", time.Minute, ""), Record: rollout.RecordOf(plan, c.Status, *c.Status.Run)}
	r.OwnerReferences = []metav1.OwnerReference{{Kind: "Canary", Name: c.Name}}
	return r
}

// A run that has ended is shown as it was recorded.
func TestRecordedRun(t *testing.T) {
	golden(t, filepath.Join("testdata", "run.golden"), indented(t, DetailOfRun(record(paused(situations["rolled-back"]).Canary)))+"\n")
	bare := DetailOfRun(&v1beta1.CanaryRun{})
	require.Empty(t, bare.Plan)
	require.NotNil(t, bare.Series, "a list that is empty is a list")
}

// What a step is to be is said in words.
func TestPlannedSteps(t *testing.T) {
	o := paused(func(o *Objects) {
		o.Canary.Spec.Analysis = &v1beta1.CanaryAnalysis{Interval: "30s", Threshold: 2, Steps: []v1beta1.AnalysisStep{
			{Name: "mirror", Mirror: 50},
			{Weight: new(10), Duration: "10m", Replicas: new(int32(3)), Metrics: []string{"request-duration"}},
			{Weight: new(30), Scale: new(60), Pause: &v1beta1.StepPause{}},
			{Weight: new(60), Pause: &v1beta1.StepPause{After: "1h30m"}},
			{Weight: new(100), Pause: &v1beta1.StepPause{After: "2h", Then: v1beta1.PauseAborts}},
		}}
		o.Canary.Spec.Analysis.Metrics = []v1beta1.CanaryMetric{
			{Name: "request-success-rate"}, {Name: "request-duration", TemplateRef: &v1beta1.CrossNamespaceRef{Name: "latency"}}, {Name: "never-asked", Query: "1"},
		}
		o.Canary.Spec.Provider, o.Canary.Spec.Service.Port = "gatewayapi:v1", 80
		o.Canary.Spec.Service.RouteRefs = []v1beta1.OwnRoute{{Kind: "HTTPRoute", Name: "web"}}
		o.Canary.Status.Objects = []v1beta1.MadeObject{{Kind: "Service", Name: "podinfo-canary"}, {Group: "gateway.networking.k8s.io", Kind: "HTTPRoute", Name: "podinfo"}}
		o.Canary.Status.StepUntil, o.Canary.Status.PlanHash = new(ago(-time.Minute)), ""
	})
	golden(t, filepath.Join("testdata", "steps.golden"), indented(t, DetailOf(o.Canary, noon))+"\n")
}

func TestClean(t *testing.T) {
	for name, tc := range map[string]struct{ reason, text, want string }{
		"Plain":   {reason: "it stays as it is", text: "success 99 → 98 %", want: "success 99 → 98 %"},
		"Lines":   {reason: "all is on one line", text: " a\n\tb ", want: "a  b"},
		"Escape":  {reason: "terminals obey nothing of it", text: "a\x1b[31mb\u009bc", want: "a[31mbc"},
		"Hidden":  {reason: "order and width are as they seem", text: "a\u202eb\u200bc\ufeff", want: "abc"},
		"Invalid": {reason: "it is UTF-8", text: "a\xff\xfeb", want: "a?b"},
		"Long":    {reason: "it is bounded", text: strings.Repeat("ä", 21), want: strings.Repeat("ä", 19) + "…"},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, clean(tc.text, 20), tc.reason) })
	}
}

// A terminal is never given more lines than it has, nor longer ones.
func TestFits(t *testing.T) {
	o := paused()
	o.resize("podinfo-primary-db976bc44", 0)
	o.replicas(o.Deployments[1], "2", "podinfo-primary-many", time.Hour, 20)
	v := Of(o)
	for height := 2; height < 40; height++ {
		style := Style{Now: noon, Width: 50, Height: height, Color: true}
		lines := style.Lines(v)
		require.LessOrEqual(t, len(lines), height)
		style.Color = false
		for _, l := range style.Lines(v) {
			require.LessOrEqual(t, utf8.RuneCountInString(l), 50)
		}
	}
	whole := Style{Now: noon, Height: 16}.Lines(v)
	require.NotContains(t, strings.Join(whole, "\n"), "more lines", "pods that are healthy are told by their number first")
	require.Contains(t, strings.Join(whole, "\n"), "pods:20/20")
}

// The number of steps is that of the plan that the status follows, whatever the provider can do.
func TestLength(t *testing.T) {
	o := paused()
	require.Equal(t, Step{Number: 3, Of: 6}, Of(o).Step)
	plan, err := rollout.Compile(o.Canary.Spec, 0)
	require.NoError(t, err)
	o.Canary.Status.PlanHash = plan.Hash
	require.Equal(t, plan.Length(), Of(o).Step.Of, "Services move all requests at once")
	o.Canary.Status.PlanHash = "of another version"
	require.Equal(t, "3/?", Of(o).Step.String())
}

func TestUpgrade(t *testing.T) {
	for name, tc := range map[string]struct{ reason, from, images, want string }{
		"Tag":     {reason: "the name is said once", from: "podinfo:1", images: "podinfo:2", want: "podinfo 1 → 2"},
		"Same":    {reason: "an environment variable changed", from: "podinfo:1", images: "podinfo:1", want: "podinfo:1"},
		"One":     {reason: "what stays is left out", from: "a:1, b:1", images: "a:1, b:2", want: "b 1 → 2"},
		"Other":   {reason: "it is another program", from: "a:1", images: "b:1", want: "a:1 → b:1"},
		"More":    {reason: "a container is new", from: "a:1", images: "a:1, b:1", want: "a:1 → a:1, b:1"},
		"Unknown": {reason: "it is not known yet", from: "a:1", images: "", want: "a:1 → ?"},
		"First":   {reason: "nothing was there before", from: "", images: "a:1", want: "a:1"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, (&Run{From: tc.from, Images: tc.images}).Upgrade(), tc.reason)
		})
	}
}

// A run is shown with its template, and the place of that in the target's history.
func TestTemplateOfARun(t *testing.T) {
	v := Of(paused(func(o *Objects) {
		s := &o.Canary.Status
		s.Run.Template, s.Run.TargetRevision = "r1-77777777", "9"
		s.History[0].Template = "r1-66666666"
	}))
	require.Contains(t, Style{Now: noon}.RunLines(v, 17), "Template:   r1-77777777 (revision 9 of the target)")
	require.Contains(t, Style{Now: noon}.RunLines(v, 16), "Template:   r1-66666666")
}
