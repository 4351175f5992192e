package announce

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/notify"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// Hooks calls webhooks. More is sent as metadata beside the hook's own, and counts more than that.
type Hooks interface {
	Call(ctx context.Context, c *v1beta1.Canary, h v1beta1.CanaryWebhook, more map[string]string) error
}

// reasonHookFailed is the reason of events about a hook whose answer changes nothing.
const reasonHookFailed rollout.Reason = "HookFailed"

// eventHook names the operator's own event hook in messages.
const eventHook = "event-webhook"

// callEventHooks hands an event to those who are told of events: the Canary's own hooks, else the operator's.
func (h *Announcer) callEventHooks(c *v1beta1.Canary, n rollout.Notice) {
	if h.Hooks == nil {
		return
	}
	// Keys and unit, milliseconds since 1970, are those that receivers of this API expect.
	more := map[string]string{
		"eventMessage": n.Message,
		"eventType":    eventType(n),
		"timestamp":    strconv.FormatInt(time.Now().UnixMilli(), 10),
	}
	hooks := hooksOf(c, v1beta1.EventHook)
	// Not beside hooks of the Canary's own, as with other operators of this API.
	if len(hooks) == 0 && h.EventURL != "" {
		hooks = []v1beta1.CanaryWebhook{{Name: eventHook, Type: v1beta1.EventHook, URL: h.EventURL}}
	}
	for _, hook := range hooks {
		h.enqueue(c, func(ctx context.Context) error { return h.callEventHook(ctx, c, hook, more) })
	}
}

// callPostRolloutHooks has the hooks called that wait for the end of a rollout, whether it was a good one or not.
func (h *Announcer) callPostRolloutHooks(n News) {
	after := n.Canary.Status.Phase
	// A decision at rest ends nothing, though the phase is one that rollouts end in.
	if !after.Ended() || h.Hooks == nil || !n.Before.Phase.Unfinished() {
		return
	}
	hooks := hooksOf(n.Canary, v1beta1.PostRolloutHook)
	// One job for all of them, since they are called in their order.
	if len(hooks) > 0 {
		h.enqueue(n.Canary, func(ctx context.Context) error { return h.postRollout(ctx, n.Canary, hooks) })
	}
}

// postRollout calls hooks one after the other. The first that fails is the last that is called: those after it may
// count on it.
func (h *Announcer) postRollout(ctx context.Context, c *v1beta1.Canary, hooks []v1beta1.CanaryWebhook) error {
	for _, hook := range hooks {
		// Its answer is told by an event only: the rollout is over, and how it ended stays as it was.
		if err := h.call(ctx, c, hook, nil); err != nil {
			h.record(c, rollout.Notice{
				Warning: true, Reason: reasonHookFailed, Message: fmt.Sprintf("Post-rollout hook %s failed %v", hook.Name, err),
			})
			return fmt.Errorf("post-rollout hook %q: %w", hook.Name, err)
		}
		h.record(c, rollout.Notice{Reason: rollout.ReasonHookPassed, Message: fmt.Sprintf("Post-rollout check %s passed", hook.Name)})
	}
	return nil
}

// callEventHook tells one hook of an event.
func (h *Announcer) callEventHook(ctx context.Context, c *v1beta1.Canary, hook v1beta1.CanaryWebhook, more map[string]string) error {
	if err := h.call(ctx, c, hook, more); err != nil {
		return fmt.Errorf("event hook %q: %w", hook.Name, err)
	}
	return nil
}

// call makes one call. How often it is tried is up to the hook, so it is not tried again here.
func (h *Announcer) call(ctx context.Context, c *v1beta1.Canary, hook v1beta1.CanaryWebhook, more map[string]string) error {
	err := h.Hooks.Call(ctx, c, hook, more)
	if err != nil {
		h.Telemetry.failed(asHook, string(hook.Type))
	}
	return err
}

// enqueue puts calls about a Canary behind those before.
func (h *Announcer) enqueue(c *v1beta1.Canary, do func(context.Context) error) {
	q := h.Calls
	if q == nil {
		q = h.Queue
	}
	q.Enqueue(notify.Job{
		Namespace: c.Namespace, Name: c.Name,
		Do: func(ctx context.Context) error { return notify.Final(do(ctx)) },
	})
}

func hooksOf(c *v1beta1.Canary, kind v1beta1.HookType) []v1beta1.CanaryWebhook {
	if c.Spec.Analysis == nil {
		return nil
	}
	var hooks []v1beta1.CanaryWebhook
	for _, hook := range c.Spec.Analysis.Webhooks {
		if hook.Type == kind {
			hooks = append(hooks, hook)
		}
	}
	return hooks
}
