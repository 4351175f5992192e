package bench

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// rollout is what was seen of all rollouts.
type rollout struct {
	first, last   time.Time // trigger
	done          time.Time
	before, after map[string]Usage
	all           []Request // about the fleet, by anybody
	own           []Request // by the operator
}

// rollouts changes the image of all Deployments at once.
func (b *Bench) rollouts(ctx context.Context) error {
	b.say("%d rollouts at once", b.N)
	b.moments = &Moments{}
	if err := b.moments.follow(ctx, b.client); err != nil {
		return err
	}
	r, err := b.rollOut(ctx)
	if err != nil {
		return err
	}
	b.reportRollouts(r)
	if b.Trace {
		b.report.trace(trace(r.all, r.first))
	}
	return nil
}

func (b *Bench) rollOut(ctx context.Context) (r rollout, err error) {
	if r.before, err = b.usages(); err != nil {
		return r, err
	}
	r.first = time.Now()
	if err := b.fleet.release(ctx, "bench/app:2"); err != nil {
		return r, err
	}
	r.last = time.Now()
	if r.done, err = b.moments.all(ctx, v1beta1.PhaseSucceeded, b.N); err != nil {
		return r, err
	}
	b.say("all have succeeded")
	// What still comes belongs to the rollouts: targets are stopped last.
	if err := b.settled(ctx); err != nil {
		return r, err
	}
	if r.after, err = b.usages(); err != nil {
		return r, err
	}
	asked, err := b.log.between(r.first, time.Now())
	r.all = pick(asked, within(b.fleet.namespaces()), notLease)
	r.own = pick(asked, by(userSluice), notLease, func(q Request) bool { return q.Verb != "watch" })
	return r, err
}

// settle is how long the operator gives proxies to take their routes, by default.
const settle = 2 * time.Second

func (b *Bench) reportRollouts(r rollout) {
	took := r.done.Sub(r.last)
	// What nobody could do without: the intervals, the canary's pods and the primary's, and what proxies are given to take routes.
	least := steps*b.Interval + 2*b.plain + settle
	b.report.section("Rollouts of all at once", fmt.Sprintf("%d rollouts at once, %d steps of %s", b.N, steps, b.Interval))
	b.report.row("triggering all", seconds(r.last.Sub(r.first)), "", "the clock")
	b.report.row("last trigger to last Succeeded, pod start included", seconds(took), "", fromWatch)
	b.report.row("… of the intervals, two rolling updates and what routes take", fmt.Sprintf("%.2f", took.Seconds()/least.Seconds()), "≤ 1.08", fromWatch)
	b.report.row("delay of a step, the hundredth that is latest", seconds(b.moments.delay(b.Interval, 0.99)), "≤ 1 s", fromWatch)
	b.report.row("requests per rollout, all clients", per(len(r.all), b.N), "", fromAudit)
	b.report.row("requests per rollout, the operator", per(len(r.own), b.N), "≤ 32", fromAudit)
	b.report.row("operator: processor time per rollout", millis(r.took(operator), b.N), "≤ 30 ms", fromProc)
	b.report.row("resident memory, at most", mebibytes(r.after[operator].Peak), "", fromProc)
	b.report.way(b.moments, r.last)
	b.report.processors(r, b.N)
	b.report.counts("operator, requests per rollout", tally(r.own, Request.what), b.N)
	b.report.counts("clients, requests per rollout", tally(r.all, func(q Request) string { return q.Client }), b.N)
	b.report.counts("all clients, requests per rollout", tally(r.all, func(q Request) string { return q.Client + ": " + q.what() }), b.N)
}

// usages are what the operator and all that it runs on have taken so far.
func (b *Bench) usages() (map[string]Usage, error) {
	taken, err := b.plane.usage()
	if err != nil {
		return nil, err
	}
	taken[operator], err = b.operator.usage()
	return taken, err
}

// took is the processor time of one program.
func (r rollout) took(name string) time.Duration { return r.after[name].CPU - r.before[name].CPU }

// trace are the requests about the first Canary of the fleet, with the time since
// it was triggered.
func trace(all []Request, since time.Time) []string {
	first := key(0)
	var lines []string
	for _, r := range all {
		if r.Namespace == first.Namespace && (r.Name == "" || strings.HasPrefix(r.Name, first.Name)) {
			lines = append(lines, fmt.Sprintf("%9.3f  %-28s %-7s %-40s %-45s %d",
				r.At.Sub(since).Seconds(), r.Client, r.Verb, r.Resource, r.Name, r.Code))
		}
	}
	return lines
}
