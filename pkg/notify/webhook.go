package notify

import (
	"context"
	"time"
)

// Webhook sends messages to a program, as JSON whose schema is written down in docs/operations/alerts.md. Fields
// may be added to it; none changes its meaning.
type Webhook struct{ to *poster }

func newWebhook(o Options) (Notifier, error) {
	to, err := newPoster(o)
	if err != nil {
		return nil, err
	}
	return &Webhook{to: to}, nil
}

// notification is the body that a Webhook posts.
// Keys of a rollout may be missing, as an event may be about none; lists and numbers are always there, so that readers
// need no case for them.
type notification struct {
	Version   string    `json:"version"`
	Time      string    `json:"time"`
	Severity  Severity  `json:"severity"`
	Canary    string    `json:"canary"`
	Namespace string    `json:"namespace"`
	Cluster   string    `json:"cluster,omitempty"`
	Target    string    `json:"target,omitempty"`
	Phase     string    `json:"phase,omitempty"`
	Revision  string    `json:"revision,omitempty"`
	Rollout   string    `json:"rollout,omitempty"`
	Final     bool      `json:"final"`
	Weight    int       `json:"weight"`
	Text      string    `json:"text"`
	Reason    string    `json:"reason,omitempty"`
	Metric    *Metric   `json:"metric,omitempty"`
	Approval  *Approval `json:"approval,omitempty"`
	Images    []Image   `json:"images"`
	Fields    []fact    `json:"fields"`
}

// Notify sends the message.
func (w *Webhook) Notify(ctx context.Context, m Message) error {
	_, err := w.to.post(ctx, w.render(m))
	return err
}

func (w *Webhook) render(m Message) notification {
	n := notification{
		// UTC, so that messages of several clusters can be sorted as texts.
		Version: "v1", Time: m.Time.UTC().Format(time.RFC3339), Severity: m.Severity,
		Canary: m.Canary, Namespace: m.Namespace, Cluster: m.Cluster, Target: m.Target,
		Phase: m.Phase, Revision: m.Revision, Rollout: m.Rollout, Final: m.Final, Weight: m.Weight,
		Text: m.Text, Reason: m.Reason, Metric: m.Metric, Approval: m.Approval,
		Images: append([]Image{}, m.Images...), // never null, which many a reader trips over
		Fields: make([]fact, 0, len(m.Fields)),
	}
	for _, f := range m.Fields {
		n.Fields = append(n.Fields, fact(f))
	}
	return n
}
