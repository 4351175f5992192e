package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// The tree has the ReplicaSets and Pods of both sides.
func TestGet(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	kubetest.Deployments(t, s.ns)
	s.deployment("podinfo", "podinfo:2", 1, nil)
	s.deployment("podinfo-primary", "podinfo:1", 2, map[string]string{workload.RevisionAnnotation: "r1-one"})
	s.canary("podinfo", func(c *v1beta1.Canary) { c.Status.LastFailure = "a\x1b[2Jb\u009b" })
	code, out, stderr := s.called("get", "podinfo")
	require.Zero(t, code, stderr)
	containsAll(t, out, "Status:", "॥ Paused", "StepPaused: waits for promote since 10m", "podinfo 1 → 2", "Step: 2/3", "Weight: 30", "├──# run:2", "└──# run:1")
	require.Regexp(t, `⧉ podinfo-[0-9a-f]+ +ReplicaSet +✔ Healthy .* canary,weight:30`, out)
	require.Regexp(t, `⧉ podinfo-primary-[0-9a-f]+ +ReplicaSet +✔ Healthy .* primary,weight:70`, out)
	require.Len(t, regexp.MustCompile(`(?m)□ podinfo\S+ +Pod +✔ Running .* ready:1/1$`).FindAllString(out, -1), 3)
	_, out, _ = s.called("get", "canary/podinfo", "--ascii", "--color", "always")
	require.Contains(t, out, "\x1b[33m= Paused\x1b[0m")
	require.NotRegexp(t, `[^\x00-\x7f]`, out)
	for format, want := range map[string]string{
		"name": "canary.flagger.app/podinfo\n", "jsonpath={.status.phase} {.status.canaryWeight}": "Progressing 30", "jsonpath={.status.lastFailure}": "a[2Jb", "json": `"kind": "Canary"`, "yaml": "kind: Canary\n",
	} {
		code, out, stderr := s.called("get", "podinfo", "-o", format)
		require.Zero(t, code, stderr)
		require.Contains(t, out, want, format)
		require.NotContains(t, out, "managedFields")
	}
}

func TestGetErrors(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.canary("podinfo")
	for name, tc := range map[string]struct {
		reason string
		args   string
		code   int
		stderr string
	}{
		"NotFound":   {reason: "there is no such Canary", args: "get other", code: 1, stderr: `error: canaries.flagger.app "other" not found`},
		"NoName":     {reason: "nobody is meant", args: "get", code: 2, stderr: "accepts 1 arg"},
		"Format":     {reason: "there is no such format", args: "get podinfo -o table", code: 2, stderr: "json, yaml, name"},
		"Template":   {reason: "it cannot be read", args: "get podinfo -o jsonpath={.status", code: 2, stderr: "jsonpath"},
		"WatchJSON":  {reason: "what is drawn is for people", args: "get podinfo -w -o json", code: 2, stderr: "--watch and -o"},
		"Color":      {reason: "there is no such word", args: "get podinfo --color blue", code: 2, stderr: "auto, always, never"},
		"Context":    {reason: "the kubeconfig has none of this name", args: "get podinfo --context other", code: 2, stderr: `"other"`},
		"NoServer":   {reason: "nobody listens there", args: "get podinfo --server https://127.0.0.1:1", code: 1, stderr: "refused"},
		"Labels":     {reason: "they cannot be read", args: "list -l a=b=c", code: 2, stderr: "-l a=b=c"},
		"NoOne":      {reason: "names or labels", args: "promote", code: 2, stderr: "name Canaries"},
		"Both":       {reason: "names or labels", args: "promote podinfo -l a=b", code: 2, stderr: "name Canaries"},
		"NoneHave":   {reason: "a slip of the pen promotes nothing", args: "promote -l team=nobody", code: 1, stderr: "no Canary in namespace " + s.ns},
		"Until":      {reason: "there is no such state", args: "status podinfo --until done", code: 2, stderr: "promoted, paused, step=N"},
		"UntilStep":  {reason: "steps are counted from one", args: "status podinfo --until step=0", code: 2, stderr: "step=0"},
		"Image":      {reason: "it is no pair", args: "set image podinfo nginx", code: 2, stderr: "CONTAINER=IMAGE"},
		"Terminate":  {reason: "Argo's verb has no meaning here", args: "terminate analysisrun x", code: 2, stderr: "abort ends a rollout"},
		"Restart":    {reason: "Argo's verb has no meaning here", args: "restart podinfo", code: 2, stderr: "kubectl rollout restart"},
		"SkipAndAll": {reason: "they contradict each other", args: "promote podinfo --full --skip-step", code: 2, stderr: "--skip-step"},
		"Side":       {reason: "there are two", args: "logs podinfo --side left", code: 2, stderr: "canary, primary, both"},
		"Run":        {reason: "it is no number", args: "history podinfo last", code: 2, stderr: `"last" is no number`},
		"OneDiff":    {reason: "two are compared", args: "history podinfo --diff 1", code: 2, stderr: "two runs"},
		"Shell":      {reason: "there is no such shell", args: "completion ash", code: 2, stderr: "bash, zsh"},
	} {
		t.Run(name, func(t *testing.T) {
			args := strings.Fields(tc.args)
			if args[0] != "terminate" && args[0] != "restart" && args[0] != "completion" {
				args = s.in(args)
			}
			code, stdout, stderr := called("", args...)
			require.Equal(t, tc.code, code, "%s\n%s%s", tc.reason, stdout, stderr)
			require.Contains(t, stderr, tc.stderr)
		})
	}
}

// Without a terminal there is a line for each transition, until the time is over.
func TestGetWatch(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.canary("podinfo")
	c := s.start("get", "podinfo", "-w")
	c.await("Progressing 30% step 2/3 StepPaused: waits for promote\n")
	s.edit("podinfo", func(st *v1beta1.CanaryStatus) { st.FailedChecks = 1 }) // nothing that the line tells
	s.edit("podinfo", func(st *v1beta1.CanaryStatus) { st.Step, st.CanaryWeight, st.WaitingFor = 3, 60, "" })
	c.await("Progressing 60% step 3/3\n")
	s.edit("podinfo", func(st *v1beta1.CanaryStatus) { st.Phase, st.CanaryWeight = v1beta1.PhaseSucceeded, 0 })
	c.await("Succeeded\n")
	require.NoError(t, s.Delete(t.Context(), s.live("podinfo")))
	code, stderr := c.end()
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "canary.flagger.app/podinfo: it was deleted")
	require.Len(t, strings.Split(strings.TrimSpace(c.said()), "\n"), 3)
	s.canary("podinfo")
	code, out, stderr := s.called("get", "podinfo", "-w", "--timeout", "1s")
	require.Equal(t, 3, code)
	require.Contains(t, out, "StepPaused")
	require.Contains(t, stderr, "error: 1s are over")
}

func TestList(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.canary("b-paused")
	s.canary("a-done", func(c *v1beta1.Canary) {
		c.Labels = nil
		c.Status = v1beta1.CanaryStatus{Phase: v1beta1.PhaseInitialized, LastAppliedSpec: "r1-one", LastPromotedSpec: "r1-one"}
	})
	code, out, stderr := s.called("list")
	require.Zero(t, code, stderr)
	rows := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, rows, 3)
	require.Equal(t, strings.Fields("NAME PHASE STEP WEIGHT RUN CHECKS WAITING-FOR AGE"), strings.Fields(rows[0]))
	require.Regexp(t, `^a-done +Initialized +- +0 +- +- +- +\d+s$`, rows[1])
	require.Regexp(t, `^b-paused +Progressing +2/3 +30 +2 +0/5 +StepPaused +\d+s$`, rows[2])
	for args, want := range map[string]string{"--waiting": "b-paused", "-l team=web": "b-paused", "-l team!=web": "a-done", "-A -l team=web": s.ns + " "} {
		_, out, stderr := s.called(append([]string{"list"}, strings.Fields(args)...)...)
		require.Contains(t, out, want, "%s %s", args, stderr)
		if args != "-A -l team=web" {
			require.Len(t, strings.Split(strings.TrimSpace(out), "\n"), 2, args)
		}
	}
	_, out, _ = s.called("list", "-o", "name")
	require.Equal(t, "canary.flagger.app/a-done\ncanary.flagger.app/b-paused\n", out)
	_, out, stderr = s.called("list", "-l", "team=nobody")
	require.Empty(t, out)
	require.Equal(t, "No Canaries found.\n", stderr)
	c := s.start("list", "-w", "--waiting")
	c.await(s.ns + "/b-paused ")
	s.edit("a-done", func(st *v1beta1.CanaryStatus) {
		st.Phase, st.WaitingFor = v1beta1.PhaseWaiting, string(rollout.WaitRolloutApproval)
	})
	c.await("RolloutApproval: waits for its gate")
	c.stop()
}

// A thousand Canaries come in pages.
func TestListMany(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	template := s.canary("first")
	var all sync.WaitGroup
	turns := make(chan struct{}, 20)
	for i := range 2 * pageSize {
		all.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			c := &v1beta1.Canary{Spec: template.Spec}
			c.Namespace, c.Name = s.ns, fmt.Sprintf("many-%04d", i)
			if err := s.Create(t.Context(), c); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	began := time.Now()
	code, out, stderr := s.called("list")
	require.Zero(t, code, stderr)
	t.Logf("listed in %s", time.Since(began))
	require.Len(t, strings.Split(strings.TrimSpace(out), "\n"), 2*pageSize+2)
	require.NoError(t, s.DeleteAllOf(t.Context(), &v1beta1.Canary{}, client.InNamespace(s.ns)))
}

// What is drawn overwrites what was drawn before, line by line, and nothing else.
func TestScreen(t *testing.T) {
	var out bytes.Buffer
	sc := &screen{out: &out}
	sc.draw([]string{"one", "two"})
	sc.draw([]string{"three"})
	require.Equal(t, "\rone\x1b[K\n\rtwo\x1b[K\n\x1b[J\x1b[2A\rthree\x1b[K\n\x1b[J", out.String())
}
