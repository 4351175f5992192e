// Package walk follows a rollout from outside, with the eyes of its user: what kubectl prints of the Canary,
// what events and chat messages say, who answers requests. The demonstration shows it, the tests judge it.
//
//	Journal            everything a watch told, with the time it came
//	Rows, Sequence     a Canary's phases and weights, and whether they are those wanted
//	Messages, InOrder  texts of events, and whether they came in the wanted order
//	Chat               what arrived in the chat channel
//	Table              all of it in lines, while it happens
package walk

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Entry is one change of one object.
type Entry struct {
	At     time.Time // when it was seen here
	Type   watch.EventType
	Object client.Object
}

// Journal keeps all changes of a set of objects, from the moment it is opened.
type Journal struct {
	mu      sync.Mutex
	entries []Entry
	grown   chan struct{} // closed when there is more
}

// Follow opens a journal. Its first entries are the objects as they are; it is closed by the end of ctx.
func Follow(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) (*Journal, error) {
	w, err := c.Watch(ctx, list, opts...)
	if err != nil {
		return nil, fmt.Errorf("watch %T: %w", list, err)
	}
	j := &Journal{grown: make(chan struct{})}
	go func() {
		for ctx.Err() == nil {
			j.read(ctx, w)
			if w, err = c.Watch(ctx, list, opts...); err != nil {
				return // the reader's deadline tells
			}
		}
	}()
	return j, nil
}

// read notes what comes until the API server ends the watch, as it does now and then.
func (j *Journal) read(ctx context.Context, w watch.Interface) {
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e, open := <-w.ResultChan():
			if !open {
				return
			}
			if object, ok := e.Object.(client.Object); ok {
				j.note(Entry{At: time.Now(), Type: e.Type, Object: object})
			}
		}
	}
}

func (j *Journal) note(e Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, e)
	close(j.grown)
	j.grown = make(chan struct{})
}

// Entries returns all so far.
func (j *Journal) Entries() []Entry {
	entries, _ := j.look()
	return entries
}

func (j *Journal) look() ([]Entry, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.entries), j.grown
}

// Wait returns once the entries suffice, or with the context's error.
func (j *Journal) Wait(ctx context.Context, suffice func([]Entry) bool) error {
	for {
		entries, grown := j.look()
		if suffice(entries) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-grown:
		}
	}
}
