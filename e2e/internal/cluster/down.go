package cluster

import (
	"context"
	"errors"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// Down removes the cluster, whole or half made, running or killed. What it finds
// by looking at the machine it removes; there is nothing it has to be told.
func (l Layout) Down(ctx context.Context, say *Speaker) error {
	unlock, err := l.lock()
	if err != nil {
		return err
	}
	defer unlock()
	return l.down(ctx, say)
}

func (l Layout) down(ctx context.Context, say *Speaker) error {
	for _, step := range []struct {
		name string
		do   func() error
	}{
		// kubelet first: it would start again what is stopped after it. Then
		// containers, which outlive their shims; then containerd, which would
		// otherwise report each of them; then what only talks to the others.
		{"stop kubelet", func() error { return l.stop(ctx, "kubelet") }},
		{"stop containers", func() error { return settle(ctx, l.stopContainers) }},
		{"stop everything else", func() error { return l.stop(ctx, "") }},
		{"stop containers that began meanwhile", func() error { return settle(ctx, l.stopContainers) }},
		{"unmount", l.unmountAll},
		{"remove the network", func() error { bridgeDown(ctx); return rulesDown(ctx) }},
		{"put the machine's settings back", func() error { removePolicy(); return errors.Join(l.restore(), l.sweep()) }},
		{"remove " + string(l), l.remove},
	} {
		if err := say.Step(step.name, step.do); err != nil {
			return err
		}
	}
	return nil
}

// stop ends a part, or with an empty name all, and waits until it is gone.
func (l Layout) stop(ctx context.Context, name string) error {
	ours := func(p process) bool { return name == "" || p.part == name }
	return settle(ctx, func() error {
		if err := l.kill(ours); err != nil {
			return err
		}
		left, err := l.alive()
		if err != nil {
			return err
		}
		if _, runs := left[name]; runs || name == "" && len(left) > 0 {
			return errors.New("processes are still there")
		}
		return nil
	})
}

// stopContainers kills what runs in our control groups and removes these, which
// the kernel allows only once the last process is gone.
func (l Layout) stopContainers() error {
	return errors.Join(l.killContainers(), l.groupDown())
}

// settle repeats until there is no error any more: processes take a moment to
// die, and may have begun children meanwhile.
func settle(ctx context.Context, do func() error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		last = do()
		return last == nil, nil
	})
	if err == nil {
		return nil
	}
	return errors.Join(err, last)
}

func (l Layout) unmountAll() error {
	cache, err := CacheDir()
	if err != nil {
		return err
	}
	return errors.Join(unmount(string(l)), unmount(buildahRoot(cache)))
}

// remove empties the directory, but for the lock that this program holds, and
// then removes it.
func (l Layout) remove() error {
	entries, err := os.ReadDir(string(l))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := os.RemoveAll(l.path(entry.Name())); err != nil {
			return err
		}
	}
	return os.Remove(string(l))
}
