package loadtest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
)

// ConfigMap keeps gates in a ConfigMap, for all replicas and across restarts. It remembers nothing itself:
// each question is one to the API server, and gates are asked about every few seconds at most.
type ConfigMap struct {
	Client typedcorev1.ConfigMapInterface // of the load tester's namespace
	Name   string

	// turn lets one write of this replica through at a time, so that it contends with other replicas' only.
	turn sync.Mutex
}

// opened is what the ConfigMap says of a gate that is. Everything else is closed, so that gates can be turned
// with kubectl as well.
const opened = "open"

// openedFor begins what it says of a gate that is open for one rollout.
const openedFor = "open for "

// patience is how long a write is tried against those of other replicas and of people.
const patience = 10 * time.Second

// contention is how long to wait between two tries. One that reaches the cap goes on at it: the functions of
// package wait that count steps would end there.
func contention() wait.DelayFunc {
	return wait.Backoff{Duration: 5 * time.Millisecond, Factor: 1.5, Jitter: 1, Steps: 40, Cap: 100 * time.Millisecond}.DelayFunc()
}

// Open reads the ConfigMap. One that is not there has no open gates.
func (g *ConfigMap) Open(ctx context.Context, key string) (bool, error) {
	c, err := g.Client.Get(ctx, g.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the gates: %w", err)
	}
	return c.Data[key] == opened || strings.HasPrefix(c.Data[key], openedFor), nil
}

// OpenFor reads the ConfigMap, and notes there which rollout has asked first, for the other replicas. That it could not be noted
// is no reason not to go back.
func (g *ConfigMap) OpenFor(ctx context.Context, key, rollout string) (bool, error) {
	c, err := g.Client.Get(ctx, g.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the gates: %w", err)
	}
	of, noted := strings.CutPrefix(c.Data[key], openedFor)
	switch {
	case noted && of == rollout:
		return true, nil
	case noted:
		return false, g.set(ctx, key, "")
	case c.Data[key] != opened:
		return false, nil
	}
	_ = g.set(ctx, key, openedFor+rollout)
	return true, nil
}

// Turn changes one key. What somebody else changed since it was read makes the API server refuse the write,
// and it is tried again on what there is then.
func (g *ConfigMap) Turn(ctx context.Context, key string, to bool) error {
	if to {
		return g.set(ctx, key, opened)
	}
	return g.set(ctx, key, "")
}

// set gives one key a value; an empty one takes it out.
func (g *ConfigMap) set(ctx context.Context, key, to string) error {
	g.turn.Lock()
	defer g.turn.Unlock()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var last error
	err := contention().Until(ctx, true, true, func(ctx context.Context) (bool, error) {
		err := g.write(ctx, key, to)
		// One that is made or deleted by somebody in between is as much a conflict.
		if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) {
			last = err
			return false, nil
		}
		return true, err
	})
	if wait.Interrupted(err) && last != nil {
		err = last
	}
	if err != nil {
		return fmt.Errorf("keeping the gate in ConfigMap %q: %w", g.Name, err)
	}
	return nil
}

func (g *ConfigMap) write(ctx context.Context, key, to string) error {
	c, err := g.Client.Get(ctx, g.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return g.create(ctx, key, to)
	}
	if err != nil || c.Data[key] == to {
		return err
	}
	if to != "" {
		if c.Data == nil {
			c.Data = map[string]string{}
		}
		c.Data[key] = to
	} else {
		delete(c.Data, key)
	}
	_, err = g.Client.Update(ctx, c, metav1.UpdateOptions{})
	return err
}

// create makes the ConfigMap, for which there is a need only once a gate is opened. The manifests bring an
// empty one, so that the right to make any is not needed.
func (g *ConfigMap) create(ctx context.Context, key, to string) error {
	if to == "" {
		return nil
	}
	c := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: g.Name}, Data: map[string]string{key: to}}
	_, err := g.Client.Create(ctx, c, metav1.CreateOptions{})
	return err
}
