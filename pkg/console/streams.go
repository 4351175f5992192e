package console

import (
	"context"
	"net/http"
	"sync"
)

// streams are those that are open: their number is bounded, and a logout ends those of its session.
type streams struct {
	limits Limits

	mu     sync.Mutex
	open   int
	byUser map[string]int
	ends   map[string]map[*context.CancelCauseFunc]struct{} // by session
}

func newStreams(l Limits) *streams {
	return &streams{limits: l, byUser: map[string]int{}, ends: map[string]map[*context.CancelCauseFunc]struct{}{}}
}

// begin counts a stream, whose context ends with its session. Done has to be called.
func (s *streams) begin(ctx context.Context, u *User) (open context.Context, done func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.open >= s.limits.Streams:
		return nil, nil, failure(http.StatusTooManyRequests, "too many people follow rollouts at the moment")
	case s.byUser[u.Name] >= s.limits.UserStreams:
		return nil, nil, failure(http.StatusTooManyRequests, "you follow rollouts in too many windows; close some")
	}
	open, cancel := context.WithCancelCause(ctx)
	end := &cancel
	s.open++
	s.byUser[u.Name]++
	if s.ends[u.session] == nil {
		s.ends[u.session] = map[*context.CancelCauseFunc]struct{}{}
	}
	s.ends[u.session][end] = struct{}{}
	return open, func() {
		cancel(nil)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open--
		if s.byUser[u.Name]--; s.byUser[u.Name] == 0 {
			delete(s.byUser, u.Name)
		}
		delete(s.ends[u.session], end)
		if len(s.ends[u.session]) == 0 {
			delete(s.ends, u.session)
		}
	}, nil
}

// errLoggedOut ends the streams of a session.
var errLoggedOut = failure(http.StatusUnauthorized, "you have logged out")

// end ends the streams of a session.
func (s *streams) end(session string) {
	if session == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for cancel := range s.ends[session] {
		(*cancel)(errLoggedOut)
	}
}
