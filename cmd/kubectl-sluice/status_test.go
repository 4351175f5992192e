package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// Where a rollout is decides how a pipeline goes on.
func TestStatusVerdicts(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	invalid := func(c *v1beta1.Canary) {
		running(c)
		c.Status.Conditions = []metav1.Condition{{Type: v1beta1.ConditionValid, Status: metav1.ConditionFalse, Reason: "Invalid", Message: "spec.analysis.maxWeight: is 101", LastTransitionTime: metav1.Now()}}
	}
	timed := func(c *v1beta1.Canary) { c.Status.StepUntil = new(metav1.NewTime(time.Now().Add(time.Hour))) }
	for name, tc := range map[string]struct {
		reason string
		change func(*v1beta1.Canary)
		args   string
		code   int
		says   string
	}{
		"promoted": {reason: "it is over", change: succeeded, says: "promoted run 2: Promoted"},
		"failed":   {reason: "it is over", change: rolledBack, code: 1, says: "failed run 2: RolledBack: request-success-rate 97 < 99"},
		"aborted": {reason: "somebody did it", change: func(c *v1beta1.Canary) {
			rolledBack(c)
			c.Status.History[0].Outcome, c.Status.History[0].By = v1beta1.RunAborted, "anna"
		}, code: 1, says: "aborted run 2: Aborted by anna"},
		"unkept":        {reason: "no history is kept", change: func(c *v1beta1.Canary) { rolledBack(c); c.Status.History = nil }, code: 1, says: "unkept run 2: RolledBack"},
		"paused":        {reason: "a person is waited for", change: func(*v1beta1.Canary) {}, code: 4, says: "StepPaused: waits for promote"},
		"wanted":        {reason: "that is what was waited for", change: func(*v1beta1.Canary) {}, args: "--until paused", says: "wanted is paused: StepPaused"},
		"stepped":       {reason: "it is there", change: running, args: "--until step=2", says: "stepped has come to step 2/3"},
		"step-paused":   {reason: "it is there, and paused", change: func(*v1beta1.Canary) {}, args: "--until step=2", says: "has come to step"},
		"before":        {reason: "it does not get there by itself", change: func(*v1beta1.Canary) {}, args: "--until step=3", code: 4, says: "StepPaused"},
		"running":       {reason: "the time is over", change: running, args: "-t 1s", code: 3, says: "1s are over"},
		"timed":         {reason: "a pause that ends by itself waits for nobody", change: timed, args: "-t 1s", code: 3, says: "1s are over"},
		"looked":        {reason: "nobody wants to wait", change: running, args: "-w=false", says: "Progressing 30% step 2/3"},
		"looked-failed": {reason: "nobody wants to wait", change: rolledBack, args: "-w=false", code: 1, says: "RolledBack"},
		"first":         {reason: "there was nothing to roll out", change: func(c *v1beta1.Canary) { c.Status = v1beta1.CanaryStatus{Phase: v1beta1.PhaseInitialized} }, says: "first is promoted"},
		"older":         {reason: "a run before", change: rolledBack, args: "--run 1", says: "run 1: Promoted by ben"},
		"future":        {reason: "there is none of this number yet", change: succeeded, args: "--run 3 -t 1s", code: 3, says: "waits for run 3"},
		"forgotten":     {reason: "there is none of this number any more", change: func(c *v1beta1.Canary) { c.Status.History = nil; running(c) }, args: "--run 1", code: 1, says: "no such run any more"},
		"invalid":       {reason: "nothing gets on", change: invalid, code: 1, says: "cannot be followed: spec.analysis.maxWeight: is 101"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.canary(name, tc.change)
			code, stdout, stderr := s.called(append([]string{"status", name}, strings.Fields(tc.args)...)...)
			require.Equal(t, tc.code, code, "%s\n%s%s", tc.reason, stdout, stderr)
			require.Contains(t, stdout+stderr, tc.says)
		})
	}
}

// A rollout is followed to its end, whatever comes in between.
func TestStatusFollows(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.canary("podinfo", running)
	c := s.start("status", "podinfo")
	c.await("Progressing 30% step 2/3 StepRunning\n")
	s.edit("podinfo", func(st *v1beta1.CanaryStatus) { st.Step, st.CanaryWeight = 3, 60 })
	c.await("Progressing 60% step 3/3 StepRunning\n")
	s.edit("podinfo", func(st *v1beta1.CanaryStatus) { st.Phase = v1beta1.PhasePromoting })
	c.await("Promoting")
	s.edit("podinfo", func(st *v1beta1.CanaryStatus) {
		full := &v1beta1.Canary{Status: *st}
		succeeded(full)
		*st = full.Status
	})
	code, stderr := c.end()
	require.Zero(t, code, stderr)
	require.True(t, strings.HasSuffix(c.said(), "podinfo run 2: Promoted\n"), c.said())
}

// A newer revision is not the rollout that was waited for.
func TestStatusSuperseded(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.canary("podinfo", running)
	c := s.start("status", "podinfo")
	c.await("step 2/3")
	s.edit("podinfo", func(st *v1beta1.CanaryStatus) {
		full := &v1beta1.Canary{Status: *st}
		end(full, v1beta1.RunSuperseded, "by r1-three")
		*st = full.Status
		st.LastAppliedSpec, st.Run = "r1-three", &v1beta1.Run{Number: 3, Revision: "r1-three", Started: metav1.Now()}
	})
	code, stderr := c.end()
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "podinfo run 2: Superseded: by r1-three")
}

// A pipeline waits for the image that it has pushed: first for the target to have it, then for the operator to see it.
func TestStatusImage(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	kubetest.Deployments(t, s.ns)
	s.deployment("podinfo", "example.com/podinfo:2", 1, nil)
	s.canary("podinfo", succeeded)
	code, out, stderr := s.called("status", "podinfo", "--image", "podinfod=example.com/podinfo:2")
	require.Zero(t, code, "it is rolled out already: %s%s", out, stderr)
	code, _, stderr = s.called("status", "podinfo", "--image", "other=example.com/podinfo:2")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, `deployment.apps/podinfo has no container "other"`)
	code, out, _ = s.called("status", "podinfo", "--image", "podinfod=example.com/podinfo:3", "-w=false")
	require.Zero(t, code)
	require.Contains(t, out, "waits for deployment.apps/podinfo to have podinfod=example.com/podinfo:3, it has example.com/podinfo:2")
	c := s.start("status", "podinfo", "--image", "podinfod=example.com/podinfo:3")
	c.await("to have podinfod=example.com/podinfo:3")
	code, out, stderr = s.called("set", "image", "podinfo", "podinfod=example.com/podinfo:3")
	require.Zero(t, code, stderr)
	require.Equal(t, "deployment.apps/podinfo image updated\n", out)
	c.await("waits for the operator to see podinfod=example.com/podinfo:3")
	s.edit("podinfo", func(st *v1beta1.CanaryStatus) {
		st.Phase, st.WaitingFor, st.Step, st.CanaryWeight, st.LastAppliedSpec = v1beta1.PhaseProgressing, string(rollout.WaitInterval), 1, 10, "r1-three"
		st.Run = &v1beta1.Run{Number: 3, Revision: "r1-three", Images: "podinfo:3", Started: metav1.Now()}
	})
	c.await("Progressing 10% step 1/3")
	s.edit("podinfo", func(st *v1beta1.CanaryStatus) {
		full := &v1beta1.Canary{Status: *st}
		rolledBack(full)
		*st = full.Status
	})
	code, stderr = c.end()
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "podinfo run 3: RolledBack")
}
