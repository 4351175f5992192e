package notify

import (
	"context"
	"crypto/sha256"
	"errors"

	"k8s.io/utils/lru"
)

// File thread.go keeps the messages of a rollout together, at a bot of Slack.
//
// A rollout is one thread of a channel: its first message is posted, what follows is said below that, and
// when it is over the first message says how. A failure is shown in the channel as well, for whoever does
// not follow the thread.
//
//	podinfo.test                            ◀── chat.update, once the rollout is over
//	New revision detected …  →  Failed …
//	 └─ Canary is waiting for approval.
//	 └─ Failed checks threshold reached 5   ── also in the channel

// maxThreads bounds what is remembered. A rollout that is pushed out, the one that was not heard of the longest, starts
// another thread.
const maxThreads = 4096

// Threads remember where the first message of each rollout is. They are in memory only: after a restart the
// next message of a rollout begins a thread of its own. Make them with NewThreads.
type Threads struct{ known *lru.Cache }

// NewThreads remember nothing yet.
func NewThreads() *Threads { return &Threads{known: lru.New(maxThreads)} }

// threadKey is a channel of a workspace, and a rollout. It is a hash, since the token is part of it.
type threadKey [sha256.Size]byte

// thread is one first message.
type thread struct {
	root  place
	first Message
	ended string // text of the outcome that was said already, while the first message could not be changed yet
}

// find is nil for a rollout without a thread.
func (t *Threads) find(k threadKey) *thread {
	known, _ := t.known.Get(k)
	th, _ := known.(*thread)
	return th
}

func (t *Threads) keep(k threadKey, th *thread) { t.known.Add(k, th) }

// key has all that makes a channel: two AlertProviders may name the same one with bots of different workspaces.
func (s *Slack) key(m Message) threadKey {
	text := s.to.address.String() + "\x00" + s.to.token + "\x00" + s.form.channel + "\x00" + m.Rollout
	return sha256.Sum256([]byte(text))
}

// inThread finds the place of a message. Messages of one Canary come one after the other, so nobody else is
// about to begin the same thread.
func (s *Slack) inThread(ctx context.Context, m Message) error {
	k := s.key(m)
	th := s.threads.find(k)
	if th == nil {
		return s.begin(ctx, k, m)
	}
	// Another attempt at an outcome finds it said: only the first message is left to be changed.
	if th.ended != m.Text || !m.Final {
		err := s.reply(ctx, th, m)
		if refused := new(refusalError); errors.As(err, &refused) {
			return s.begin(ctx, k, m) // somebody has removed the first message, or moved the channel
		}
		// The queue comes back with the same message, and nothing of it has been said.
		if err != nil {
			return err
		}
	}
	if !m.Final {
		return nil
	}
	// Before conclude, which may fail when the outcome was said. A new value: found ones are read without a lock.
	s.threads.keep(k, &thread{root: th.root, first: th.first, ended: m.Text})
	return s.conclude(ctx, th, m)
}

func (s *Slack) begin(ctx context.Context, k threadKey, m Message) error {
	root, err := s.say(ctx, s.to, s.form.render(m))
	if err == nil && root.TS != "" { // a receiver that tells no place has no threads
		s.threads.keep(k, &thread{root: root, first: m})
	}
	return err
}

func (s *Slack) reply(ctx context.Context, th *thread, m Message) error {
	r := s.form.render(m)
	// Broadcast puts the reply into the channel as well.
	r.Channel, r.ThreadTimestamp, r.ReplyBroadcast = th.root.Channel, th.root.TS, m.Severity == Error
	_, err := s.say(ctx, s.to, r)
	return err
}

// conclude has the first message say how the rollout ended. A refusal is no loss: the outcome is in the thread.
// What may succeed later is tried again, without the outcome being said twice.
func (s *Slack) conclude(ctx context.Context, th *thread, m Message) error {
	to := s.updates()
	if to == nil {
		return nil
	}
	shown := th.first
	shown.Severity, shown.Fields = m.Severity, m.Fields
	// Both parts are escaped here, each once; a part that a template made is marked already.
	shown.Text = th.first.text(slackEscape) + "\n" + m.text(slackEscape)
	shown.marked = true
	_, err := s.say(ctx, to, correction{place: th.root, Attachments: s.form.render(shown).Attachments})
	if _, again := retriable(err); again {
		return err
	}
	return nil
}
