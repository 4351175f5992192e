package kube

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// RefusedError says that an object is not written: the API server does not take what it is sent, or the object is in no
// state to be written. What does not depend on the object need not wait for it.
//
// It is remembered for a while, so that the same write is not sent with every event. Losing that costs a request.
type RefusedError struct {
	Object  string    // kind and name, with the namespace if that is not the Canary's: `Service podinfo`
	Verb    string    // that of the right it takes: create, patch or delete
	Text    string    // why, in the server's words where it was asked
	Again   time.Time // when it is tried next; zero: an event will tell
	Exists  bool      // the object is there, whatever it is like
	InPlace bool      // it is there with the content that it is to have, and only cannot be kept so
	// MovesTraffic says that the object, or what has to wait for it, moves traffic, and is not as it should be.
	MovesTraffic bool

	cause error
}

// Error says what was attempted and what came of it.
func (e *RefusedError) Error() string { return e.cause.Error() }

// Unwrap is the server's error, or what is wrong with the object.
func (e *RefusedError) Unwrap() error { return e.cause }

const (
	// troubleLasts is how long a write fails, or a deletion takes, before it counts as refused. What passes by itself
	// passes within that, and is told nobody.
	troubleLasts = 10 * time.Second
	// The time until a refused write is sent again is doubled from the first to the last of these: a right that is granted
	// and a policy that is changed make no event.
	firstRetry = 5 * time.Second
	lastRetry  = time.Minute
)

// remembered is a refused write: the same is not sent before its time has come.
type remembered struct {
	*RefusedError
	sum   [sha256.Size]byte // of what was sent
	uid   types.UID         // of the object that it was sent to; empty: there was none
	delay time.Duration
}

// refused is what becomes of a failed write: a RefusedError if the server will not have it, or has failed for so long that
// nobody should wait for it. Else it is the error as it was, to be tried again at once.
func (a *Applier) refused(ctx context.Context, owner *v1beta1.Canary, p *plan, err error) error {
	if err == nil {
		return nil
	}
	e := &RefusedError{Object: p.name(owner), Verb: "create", cause: err}
	if p.live != nil {
		e.Verb, e.Exists, e.InPlace = "patch", true, a.inPlace(p)
		if p.update {
			e.Verb = "update"
		}
	}
	return a.records.refuse(ctx, owner.UID, p.ref, e, remembered{sum: p.sum, uid: uidOf(p.live)}, a.Now())
}

// notYet is the RefusedError of a write that is not to be sent again yet; nil: it is to be sent.
func (a *Applier) notYet(p *plan) error {
	if e := a.records.notYet(p.ref, p.sum, uidOf(p.live), a.Now()); e != nil {
		return e
	}
	return nil
}

// heldInDeletion is about an object that is being deleted, and whose finalizers keep it from going; nil: it may be gone in
// a moment.
func (a *Applier) heldInDeletion(owner *v1beta1.Canary, r ref, verb string, live client.Object) *RefusedError {
	if !a.records.lasts(owner.UID, r, a.Now()) {
		return nil
	}
	text := "it is being deleted"
	if held := slices.Sorted(slices.Values(live.GetFinalizers())); len(held) > 0 {
		text += ", and held by the finalizers " + strings.Join(held, ", ")
	}
	return &RefusedError{
		Object: r.name(owner), Verb: verb, Text: text, Exists: true, cause: fmt.Errorf("%s cannot be written: %s", r, text),
	}
}

// inPlace says that an object has the content that it is to have, whoever owns that.
func (a *Applier) inPlace(p *plan) bool {
	if p.want == nil && p.decode() != nil {
		return false
	}
	ok, err := a.comparer().sameContent(p, p.live)
	return ok && err == nil
}

// refuse makes a RefusedError of a failed write, and remembers it, if it is one.
func (m *records) refuse(ctx context.Context, owner types.UID, r ref, e *RefusedError, of remembered, now time.Time) error {
	// A call that was cut short says nothing about the server.
	if ctx.Err() != nil || errors.Is(e.cause, ErrStale) || errors.Is(e.cause, ErrNotLeading) {
		return e.cause
	}
	if !m.lasts(owner, r, now) && !Rejected(e.cause) {
		return e.cause
	}
	of.delay = firstRetry
	if last := m.get(r).refused; last != nil && last.sum == of.sum && last.uid == of.uid {
		of.delay = min(2*last.delay, lastRetry)
	}
	e.Text, e.Again = Words(e.cause), now.Add(of.delay)
	kept := *e // whoever gets it may add to it
	of.RefusedError = &kept
	m.update(r, func(k *record) { k.owner, k.refused = owner, &of })
	return e
}

// notYet is the RefusedError of a write that is not to be sent again yet.
func (m *records) notYet(r ref, sum [sha256.Size]byte, uid types.UID, now time.Time) *RefusedError {
	last := m.get(r).refused
	if last == nil || last.sum != sum || last.uid != uid || !now.Before(last.Again) {
		return nil
	}
	again := *last.RefusedError // whoever gets it may add to it
	return &again
}

// lasts says that an object has been in trouble for so long that it is not waited for. What was met a long time ago is
// another trouble.
func (m *records) lasts(owner types.UID, r ref, now time.Time) (lasts bool) {
	m.update(r, func(k *record) {
		k.owner = owner
		if k.trouble.since.IsZero() || now.Sub(k.trouble.last) > 2*lastRetry {
			k.trouble.since = now
		}
		k.trouble.last = now
		lasts = now.Sub(k.trouble.since) >= troubleLasts
	})
	return lasts
}

// Words are what an error says to people: the server's own, where it is the server that said no.
func Words(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return cmp.Or(status.Status().Message, err.Error())
	}
	if owned := new(AlreadyOwnedError); errors.As(err, &owned) {
		return "it is controlled by " + owned.Controller
	}
	return err.Error()
}

// name is what an object is called in a Canary's condition.
func (r ref) name(owner *v1beta1.Canary) string {
	if r.key.Namespace == "" || r.key.Namespace == owner.Namespace {
		return r.kind.Kind + " " + r.key.Name
	}
	return r.kind.Kind + " " + r.key.String()
}

func uidOf(live client.Object) types.UID {
	if live == nil {
		return ""
	}
	return live.GetUID()
}
