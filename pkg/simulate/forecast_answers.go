package simulate

import (
	"fmt"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// answer is what hooks and metrics say under the circumstances.
func (f *forecaster) answer(q rollout.Question, v view) rollout.Finding {
	if q.Hook != nil {
		return f.agree(*q.Hook, v)
	}
	failed := f.fails(v.Revision)
	if q.Window != nil {
		if f.meets.NoData && !failed {
			return f.noData(q)
		}
		if !f.w.bad[template(v.Revision)] && failed { // one flaky round
			return measured(v1beta1.Failed, haltedBy(f, q.Metric.Name, "failed"))
		}
		return f.w.count(q, template(v.Revision))
	}
	switch {
	case q.Metric == nil:
		return rollout.Finding{Verdict: v1beta1.Passed}
	case failed:
		return measured(v1beta1.Failed, haltedBy(f, q.Metric.Name, "out of range"))
	case f.meets.NoData:
		return f.noData(q)
	}
	return measured(v1beta1.Passed, "")
}

func (f *forecaster) noData(q rollout.Question) rollout.Finding {
	verdict := q.Metric.OnNoData.Verdict()
	if verdict == v1beta1.Passed {
		return measured(verdict, "")
	}
	return measured(verdict, haltedBy(f, q.Metric.Name, "no values found"))
}

func haltedBy(f *forecaster, metric, why string) string {
	return fmt.Sprintf("Halt %s advancement %s %s", f.out.Name, metric, why)
}

func measured(v v1beta1.Verdict, message string) rollout.Finding {
	return rollout.Finding{Verdict: v, Message: message, Measurement: &v1beta1.Measurement{Verdict: v, Message: message}}
}

// fails says that this round of checks fails.
func (f *forecaster) fails(revision string) bool {
	if f.w.bad[template(revision)] || f.flakyAt == f.w.now {
		return true
	}
	if f.meets.Flaky == 0 {
		return false
	}
	f.meets.Flaky--
	f.flakyAt = f.w.now
	return true
}

// agree is what a hook says. A gate is asked, and so somebody has to have opened it.
func (f *forecaster) agree(h v1beta1.CanaryWebhook, v view) rollout.Finding {
	switch h.Moment() {
	case v1beta1.RollbackHook:
		return rollout.Finding{Verdict: v1beta1.Failed, Message: "Rollback not asked for"}
	case v1beta1.RolloutHook, v1beta1.PreRolloutHook:
		if !opens(v) && f.w.bad[template(v.Revision)] {
			return rollout.Finding{Verdict: v1beta1.Failed, Message: haltedBy(f, h.Name, "failed")}
		}
	case v1beta1.ConfirmRolloutHook, v1beta1.ConfirmTrafficIncreaseHook, v1beta1.ConfirmPromotionHook:
		at := fmt.Sprintf("%s at step %d", h.Name, f.w.status.Step)
		if !f.asked[at] {
			f.asked[at] = true
			f.out.Acts = append(f.out.Acts, Act{f.sinceBegin(), "gate " + h.Name, fmt.Sprintf("agree (%s), at step %d of %d", h.Moment(), f.w.status.Step, f.w.plan.Length())})
		}
		if f.meets.ClosedGates {
			return rollout.Finding{Verdict: v1beta1.Failed, Message: haltedBy(f, h.Name, "is closed")}
		}
	default: // they are told, and not asked
	}
	return rollout.Finding{Verdict: v1beta1.Passed}
}
