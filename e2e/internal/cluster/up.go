package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// Up makes the cluster, or returns at once when it is there already. One that is
// there in part, or made of something else, is taken down and made anew.
func (l Layout) Up(ctx context.Context, o Options, say *Speaker) error {
	unlock, err := l.lock()
	if err != nil {
		return err
	}
	defer unlock()
	u := &up{Layout: l, Options: o, say: say}
	if err := u.prepare(ctx); err != nil {
		return err
	}
	if l.healthy(ctx, u.state()) {
		say.Say("the cluster is up already")
		return nil
	}
	if err := l.clear(ctx, say); err != nil {
		return err
	}
	if err := u.run(ctx); err != nil {
		return fmt.Errorf("%w\nlogs are in %s", err, l.path("log"))
	}
	return l.save(u.state())
}

// clear takes down what is left of an earlier cluster, if anything.
func (l Layout) clear(ctx context.Context, say *Speaker) error {
	_, err := os.Stat(string(l))
	left, _ := l.alive()
	if errors.Is(err, os.ErrNotExist) && len(left) == 0 {
		return nil
	}
	say.Say("there is a cluster that is incomplete or made of something else: taking it down")
	return l.down(ctx, say)
}

// healthy is whether a finished cluster of just this kind still runs whole.
func (l Layout) healthy(ctx context.Context, want state) bool {
	have, finished := l.saved()
	if !finished || !have.same(want) {
		return false
	}
	runs, err := l.alive()
	if err != nil {
		return false
	}
	for _, part := range have.Parts {
		if _, alive := runs[part]; !alive {
			return false
		}
	}
	return l.apiReady(ctx) == nil
}

func (s state) same(other state) bool {
	return s.Options == other.Options && s.Programs == other.Programs && s.Revision == other.Revision &&
		slices.Equal(s.Parts, other.Parts)
}

// await waits until a part is ready, or says why it never will be.
func (l Layout) await(ctx context.Context, p part, r *running) error {
	if p.ready == nil {
		return nil
	}
	var last error
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		last = p.ready(ctx)
		if last != nil && r.gone() {
			return false, errors.New("it ended")
		}
		return last == nil, nil
	})
	if err == nil {
		return nil
	}
	raw, _ := os.ReadFile(l.Log(p.name)) // without it the reason is just shorter
	return fmt.Errorf("%w: %w: %s", err, last, tail(raw))
}
