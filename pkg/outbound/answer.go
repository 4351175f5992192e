package outbound

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode"
)

const (
	// MaxAnswer is the most bytes that an answer may have: ten thousand series of Prometheus, where one is asked for.
	MaxAnswer = 4 << 20
	// small is what nearly all answers are.
	small = 64 << 10
)

// TooLargeError means that an answer was cut off and thrown away.
type TooLargeError struct {
	Max int64 // bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the answer is larger than %d bytes", e.Max)
}

// bounded is above a transport that unpacks answers: it is their size in memory that counts.
type bounded struct {
	next  *http.Transport
	large *Large
	hosts *Hosts
	proxy func(*http.Request) (*url.URL, error) // the operator's own; nil: connections to it are like all others
}

// RoundTrip is the transport's, with a bounded answer.
func (b *bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.proxy != nil {
		r = mark(r, b.proxy)
	}
	depart := func() {}
	if b.hosts != nil {
		var err error
		if depart, err = b.hosts.enter(r.Context(), r.URL.Host); err != nil {
			return nil, err
		}
	}
	resp, err := b.next.RoundTrip(r)
	if err != nil {
		depart()
		return nil, err
	}
	resp.Body = &body{ReadCloser: resp.Body, ctx: r.Context(), large: b.large, depart: depart}
	return resp, nil
}

// CloseIdleConnections is what http.Client looks for.
func (b *bounded) CloseIdleConnections() { b.next.CloseIdleConnections() }

// body is an answer that is being read.
type body struct {
	io.ReadCloser
	ctx    context.Context // of the request
	large  *Large
	leave  func() // gives the place of a large answer back; nil: it has none
	depart func() // gives the place at its host back
	read   int64
}

// Read fails rather than ends when there is more than allowed: half an answer must not be judged.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.read += int64(n); b.read > MaxAnswer {
		return 0, &TooLargeError{Max: MaxAnswer}
	}
	if b.read > small && b.large != nil && b.leave == nil {
		leave, err := b.large.enter(b.ctx)
		if err != nil {
			return 0, err
		}
		b.leave = leave
	}
	return n, err
}

// Close gives a place back where the end of the request cannot be seen.
func (b *body) Close() error {
	if b.leave != nil && b.ctx.Done() == nil {
		b.leave()
	}
	b.depart()
	return b.ReadCloser.Close()
}

// Start is the beginning of an answer, of which the rest does not matter. One that breaks off is as good as what came.
func Start(answer io.Reader, most int) []byte {
	text, _ := io.ReadAll(io.LimitReader(answer, int64(most)))
	return text
}

// Line makes text fit for an event: valid, on one line, without what controls a terminal, and of a number of bytes at most but
// for the mark that there is more.
func Line(text string, most int) string {
	line := strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	line = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, line)
	if len(line) > most {
		return strings.ToValidUTF8(line[:most], "") + cut
	}
	return line
}
