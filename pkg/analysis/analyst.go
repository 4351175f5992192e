// Package analysis answers the questions of a rollout: it calls webhooks and asks for metrics. A Pool has an Analyst
// answer them beside the passes, and keeps what was found (pool.go).
//
// A metric goes this way:
//
//	source     built in, query or template → whom to ask, and what       source.go, library.go
//	evaluate   one value: range, then conditions in CEL                  measure.go, thresholds.go, condition.go
//	compare    two workloads: counts of a window, which the rollout      compare.go, sample.go
//	           adds to its evidence; or values, and a test of them       ranksum.go
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
	"time"

	"github.com/go-logr/logr"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric"
	"github.com/sluice-cd/sluice/pkg/outbound"
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
	// Local says that metrics read no objects of other namespaces than the Canary's.
	Local bool
	// RestrictJobs refuses Jobs that contradict the Pod Security Standard restricted.
	RestrictJobs bool
	// Identity says that the operator's own credentials may be used where a template of a vendor's has none.
	Identity bool
	// Cluster is the Kubernetes API, for metrics that are measured through it. Without it they fail.
	Cluster metric.Cluster

	pool  *metric.Pool
	hooks *caller
	own   []string // addresses of hooks that the operator's flags name
	now   func() time.Time
	at    time.Time // that single values are asked about; zero: now, by the system's clock
}

// New makes an Analyst. The parameters are the operator's defaults, see the fields of the same names.
func New(metricsServer, provider string) *Analyst {
	return &Analyst{MetricsServer: metricsServer, Provider: provider, pool: metric.NewPool(nil), hooks: newCaller(nil), now: time.Now}
}

// Restrict has what Canaries and templates name dialled at those addresses only. It comes before the first question.
// The addresses that are the operator's own, by its flags, may be anywhere.
func (a *Analyst) Restrict(to *outbound.Addresses, own ...string) {
	a.pool, a.own = metric.NewPool(to), own
	waits := *a.hooks
	a.hooks = newCaller(to)
	a.hooks.minWait, a.hooks.maxWait = waits.minWait, waits.maxWait
}

// Round is who answers the questions of one round of a Canary, several at the same time.
func (a *Analyst) Round(c *v1beta1.Canary) Answer {
	// One for all metrics, and thrown away after: the next round reads templates and Secrets as they are then.
	shared := newRound()
	return func(ctx context.Context, q rollout.Question) rollout.Finding {
		switch {
		case q.Hook != nil:
			return a.hook(ctx, c, *q.Hook)
		case q.Metric != nil:
			return a.measure(ctx, shared, c, q)
		}
		return a.systems(ctx, c)
	}
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
