package announce

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/notify"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// An alert is looked at three times: when its Canary is (AlertRemarks), when a decision is announced (alert), and when it is
// sent (deliver). Only the last reads a Secret, and only the first can say anything on the Canary.

// AlertRemarks are about alerts that could never be sent. That is no reason to stop a release, but nobody should
// find out by not hearing of a failed one.
func (h *Announcer) AlertRemarks(ctx context.Context, c *v1beta1.Canary) []rollout.Remark {
	if c.Spec.Analysis == nil {
		return nil
	}
	var remarks []rollout.Remark
	for i, a := range c.Spec.Analysis.Alerts {
		if why := h.undeliverable(ctx, c, a); why != "" {
			remarks = append(remarks, rollout.Remark{
				Reason: rollout.ReasonAlertUnsent,
				Text:   fmt.Sprintf("spec.analysis.alerts[%d] is %s", i, why),
			})
		}
	}
	return remarks
}

// undeliverable says why an alert cannot be sent, or not as it was asked for, as far as that is known without its Secret.
func (h *Announcer) undeliverable(ctx context.Context, c *v1beta1.Canary, a v1beta1.CanaryAlert) string {
	key := a.ProviderRef.KeyFor(c)
	p := &v1beta1.AlertProvider{}
	// From the cache, as deliver reads it: asking with every pass must cost nothing.
	err := h.Providers.Get(ctx, key, p)
	switch {
	case h.Local && key.Namespace != c.Namespace:
		// Before what was read: whether it exists there is nothing that this Canary may find out.
		return fmt.Sprintf("not sent: AlertProvider %q is in another namespace, which --no-cross-namespace-refs forbids", key)
	case apierrors.IsNotFound(err):
		return fmt.Sprintf("not sent: AlertProvider %q does not exist", key)
	case err != nil:
		return fmt.Sprintf("not sent: AlertProvider %q cannot be read: %v", key, err) // as in a namespace that is not watched
	case !notify.Known(string(p.Spec.Type)):
		return fmt.Sprintf("not sent: AlertProvider %q is of type %q, which is not supported", key, p.Spec.Type)
	}
	if err := notify.CheckCA(p.Spec.CABundle); err != nil {
		return fmt.Sprintf("not sent: caBundle of AlertProvider %q: %v", key, err)
	}
	if err := notify.CheckTemplate(p.Spec.Template); err != nil {
		return fmt.Sprintf("sent without the template of AlertProvider %q: %v", key, err)
	}
	return ""
}

// alert queues a chat message for everybody who wants to hear of it.
func (h *Announcer) alert(n News, is rolloutRecord, a rollout.Alert) {
	c, m := n.Canary, h.message(n, is, a)
	if c.Spec.Analysis == nil || len(c.Spec.Analysis.Alerts) == 0 {
		// Of every severity: whoever names no alerts has not said which of them to leave out.
		if h.Default != nil {
			h.Queue.Enqueue(notify.Send(h.Default, m))
		}
		return
	}
	// The provider is looked up when the message is sent: reading its Secret is a request, which may be slow or fail.
	for _, wanted := range c.Spec.Analysis.Alerts {
		if notify.Severity(wanted.Severity).Wants(m.Severity) {
			h.Queue.Enqueue(notify.Job{
				Namespace: c.Namespace, Name: c.Name,
				Do: func(ctx context.Context) error { return h.deliver(ctx, c, wanted, m) },
			})
		}
	}
}

// deliver finds the channel of an alert and sends the message there.
func (h *Announcer) deliver(ctx context.Context, c *v1beta1.Canary, a v1beta1.CanaryAlert, m notify.Message) error {
	p, err := h.provider(ctx, c, a)
	// What a provider that cannot be read is counted as, so that it is counted at all.
	kind := "unknown"
	if err == nil {
		kind = string(p.Spec.Type)
		err = h.send(ctx, p, m)
	}
	if err != nil {
		h.Telemetry.failed(asAlert, kind)
		return fmt.Errorf("alert %q of canary %s.%s: %w", a.Name, c.Name, c.Namespace, err)
	}
	return nil
}

func (h *Announcer) provider(ctx context.Context, c *v1beta1.Canary, a v1beta1.CanaryAlert) (*v1beta1.AlertProvider, error) {
	key := a.ProviderRef.KeyFor(c)
	// Asked here as well, where it counts: AlertRemarks only remarks on it.
	if h.Local && key.Namespace != c.Namespace {
		return nil, fmt.Errorf("alert provider %q is in another namespace, which --no-cross-namespace-refs forbids", key)
	}
	p := &v1beta1.AlertProvider{}
	if err := h.Providers.Get(ctx, key, p); err != nil {
		return nil, fmt.Errorf("read alert provider %q: %w", key, err)
	}
	return p, nil
}

// send makes the channel anew for each message: its Secret is kept nowhere, and may have changed.
func (h *Announcer) send(ctx context.Context, p *v1beta1.AlertProvider, m notify.Message) error {
	o := notify.Options{
		Address: p.Spec.Address, Proxy: p.Spec.Proxy, CA: p.Spec.CABundle, Channel: p.Spec.Channel, Username: p.Spec.Username,
		Template: p.Spec.Template, Threads: h.Threads, Addresses: h.Addresses,
	}
	if p.Spec.SecretRef != nil {
		if err := h.secret(ctx, client.ObjectKey{Namespace: p.Namespace, Name: p.Spec.SecretRef.Name}, &o); err != nil {
			return err
		}
	}
	n, err := notify.New(string(p.Spec.Type), o)
	if err != nil {
		return err
	}
	return n.Notify(ctx, m)
}

// secret reads where a channel is, and its token. The Secret's address counts more than the provider's.
func (h *Announcer) secret(ctx context.Context, key client.ObjectKey, o *notify.Options) error {
	s := &corev1.Secret{}
	if err := h.Secrets.Get(ctx, key, s); err != nil {
		return fmt.Errorf("read secret %q of an alert provider: %w", key, err)
	}
	// The API has every such Secret hold the address: one that is forgotten is told, not guessed from the provider.
	address, ok := s.Data["address"]
	if !ok {
		return errors.New("secret " + fmt.Sprintf("%q", key) + " of an alert provider has no key address")
	}
	// Files that Secrets are made from end in a line break, which no header may have.
	o.Address, o.Token = string(address), strings.TrimSpace(string(s.Data["token"]))
	return nil
}
