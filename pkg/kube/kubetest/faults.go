package kubetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// ErrAway is what requests get while the server is away, and what open answers end with.
var ErrAway = errors.New("the API server is away")

// Faults is a line to the API server that fails as a test wants it. The zero value does not fail. Unlike a Crasher's it
// comes back.
type Faults struct {
	mu      sync.Mutex
	away    bool
	held    chan struct{} // closed when requests go on; nil: they are not held
	rate    float64
	random  *rand.Rand
	open    map[*faultyBody]struct{}
	expired map[string]bool // paths whose next watch begins at a version that is gone
	failed  int
}

// Wrap gives a configuration whose clients go through the line. Those of one operator share it.
func (f *Faults) Wrap(cfg *rest.Config) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return &faulty{Faults: f, next: next} })
	return cfg
}

// Away cuts the line, with all watches, until it is called with false.
func (f *Faults) Away(away bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away = away; !away {
		return
	}
	for b := range f.open {
		b.cut()
	}
}

// Compacted cuts all watches, and has those that go on find that the server has forgotten the versions since.
func (f *Faults) Compacted() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expired = map[string]bool{}
	for b := range f.open {
		f.expired[b.path] = true
		b.cut()
	}
}

// Hold has requests wait, as those of a process that is stopped, until it is called with false.
func (f *Faults) Hold(held bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case held && f.held == nil:
		f.held = make(chan struct{})
	case !held && f.held != nil:
		close(f.held)
		f.held = nil
	}
}

// At has a share of the requests fail, in one of the ways that there are: refused by 409, 429, 500 and 503, cut before they
// are sent, carried out without an answer, or with half of one. Watches end after a while. The same seed gives the same
// failures to the same requests.
func (f *Faults) At(rate float64, seed uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rate, f.random = rate, rand.New(rand.NewPCG(seed, seed))
}

// Failed is how many requests have failed so, or met a version that is gone.
func (f *Faults) Failed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

type faulty struct {
	*Faults
	next http.RoundTripper
}

// failure is one way in which a request fails.
type failure int

const (
	none failure = iota
	conflicting
	throttled
	internal
	unavailable
	cut
	lost
	halved
	failures // how many there are
)

// RoundTrip implements http.RoundTripper.
func (f *faulty) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := f.wait(req); err != nil {
		return nil, err
	}
	call := parse(req)
	how, gone := f.fate(req, call)
	if gone != nil {
		return gone, discard(req)
	}
	switch how {
	case conflicting:
		return answered(req, http.StatusConflict, metav1.StatusReasonConflict), discard(req)
	case throttled:
		return answered(req, http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests), discard(req)
	case internal:
		return answered(req, http.StatusInternalServerError, metav1.StatusReasonInternalError), discard(req)
	case unavailable:
		return answered(req, http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable), discard(req)
	case cut:
		return nil, errors.Join(ErrAway, discard(req))
	default: // it is carried out
	}
	resp, err := f.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if how == lost {
		_ = resp.Body.Close()
		return nil, ErrAway
	}
	return f.follow(req, call, resp, how == halved)
}

// wait returns when the request may go on.
func (f *faulty) wait(req *http.Request) error {
	f.mu.Lock()
	held, away := f.held, f.away
	f.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-req.Context().Done():
			return errors.Join(req.Context().Err(), discard(req))
		}
	}
	if away {
		return errors.Join(fmt.Errorf("dial tcp: %w", ErrAway), discard(req))
	}
	return nil
}

// fate is how a request fails, if it does.
func (f *faulty) fate(req *http.Request, call Call) (failure, *http.Response) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if call.Verb == "watch" && f.expired[req.URL.Path] && req.URL.Query().Get("resourceVersion") != "" {
		delete(f.expired, req.URL.Path)
		f.failed++
		return none, answered(req, http.StatusGone, metav1.StatusReasonExpired)
	}
	if f.rate == 0 || f.random.Float64() >= f.rate {
		return none, nil
	}
	f.failed++
	how := failure(1 + f.random.IntN(int(failures)-1))
	if how == conflicting && !call.writes() {
		how = internal // reads have no conflicts
	}
	return how, nil
}

// follow keeps an answer that is open, so that it can be cut.
func (f *faulty) follow(req *http.Request, call Call, resp *http.Response, half bool) (*http.Response, error) {
	if half && call.Verb != "watch" {
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			return nil, err
		}
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(text[:len(text)/2]), ending{}))
		return resp, nil
	}
	if call.Verb != "watch" {
		return resp, nil
	}
	b := &faultyBody{ReadCloser: resp.Body, faults: f.Faults, path: req.URL.Path}
	resp.Body = b
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil {
		f.open = map[*faultyBody]struct{}{}
	}
	f.open[b] = struct{}{}
	if f.away {
		b.cut()
	}
	if half {
		time.AfterFunc(time.Duration(f.random.IntN(1000))*time.Millisecond, b.cut)
	}
	return resp, nil
}

// ending is where an answer breaks off.
type ending struct{}

func (ending) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// faultyBody is the answer of a watch.
type faultyBody struct {
	io.ReadCloser
	faults *Faults
	path   string
	once   sync.Once
}

// cut ends it, whoever reads.
func (b *faultyBody) cut() { b.once.Do(func() { _ = b.ReadCloser.Close() }) }

// Close implements io.Closer.
func (b *faultyBody) Close() error {
	b.faults.mu.Lock()
	delete(b.faults.open, b)
	b.faults.mu.Unlock()
	b.cut()
	return nil
}

// discard closes the body of a request that is not sent, as a RoundTripper has to.
func discard(req *http.Request) error {
	if req.Body == nil {
		return nil
	}
	return req.Body.Close()
}

// answered is the server's answer that it failed.
func answered(req *http.Request, code int32, reason metav1.StatusReason) *http.Response {
	text, _ := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure,
		Code: code, Reason: reason, Message: "kubetest: " + strings.ToLower(string(reason)),
	})
	return &http.Response{
		StatusCode: int(code), Status: http.StatusText(int(code)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(text)),
		ContentLength: int64(len(text)), Request: req,
	}
}
