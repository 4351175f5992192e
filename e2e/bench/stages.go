package bench

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// The sources of what is measured.
const (
	fromWatch = "a watch of Canaries"
	fromAudit = "the API server's audit log"
	fromProc  = "/proc of the operator"
	fromReady = "/readyz, asked every 5 ms"
	// What comes with time alone, whatever the operator does.
	fromRenewal = "the API server's audit log, by chance"
)

// rollingUpdate has Kubernetes alone replace the pods of all Deployments, which a rollout does twice.
func (b *Bench) rollingUpdate(ctx context.Context) error {
	b.say("a rolling update of all Deployments, without an operator")
	if err := b.fleet.release(ctx, "bench/app:0"); err != nil {
		return err
	}
	began := time.Now()
	if err := wait.PollUntilContextTimeout(ctx, 250*time.Millisecond, patienceFor(b.N), true, b.fleet.updated); err != nil {
		return fmt.Errorf("a rolling update without an operator: %w", err)
	}
	b.plain = time.Since(began)
	b.report.section("Without an operator", fmt.Sprintf("%d rolling updates at once, without an operator", b.N))
	b.report.row("a rolling update of all, last trigger to all pods replaced", seconds(b.plain), "", "the Deployments")
	return nil
}

// one starts the operator and gives it a single Canary.
func (b *Bench) one(ctx context.Context) error {
	b.say("the operator, and one Canary")
	took, err := b.operator.start(ctx, b.hurry()...)
	if err != nil {
		return err
	}
	b.moments = &Moments{}
	if err := b.moments.follow(ctx, b.client); err != nil {
		return err
	}
	began := time.Now()
	if err := b.fleet.guard(ctx, 0, 1); err != nil {
		return err
	}
	done, err := b.moments.all(ctx, v1beta1.PhaseInitialized, 1)
	if err != nil {
		return err
	}
	if err := b.settled(ctx); err != nil {
		return err
	}
	b.single, err = b.operator.usage()
	b.report.section("The first Canary", "one Canary")
	b.report.row("start to ready", seconds(took), "≤ 3 s", fromReady)
	b.report.row("applied to Initialized, pod start included", seconds(done.Sub(began)), "≤ 3 s without", fromWatch)
	b.report.row("resident memory", mebibytes(b.single.Resident), "≤ 50 MiB", fromProc)
	return err
}

// hurry lifts the limit of requests while Canaries are put to rest, which is not what is measured then.
func (b *Bench) hurry() []string {
	if !b.Settled {
		return nil
	}
	return []string{"-kubeconfig-qps=2000", "-kubeconfig-burst=4000"}
}

// rest gives it all the others at once.
func (b *Bench) rest(ctx context.Context) error {
	if b.N == 1 {
		return nil
	}
	b.say("%d Canaries more", b.N-1)
	before, err := b.operator.usage()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := b.fleet.guard(ctx, 1, b.N); err != nil {
		return err
	}
	done, err := b.moments.all(ctx, v1beta1.PhaseInitialized, b.N)
	if err != nil {
		return err
	}
	if err := b.settled(ctx); err != nil {
		return err
	}
	after, err := b.operator.usage()
	asked, failed := b.log.between(began, time.Now())
	if err != nil || failed != nil {
		return fmt.Errorf("after initialisation: %w, %w", err, failed)
	}
	asked = pick(asked, by(userSluice), notLease)
	b.report.section("All others at once", fmt.Sprintf("%d Canaries more, applied at once", b.N-1))
	b.report.row("first applied to last Initialized", seconds(done.Sub(began)), "", fromWatch)
	b.report.row("operator: requests per Canary", per(len(asked), b.N-1), "", fromAudit)
	b.report.row("operator: processor time per Canary", millis(after.CPU-before.CPU, b.N-1), "", fromProc)
	return nil
}

// idle lets a while pass in which there is nothing to do.
func (b *Bench) idle(ctx context.Context) error {
	b.say("nothing happens for %s", b.Idle)
	before, err := b.operator.usage()
	if err != nil {
		return err
	}
	began := time.Now()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(b.Idle):
	}
	after, err := b.operator.usage()
	if err != nil {
		return err
	}
	asked, err := b.log.between(began, time.Now())
	if err != nil {
		return err
	}
	asked = pick(asked, by(userSluice), notLease)
	// An informer's watch ends every five to ten minutes and is begun again.
	watches := pick(asked, func(r Request) bool { return r.Verb == "watch" })
	b.report.section("At rest", fmt.Sprintf("%d Canaries, nothing happens for %s", b.N, b.Idle))
	b.report.row("operator: requests, leases and renewed watches aside", fmt.Sprint(len(asked)-len(watches)), "0", fromAudit)
	b.report.row("operator: renewed watches", fmt.Sprint(len(watches)), "", fromRenewal)
	aMinute := time.Duration(float64(after.CPU-before.CPU) * float64(time.Minute) / float64(b.Idle))
	b.report.row("operator: processor time, a minute", millis(aMinute, 1), "≤ 50 ms with 1 000", fromProc)
	b.report.row("resident memory", mebibytes(after.Resident), "", fromProc)
	if b.N > 1 {
		each := (after.Resident - b.single.Resident) / int64(b.N-1)
		b.report.row("resident memory per Canary beyond the first", fmt.Sprintf("%.0f KiB", float64(each)/(1<<10)), "≤ 35 KiB", fromProc)
	}
	b.report.counts("operator, requests while idle", tally(asked, Request.what), 1)
	return nil
}

// restart replaces the operator while all are settled.
func (b *Bench) restart(ctx context.Context) error {
	b.say("another operator")
	b.operator.stop()
	began := time.Now()
	took, err := b.operator.start(ctx)
	if err != nil {
		return err
	}
	if err := b.settled(ctx); err != nil {
		return err
	}
	now, err := b.operator.usage()
	if err != nil {
		return err
	}
	asked, err := b.log.between(began, time.Now())
	if err != nil {
		return err
	}
	asked = pick(asked, by(userSluice), notLease)
	writes := pick(asked, Request.write)
	b.report.section("A restart", fmt.Sprintf("another operator starts, %d settled Canaries", b.N))
	b.report.row("start to ready", seconds(took), "≤ 3 s", fromReady)
	b.report.row("writes", fmt.Sprint(len(writes)), "0", fromAudit)
	b.report.row("reads, lists and watches of caches included", fmt.Sprint(len(asked)-len(writes)), "", fromAudit)
	b.report.row("processor time", millis(now.CPU, 1), "", fromProc)
	b.report.row("processor time per Canary", millis(now.CPU, b.N), "≤ 1 ms", fromProc)
	b.report.row("resident memory", mebibytes(now.Resident), "", fromProc)
	b.report.row("resident memory, at most", mebibytes(now.Peak), "", fromProc)
	b.report.counts("operator, requests after its start", tally(asked, Request.what), 1)
	return nil
}
