package console

import (
	"context"
	"sync"
	"time"

	"k8s.io/utils/lru"
)

const (
	// sharedKept bounds of how many Canaries the last reading is kept.
	sharedKept = 128
	// sharedAtOnce bounds how many are read at a time.
	sharedAtOnce = 8
	// sharedDeadline bounds one reading.
	sharedDeadline = 10 * time.Second
)

// shared reads things once for all who ask within a time.
type shared struct {
	apart time.Duration
	now   func() time.Time
	turns chan struct{}

	mu    sync.Mutex
	known *lru.Cache // *reading by key
}

// reading is what was read last.
type reading struct {
	turn  chan struct{} // held by who reads
	at    time.Time
	value any
}

func newShared(apart time.Duration, now func() time.Time) *shared {
	return &shared{apart: apart, now: now, turns: make(chan struct{}, sharedAtOnce), known: lru.New(sharedKept)}
}

func (s *shared) reading(key string) *reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.known.Get(key); ok {
		return known.(*reading)
	}
	r := &reading{turn: make(chan struct{}, 1)}
	s.known.Add(key, r)
	return r
}

// get is what read returned, now or a moment ago. Read goes on when who asked first has gone: others wait for it.
func (s *shared) get(ctx context.Context, key string, read func(context.Context) (any, error)) (any, error) {
	r := s.reading(key)
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if !r.at.IsZero() && s.now().Sub(r.at) < s.apart {
		return r.value, nil
	}
	select {
	case s.turns <- struct{}{}:
		defer func() { <-s.turns }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), sharedDeadline)
	defer stop()
	value, err := read(ctx)
	if err != nil {
		return nil, err
	}
	r.value, r.at = value, s.now()
	return value, nil
}
