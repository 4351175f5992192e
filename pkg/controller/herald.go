package controller

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/notify"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// Herald tells people what was decided: by events, chat messages and metrics. Nothing it does can hold
// up or fail a rollout, and it is only called once the decision is stored.
type Herald struct {
	Events    record.EventRecorder
	Queue     *notify.Queue
	Telemetry *Telemetry
	Providers client.Reader // reads AlertProviders, from the cache
	Secrets   client.Reader // reads their Secrets, live: secrets are kept nowhere
	Default   notify.Notifier
	Cluster   string // said in every message, where it is set
	Local     bool   // references to other namespaces are refused
}

// Announce tells of what turned the status before into that of c.
func (h *Herald) Announce(ctx context.Context, before v1beta1.CanaryStatus, c *v1beta1.Canary, p rollout.Plan, notices []rollout.Notice) {
	if before.Phase != c.Status.Phase {
		log.FromContext(ctx).Info("phase changed", "from", before.Phase, "to", c.Status.Phase,
			"revision", c.Status.LastAppliedSpec, "weight", c.Status.CanaryWeight)
	}
	h.Telemetry.count(before, c, p)
	for _, n := range notices {
		h.Events.Event(c, eventType(n), string(n.Reason), n.Message)
		if n.Alert != nil {
			h.alert(c, p, *n.Alert)
		}
	}
}

// Drifted tells of an object that somebody else had changed and that is as it should be again. It belongs to no
// decision: nothing about the rollout has changed.
func (h *Herald) Drifted(c *v1beta1.Canary, object string) {
	h.Events.Eventf(c, corev1.EventTypeWarning, string(rollout.ReasonDriftCorrected), "%s was changed by somebody else, put back", object)
}

func eventType(n rollout.Notice) string {
	if n.Warning {
		return corev1.EventTypeWarning
	}
	return corev1.EventTypeNormal
}

// alert queues a chat message for everybody who wants to hear of it.
func (h *Herald) alert(c *v1beta1.Canary, p rollout.Plan, a rollout.Alert) {
	m := notify.Message{
		Severity:  notify.Severity(a.Severity),
		Canary:    c.Name,
		Namespace: c.Namespace,
		Text:      a.Text,
		Fields:    h.fields(c, p, a),
	}
	if c.Spec.Analysis == nil || len(c.Spec.Analysis.Alerts) == 0 {
		if h.Default != nil {
			h.Queue.Enqueue(notify.Send(h.Default, m))
		}
		return
	}
	for _, wanted := range c.Spec.Analysis.Alerts {
		if notify.Severity(wanted.Severity).Wants(m.Severity) {
			h.Queue.Enqueue(notify.Job{
				Key: c.Namespace + "/" + c.Name,
				Do:  func(ctx context.Context) error { return h.deliver(ctx, c, wanted, m) },
			})
		}
	}
}

// fields are the details of a message.
func (h *Herald) fields(c *v1beta1.Canary, p rollout.Plan, a rollout.Alert) []notify.Field {
	var fields []notify.Field
	if h.Cluster != "" {
		fields = append(fields, notify.Field{Name: "Cluster", Value: h.Cluster})
	}
	if !a.Detailed {
		return fields
	}
	ref := c.Spec.TargetRef
	return append(fields,
		notify.Field{Name: "Target", Value: fmt.Sprintf("%s/%s.%s", ref.Kind, ref.Name, c.Namespace)},
		notify.Field{Name: "Failed checks threshold", Value: fmt.Sprint(p.Threshold)},
		notify.Field{Name: "Progress deadline", Value: fmt.Sprintf("%vs", p.Deadline.Seconds())},
		notify.Field{Name: "Traffic routing", Value: p.Routing(c.Spec.Analysis)},
	)
}

// deliver finds the channel of an alert and sends the message there.
func (h *Herald) deliver(ctx context.Context, c *v1beta1.Canary, a v1beta1.CanaryAlert, m notify.Message) error {
	n, err := h.notifier(ctx, c, a)
	if err == nil {
		err = n.Notify(ctx, m)
	}
	if err != nil {
		return fmt.Errorf("alert %q of canary %s.%s: %w", a.Name, c.Name, c.Namespace, err)
	}
	return nil
}

func (h *Herald) notifier(ctx context.Context, c *v1beta1.Canary, a v1beta1.CanaryAlert) (notify.Notifier, error) {
	key := providerKey(c, a)
	if h.Local && key.Namespace != c.Namespace {
		return nil, fmt.Errorf("alert provider %q is in another namespace, which --no-cross-namespace-refs forbids", key)
	}
	p := &v1beta1.AlertProvider{}
	if err := h.Providers.Get(ctx, key, p); err != nil {
		return nil, fmt.Errorf("read alert provider %q: %w", key, err)
	}
	o := notify.Options{Address: p.Spec.Address, Proxy: p.Spec.Proxy, Channel: p.Spec.Channel, Username: p.Spec.Username}
	if p.Spec.SecretRef != nil {
		if err := h.secret(ctx, client.ObjectKey{Namespace: key.Namespace, Name: p.Spec.SecretRef.Name}, &o); err != nil {
			return nil, err
		}
	}
	return notify.New(string(p.Spec.Type), o)
}

// secret reads where a channel is, and its token. The Secret's address counts more than the provider's.
func (h *Herald) secret(ctx context.Context, key client.ObjectKey, o *notify.Options) error {
	s := &corev1.Secret{}
	if err := h.Secrets.Get(ctx, key, s); err != nil {
		return fmt.Errorf("read secret %q of an alert provider: %w", key, err)
	}
	address, ok := s.Data["address"]
	if !ok {
		return errors.New("secret " + fmt.Sprintf("%q", key) + " of an alert provider has no key address")
	}
	o.Address, o.Token = string(address), string(s.Data["token"])
	return nil
}
