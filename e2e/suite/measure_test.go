package suite

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// testMeasurements prints figures of one Canary, one after the other while nothing else goes on. They depend on
// the machine, so that none is judged.
func testMeasurements(t *testing.T, w *world) {
	alone(t, w)
	s := stage(t, w, "measured")
	var err error
	workloads, err := walk.Follow(t.Context(), w.client, &appsv1.DeploymentList{}, client.InNamespace(s.namespace))
	require.NoError(t, err)
	p := &pace{scene: s, workloads: workloads}
	p.initialisation()
	p.steps()
	p.rollback()
	p.idle()
	p.start()
}

// alone waits until nothing is left of the scenarios before: their Canaries' going makes requests as well.
func alone(t *testing.T, w *world) {
	t.Helper()
	require.Eventually(t, func() bool {
		names, err := w.Quiet(t.Context(), "get", "namespaces", "-o", "name")
		return err == nil && !strings.Contains(names, "namespace/e2e-")
	}, 3*patience, 500*time.Millisecond, "namespaces are still there")
}

// pace is what it takes to measure how fast a Canary is.
type pace struct {
	*scene
	workloads *walk.Journal
}

// tell prints a figure so that it is found among everything else.
func (p *pace) tell(format string, args ...any) {
	p.t.Helper()
	p.t.Log("MEASURED " + fmt.Sprintf(format, args...))
}

func (p *pace) initialisation() {
	since := time.Now()
	p.begin(`
  analysis: {interval: 10s, threshold: 1, stepWeight: 10, maxWeight: 50}
`)
	total := p.reach("Initialized", since).At.Sub(since)
	pods := p.starting("podinfo-primary", since)
	p.tell("Canary applied to Initialized: %.1f s, of which the primary's pod took %.1f s: %.1f s without it",
		total.Seconds(), pods.Seconds(), (total - pods).Seconds())
}

// steps measures a rollout of five steps without metrics.
func (p *pace) steps() {
	p.settled()
	since := p.release("3.1.1")
	p.reach("Progressing 20", since)
	first := p.read()
	p.reach("Progressing 50", since)
	p.tell("requests per weight step: %s", p.read().since(first, 3))
	total := p.reach("Succeeded", since).At.Sub(since)
	canary, primary := p.starting("podinfo", since), p.starting("podinfo-primary", since)
	p.tell("five steps of 10 s, set image to Succeeded: %.1f s, of which pods took %.1f s and %.1f s: %.1f s without them",
		total.Seconds(), canary.Seconds(), primary.Seconds(), (total - canary - primary).Seconds())
}

// starting is how long a Deployment's pods took, from when it was first written after a moment until it served.
func (p *pace) starting(name string, since time.Time) time.Duration {
	p.t.Helper()
	var began, served time.Time
	err := p.workloads.Wait(within(p.t, patience), func(entries []walk.Entry) bool {
		began, served = time.Time{}, time.Time{}
		for _, e := range entries {
			d, ok := e.Object.(*appsv1.Deployment)
			if !ok || d.Name != name || e.At.Before(since) || served.After(began) {
				continue
			}
			switch whole := complete(d); {
			case began.IsZero() && !whole && *d.Spec.Replicas > 0:
				began = e.At
			case !began.IsZero() && whole:
				served = e.At
			}
		}
		return !served.IsZero()
	})
	require.NoError(p.t, err)
	return served.Sub(began)
}

// complete says that all pods asked for run the present template and serve, and no others are left.
func complete(d *appsv1.Deployment) bool {
	want := *d.Spec.Replicas
	return d.Status.ObservedGeneration == d.Generation && want > 0 && d.Status.UpdatedReplicas == want &&
		d.Status.AvailableReplicas == want && d.Status.Replicas == want
}

// rollback measures how long users still meet a canary after its last check.
func (p *pace) rollback() {
	journal := ownRoute{kind: virtualService()}.watched(p.scene)
	p.settled()
	p.refuse()
	users := p.users()
	since := p.release("3.1.2")
	failed := p.reach("Failed", since)
	decided, err := time.Parse(time.RFC3339Nano, p.status("since").(string))
	require.NoError(p.t, err)
	back := restored(p.scene, journal, decided)
	p.tell("last failing check to routes at 100/0: %.3f s (its status was seen after %.3f s)", back.Sub(decided).Seconds(), failed.At.Sub(decided).Seconds())
	p.only(users, "3.1.1", back.Add(slowly))
	p.tell("requests that the canary still answered after its last check: %d", users.Since(decided).ByVersion["3.1.2"])
	users.Stop()
}

// idle measures what a Canary at rest costs.
func (p *pace) idle() {
	const rest = time.Minute
	p.kubectl("wait", "deployment/podinfo", "-n", p.namespace, "--for=jsonpath={.spec.replicas}=0", "--timeout=120s")
	p.pass(5 * time.Second)
	before := p.read()
	p.pass(rest)
	after := p.read()
	p.tell("requests of an idle operator in %s, lease renewals aside: %s", rest, after.since(before, 1))
	p.tell("resident memory of the operator: %.1f MiB", after.value("process_resident_memory_bytes")/(1<<20))
}

// pass lets time go by, which is what is measured here.
func (p *pace) pass(d time.Duration) {
	<-within(p.t, d).Done()
	require.NoError(p.t, p.t.Context().Err())
}

// start measures from the operator's start until it is ready.
func (p *pace) start() {
	before := p.read().value("process_start_time_seconds")
	p.kill()
	var took time.Duration
	require.Eventually(p.t, func() bool {
		ctx, stop := context.WithTimeout(p.t.Context(), time.Second)
		defer stop()
		if _, err := p.operatorSays(ctx, "readyz"); err != nil {
			return false
		}
		ready := time.Now()
		now, err := p.meter(ctx)
		if err != nil || now.value("process_start_time_seconds") == before {
			return false
		}
		began := now.value("process_start_time_seconds")
		took = ready.Sub(time.UnixMicro(int64(began * 1e6)))
		return true
	}, patience, 20*time.Millisecond)
	p.tell("start of the operator to ready: %.2f s", took.Seconds())
	p.kubectl("rollout", "status", "deployment/sluice", "-n", "istio-system", "--timeout=120s")
}

func (p *pace) read() reading {
	p.t.Helper()
	now, err := p.meter(p.t.Context())
	require.NoError(p.t, err)
	return now
}
