package walk

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// Message is what an event says.
type Message struct {
	At      time.Time // when it was seen here
	Warning bool
	Reason  string
	Text    string
}

// Messages are the texts of a Canary's events in the order they were said. One that is said again counts
// again.
func Messages(entries []Entry, name string) []Message {
	var messages []Message
	said := map[types.UID]int32{}
	for _, e := range entries {
		event, ok := e.Object.(*corev1.Event)
		if !ok || e.Type == watch.Deleted || event.InvolvedObject.Kind != CanaryKind().Kind || event.InvolvedObject.Name != name {
			continue
		}
		count := max(event.Count, 1)
		if count <= said[event.UID] {
			continue
		}
		said[event.UID] = count
		messages = append(messages, Message{
			At: e.At, Warning: event.Type == corev1.EventTypeWarning, Reason: event.Reason, Text: event.Message,
		})
	}
	return messages
}

// Texts are the texts alone.
func Texts(messages []Message) []string {
	texts := make([]string, len(messages))
	for i, m := range messages {
		texts[i] = m.Text
	}
	return texts
}

// Later leaves out what was said before a moment.
func Later(messages []Message, moment time.Time) []Message {
	for i, m := range messages {
		if !m.At.Before(moment) {
			return messages[i:]
		}
	}
	return nil
}

// InOrder says whether the wanted texts were said, one after the other; others may come between. A star
// stands for anything.
func InOrder(texts []string, want ...string) error {
	rest := texts
	for _, w := range want {
		at := find(rest, w)
		if at < 0 {
			return fmt.Errorf("%q was not said, or not in its place\nsaid:\n  %s", w, strings.Join(texts, "\n  "))
		}
		rest = rest[at+1:]
	}
	return nil
}

// Said counts how often a text, in which a star stands for anything, was said.
func Said(texts []string, want string) int {
	count := 0
	for _, text := range texts {
		if find([]string{text}, want) == 0 {
			count++
		}
	}
	return count
}

// find looks for a text of the contract's. What is added to one comes after it.
func find(texts []string, want string) int {
	pattern := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(want), `\*`, ".*") + "([:;.] .*)?$")
	for i, text := range texts {
		if pattern.MatchString(text) {
			return i
		}
	}
	return -1
}
