package console

import (
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/outbound"
	"github.com/sluice-cd/sluice/pkg/view"
)

// secretsOf are the parts of a Canary's addresses that may be secrets. What the operator reads from Secrets is hidden in the status
// already; who may see a Canary here need not be who may read its spec.
func secretsOf(c *v1beta1.Canary) (s outbound.Secrets) {
	s.AddURL(c.Spec.MetricsServer)
	if a := c.Spec.Analysis; a != nil {
		for _, hook := range a.Webhooks {
			s.AddURL(hook.URL)
		}
		for _, step := range a.Steps {
			if step.Webhook != nil {
				s.AddURL(step.Webhook.URL)
			}
		}
	}
	return s
}

func hiddenRow(c *v1beta1.Canary, row view.Row) view.Row {
	s := secretsOf(c)
	if len(s) == 0 {
		return row
	}
	row.Problem, row.Waiting = s.Hide(row.Problem), hiddenWait(s, row.Waiting)
	return row
}

func hiddenWait(s outbound.Secrets, w *view.Waiting) *view.Waiting {
	if w == nil {
		return nil
	}
	hidden := *w
	hidden.For = s.Hide(w.For)
	return &hidden
}

func hiddenDetail(c *v1beta1.Canary, d view.Detail) view.Detail {
	s := secretsOf(c)
	if len(s) == 0 {
		return d
	}
	d.Problem, d.Waiting, d.Checks.Last = s.Hide(d.Problem), hiddenWait(s, d.Waiting), s.Hide(d.Checks.Last)
	for i := range d.Checks.Metrics {
		d.Checks.Metrics[i].Message = s.Hide(d.Checks.Metrics[i].Message)
	}
	for i := range d.Runs {
		d.Runs[i].Reason = s.Hide(d.Runs[i].Reason)
	}
	if d.Run != nil {
		d.Run.Cause = s.Hide(d.Run.Cause)
	}
	if d.Action != nil {
		d.Action.Message = s.Hide(d.Action.Message)
	}
	for verb, why := range d.Allowed {
		d.Allowed[verb] = s.Hide(why)
	}
	hideSeries(s, d.Series)
	return d
}

func hideSeries(s outbound.Secrets, all []view.Series) {
	for i := range all {
		all[i].Query, all[i].Message = s.Hide(all[i].Query), s.Hide(all[i].Message)
	}
}
