// Package analysis answers the questions of a rollout: it calls webhooks and asks for metrics.
//
//	Hooks ──┬── all agreed ─▶ Opening        told, and their answers ignored
//	Metrics ┴─▶ one Finding each, in the order they were asked
//
// A metric goes this way:
//
//	source     built in, query or template → whom to ask, and what       source.go, library.go
//	evaluate   one value: range, then conditions in CEL                  measure.go, thresholds.go, condition.go
//	compare    two workloads: counts or values, then a test of them      compare.go, sample.go, proportion.go, ranksum.go
//	outcome    verdict, or what a missing value means; the measurement   outcome.go
//
// All of one round run at the same time, each within its own timeout, so that a round takes as long
// as its slowest check. Nothing is remembered between rounds but connections and compiled conditions. What a failed
// check is told as is text that alerts and scripts look for; it is written in one place for hooks (hook.go) and in
// one for metrics (thresholds.go). Nothing that is told holds a secret (pkg/outbound).
package analysis

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// Analyst answers questions. Make one with New; it may be used by any number of rollouts at once.
type Analyst struct {
	// MetricsServer is asked for Canaries that name none: `http://prometheus:9090`.
	MetricsServer string
	// Provider of Canaries that name none; it decides which series the built-in metrics read.
	Provider string
	// Observe is told of every number that was measured, if it is set; by several at the same time. The built-in
	// duration is in seconds, all else in the unit of the metric.
	Observe func(c *v1beta1.Canary, metric string, value float64)
	// Failed is told of every query that a monitoring system did not answer, by the system's type, if it is set.
	Failed func(system string)
	// Library reads templates and Secrets. Without one, metrics and hooks that refer to any fail.
	Library Library
	// Cluster is the Kubernetes API, for metrics that are measured through it. Without it they fail.
	Cluster metric.Cluster

	pool  *metric.Pool
	hooks *caller
	now   func() time.Time
}

// New makes an Analyst. The parameters are the operator's defaults, see the fields of the same names.
func New(metricsServer, provider string) *Analyst {
	return &Analyst{MetricsServer: metricsServer, Provider: provider, pool: metric.NewPool(), hooks: newCaller(), now: time.Now}
}

// Answer finds one answer to each question, in the order Hooks, Metrics. Once ctx is done its answers say
// that they were broken off: they must not be judged by then.
func (a *Analyst) Answer(ctx context.Context, c *v1beta1.Canary, q rollout.Questions) rollout.Findings {
	// One for all metrics, and thrown away after: the next round reads templates and Secrets as they are then.
	shared := newRound()
	found := make(rollout.Findings, len(q.Hooks)+len(q.Metrics))
	// Each writes to a place of its own, so that no lock is needed and the order is that of the questions.
	hooked, measured := found[:len(q.Hooks)], found[len(q.Hooks):]
	var asking, measuring sync.WaitGroup
	for i, h := range q.Hooks {
		asking.Go(func() { hooked[i] = a.hook(ctx, c, h) })
	}
	for i, m := range q.Metrics {
		measuring.Go(func() { measured[i] = a.measure(ctx, shared, c, m) })
	}
	asking.Wait()
	// After the hooks only: a canary that failed its test gets no load. Metrics are not waited for.
	if agreed(hooked) {
		a.tell(ctx, c, q.Opening)
	}
	measuring.Wait()
	if q.Systems {
		found = append(found, a.systems(ctx, c))
	}
	return found
}

// tell calls hooks whose answers do not count: a load test that does not start fails the check that
// follows, with a better message.
// It waits for all of them all the same, each within its timeout: a call that outlives its round could not be ended.
func (a *Analyst) tell(ctx context.Context, c *v1beta1.Canary, hooks []v1beta1.CanaryWebhook) {
	log := logr.FromContextOrDiscard(ctx)
	var all sync.WaitGroup
	for _, h := range hooks {
		all.Go(func() {
			if err := a.ask(ctx, c, h); err != nil {
				// Not an event: nobody has to do anything yet.
				log.V(1).Info("hook told of the first step did not agree", "hook", h.Name, "reason", err.Error())
			}
		})
	}
	all.Wait()
}

// panicked is the error of a check that panicked, for its deferred function: what servers answer and users write may be
// anything, and must not end the process.
func panicked(ctx context.Context, why any) error {
	if why == nil {
		return nil
	}
	err := fmt.Errorf("panic: %v", why)
	logr.FromContextOrDiscard(ctx).Error(err, "check panicked", "stack", string(debug.Stack()))
	return err
}

// agreed says that nothing keeps the first step from being taken: a rollback hook that agrees does.
func agreed(f rollout.Findings) bool {
	for _, one := range f {
		if (one.Verdict == v1beta1.Passed) == (one.Moment == v1beta1.RollbackHook) {
			return false
		}
	}
	return true
}
