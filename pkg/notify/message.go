// Package notify tells people, in the chat service they use, what happened to their rollouts.
//
// A Notifier is one channel of one service; there is one file for each service. Services are slow and
// limit how much is said, and a rollout must never wait for one of them. So nobody calls a Notifier
// who has anything else to do: messages go through a Queue, which keeps the order of each Canary's,
// tries again when a service asks for patience, and rather loses a message than holds anybody up.
//
// An address of a chat service is as good as a password, and so is a token: neither is ever part of
// an error. One test holds every Notifier to that.
package notify

import (
	"context"
	"fmt"
	"time"
)

// Notifier is one channel of a chat service.
// One method, so that a service is one file: when to send, again or at all is decided by others.
type Notifier interface {
	// Notify delivers a message, once. A *StatusError says what the service answered instead.
	Notify(ctx context.Context, m Message) error
}

// Severity is how bad the news is.
type Severity string

// The severities, of messages and as the least that somebody wants to hear of.
// Users write them into `spec.analysis.alerts`.
const (
	Info  Severity = "info"  // progress
	Warn  Severity = "warn"  // somebody has to act for the rollout to go on
	Error Severity = "error" // the rollout failed
)

// Message is one piece of news about a Canary. Services show the text and the fields; the rest is for
// templates, and for the webhook, whose readers are programs.
type Message struct {
	Severity  Severity
	Canary    string
	Namespace string
	Text      string
	Fields    []Field // in the order they are shown

	Time     time.Time
	Cluster  string  // empty where it has no name
	Target   string  // Example: `Deployment/podinfo`
	Phase    string  // of the Canary, now
	Revision string  // that is rolled out
	Weight   int     // percent of requests that the canary gets, now
	Images   []Image // that the revision changes
	Metric   *Metric // that failed last; nil: none did
	Reason   string  // of a failure or a wait; empty where the text says all

	Approval *Approval // that a person is asked for; nil: nobody is

	// Slack's threads go by it, and readers of the webhook.
	Rollout string // the same in all messages of one rollout; empty: it belongs to none
	Final   bool   // the rollout is over

	// So that it is not escaped twice: a template's own text may use the markup.
	marked bool // the text is in the service's own markup already
}

// Approval is what a person is asked for, and how it is given.
type Approval struct {
	Verb     string `json:"verb"`     // of the action: promote, or override for a gate
	Revision string `json:"revision"` // that waits
	Step     int    `json:"step"`     // that it waits at; zero: before the first
	Command  string `json:"command"`  // that gives it
	URL      string `json:"url,omitempty"`
}

// ApproveField is the field with the link by which an approval is given. Services that have buttons show one as well.
const ApproveField = "Approve"

// link is where an approval is given; empty: none is asked for, or there is no page for it.
func (m Message) link() string {
	if m.Approval == nil {
		return ""
	}
	return m.Approval.URL
}

// Field is a detail that is shown as a line of its own.
type Field struct {
	Name  string
	Value string
}

// Image is what one container runs.
type Image struct {
	Container string `json:"container"`
	Old       string `json:"old,omitempty"` // empty where it is not known, or there was no such container
	New       string `json:"new,omitempty"` // empty for a container that goes
}

// Metric is a number that was not accepted.
type Metric struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"` // empty: there was none
	Limit string `json:"limit,omitempty"` // that it was held against: `>= 99`
}

// subject is how services call what a message is about.
// subject is written as in all texts of this API, the name first: readers filter by it.
func (m Message) subject() string { return fmt.Sprintf("%s.%s", m.Canary, m.Namespace) }

// text is what a message says, for a service in whose markup plain text has to be escaped.
func (m Message) text(escape func(string) string) string {
	if m.marked {
		return m.Text
	}
	return escape(m.Text)
}

// plain is for services that show text as it is.
func plain(text string) string { return text }

// Wants says whether somebody who asked for news of a severity and worse is sent this one. Nothing
// asked for means everything.
func (least Severity) Wants(news Severity) bool { return news.rank() >= least.rank() }

// rank orders severities. What has no name here counts as info, so that it is heard of rather than not.
func (least Severity) rank() int {
	switch least {
	case Error:
		return 2
	case Warn:
		return 1
	default:
		return 0
	}
}
