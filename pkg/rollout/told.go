package rollout

import (
	"crypto/sha256"
	"encoding/hex"
)

// What people were told is remembered in the status, as a digest: whatever goes on is told once, and again only when it
// is about something else by then.

// specNews notes what is told of the spec, and says whether that is news.
func (t *transition) specNews(about string) bool {
	news := digest(about)
	// What another generation of the spec was told of is known no more.
	if t.Status.SpecTold == unknownTold && t.Status.ObservedGeneration == t.Generation {
		return false
	}
	t.next.SpecTold = news
	return t.Status.SpecTold != news
}

// noteWaiting notes what is waited for; of that nothing is told yet.
func (t *transition) noteWaiting(why Wait) {
	t.next.WaitingFor, t.next.WaitingTold = string(why), ""
	if t.Status.WaitingTold == unknownTold && t.waiting() == why {
		t.next.WaitingTold = unknownTold
	}
}

// waitingNews notes what is told of a wait that was just set, and says whether that is news.
func (t *transition) waitingNews(about string) bool {
	if t.next.WaitingTold == unknownTold {
		return false
	}
	t.next.WaitingTold = digest(about)
	return t.Status.WaitingFor != t.next.WaitingFor || t.Status.WaitingTold != t.next.WaitingTold
}

// digest stands for a text.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}
