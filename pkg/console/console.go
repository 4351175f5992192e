// Package console is the server of the page: what rollouts there are, how they go on, and what people may do about them.
//
// It reads Canaries from a cache that is there anyway, and a stream tells a browser of changes as they come; while nobody looks nothing
// is done. Pods and events are read when they are asked for. Who asks is found out by a Login: an account's token, an OpenID provider,
// a proxy in front, or one-time tokens on loopback. What they may see and do is the API server's to say, by Rights: to read takes get
// or list on canaries, to act takes the action's verb.
//
// An action is the annotation that kubectl would write as well, by the user whose rights were reviewed. The server changes nothing else,
// and shows nothing that the status does not have.
package console

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fieldManager is who writes the annotation. Flux drops the fields of managers whose name begins with kubectl.
const fieldManager = "sluice-console"

// Config is what a Server is made of.
type Config struct {
	Cache cache.Cache   // of Canaries; others may use it as well
	API   client.Client // the API server itself: nothing of it is cached, and writes are sent whoever leads

	Login  Login
	Rights Rights
	Files  fs.FS // the page, with index.html at its top

	BasePath string // that all addresses begin with: /sluice; empty: none
	Version  string
	Cluster  string // its name, for people
	Provider string // of Canaries that name none
	Policies bool   // the admission policies are there, so that who acted is known

	Log    logr.Logger
	Now    func() time.Time // nil: the clock
	Limits Limits
}

// Limits are the bounds of what browsers can have a Server do. Zero values stand for the defaults.
type Limits struct {
	Streams     int           // at the same time; 500
	UserStreams int           // of one user; 20
	Coalesce    time.Duration // changes within are told together; 250 ms
	Ping        time.Duration // between signs of life; 15 s
	Review      time.Duration // between looks at the rights of who follows a stream; 60 s
	Write       time.Duration // that a reader may take for what is written to it; 10 s
	Apart       time.Duration // between two reads of the same pods or events; 2 s
	Action      time.Duration // that is waited for another action's answer; 5 s
}

func (l Limits) orDefaults() Limits {
	for _, n := range []struct {
		value *int
		or    int
	}{{&l.Streams, 500}, {&l.UserStreams, 20}} {
		if *n.value == 0 {
			*n.value = n.or
		}
	}
	for _, d := range []struct {
		value *time.Duration
		or    time.Duration
	}{
		{&l.Coalesce, 250 * time.Millisecond}, {&l.Ping, 15 * time.Second}, {&l.Review, time.Minute}, {&l.Write, 10 * time.Second},
		{&l.Apart, 2 * time.Second}, {&l.Action, 5 * time.Second},
	} {
		if *d.value == 0 {
			*d.value = d.or
		}
	}
	return l
}

// Server is the page's server.
type Server struct {
	Config
	hub     *hub
	streams *streams
	pods    *shared
	events  *shared
	index   []byte

	listing chan struct{} // held by who goes through all Canaries

	rowsMu sync.Mutex
	rows   *lru.Cache // view.Row by UID and resourceVersion

	ctx  context.Context // of all streams
	stop context.CancelFunc
}

// rowsKept bounds the rows that are kept for the next browser that is told of the same change.
const rowsKept = 1024

// listsAtOnce bounds how many requests go through all Canaries at a time: each needs memory for that.
const listsAtOnce = 4

// New makes a Server. Its Handler serves until Stop.
func New(c Config) (*Server, error) {
	if c.BasePath = strings.TrimRight(c.BasePath, "/"); c.BasePath != "" && !basePath.MatchString(c.BasePath) {
		return nil, fmt.Errorf("base path %q is not of the form /sluice", c.BasePath)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Login == nil || c.Rights == nil || c.Files == nil {
		return nil, errors.New("the page needs a login, rights and files")
	}
	c.Limits = c.Limits.orDefaults()
	index, err := indexOf(c.Files, c.BasePath)
	if err != nil {
		return nil, err
	}
	s := &Server{Config: c, index: index, rows: lru.New(rowsKept), streams: newStreams(c.Limits), listing: make(chan struct{}, listsAtOnce)}
	s.hub = newHub(c.Cache)
	s.pods, s.events = newShared(c.Limits.Apart, c.Now), newShared(c.Limits.Apart, c.Now)
	s.ctx, s.stop = context.WithCancel(context.Background()) //nolint:forbidigo // it ends with Stop, and no request's context would do
	return s, nil
}

// Stop ends all streams, so that a server that shuts down need not wait for them.
func (s *Server) Stop() { s.stop() }

// Handler serves the page and what it asks for.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	api := func(pattern string, serve func(http.ResponseWriter, *http.Request, *User) error) {
		mux.Handle(pattern, s.authenticated(serve))
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.Handle("GET /api/v1/me", http.HandlerFunc(s.serveMe))
	api("GET /api/v1/canaries", s.serveList)
	api("GET /api/v1/canaries/{ns}/{name}", s.serveCanary)
	api("GET /api/v1/canaries/{ns}/{name}/pods", s.servePods)
	api("GET /api/v1/canaries/{ns}/{name}/events", s.serveEvents)
	api("GET /api/v1/canaries/{ns}/{name}/runs", s.serveRuns)
	api("GET /api/v1/canaries/{ns}/{name}/runs/{n}", s.serveRun)
	api("POST /api/v1/canaries/{ns}/{name}/actions", s.serveAction)
	api("GET /api/v1/stream", s.serveStream)
	mux.HandleFunc("POST /auth/logout", s.serveLogout)
	s.Login.Register(mux)
	mux.HandleFunc("/api/", func(w http.ResponseWriter, _ *http.Request) {
		answerError(w, failure(http.StatusNotFound, "there is no such address"))
	})
	mux.HandleFunc("/auth/", func(w http.ResponseWriter, _ *http.Request) {
		answerError(w, failure(http.StatusNotFound, "there is no such address"))
	})
	mux.HandleFunc("/", s.serveFile)

	var h http.Handler = mux
	if s.BasePath != "" {
		below := http.NewServeMux()
		below.Handle(s.BasePath+"/", http.StripPrefix(s.BasePath, mux))
		below.Handle("GET "+s.BasePath, http.RedirectHandler(s.BasePath+"/", http.StatusMovedPermanently))
		below.Handle("GET /healthz", mux)
		h = below
	}
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answerError(w, failure(http.StatusForbidden, "the request comes from another site"))
	}))
	return s.secured(protection.Handler(h))
}

// requestDeadline bounds what is no stream, to read it and to answer it.
const requestDeadline = 30 * time.Second

// secured is what holds for all answers: headers, deadlines, and that a panic ends its own request alone.
func (s *Server) secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			found := recover()
			if err, is := found.(error); found == nil || is && errors.Is(err, http.ErrAbortHandler) {
				return
			}
			s.Log.Error(fmt.Errorf("panic: %v", found), "a request of the page's failed", "path", r.URL.Path)
			answerError(w, failure(http.StatusInternalServerError, "this went wrong; the operator's log says more"))
		}()
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cache-Control", "no-store")
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Now().Add(requestDeadline)) // who cannot is a test
		_ = control.SetWriteDeadline(time.Now().Add(requestDeadline))
		r.Body = http.MaxBytesReader(w, r.Body, mostBody)
		next.ServeHTTP(w, r)
	})
}

const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"

// authenticated serves who has logged in.
func (s *Server) authenticated(serve func(http.ResponseWriter, *http.Request, *User) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, err := s.user(r)
		if err == nil {
			err = serve(w, r, user)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
}

// fail answers with an error, and has the log tell of what is no mistake of the user's.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := failureOf(err)
	if f.code >= http.StatusInternalServerError && r.Context().Err() == nil {
		s.Log.Error(err, "the page was not answered", "path", r.URL.Path)
	}
	answerError(w, f)
}

// user is who asks, or a failure.
func (s *Server) user(r *http.Request) (*User, error) {
	user, err := s.Login.Identify(r)
	switch {
	case err != nil:
		return nil, err
	case user == nil:
		return nil, failure(http.StatusUnauthorized, "you are not logged in, or not any more")
	}
	return user, nil
}

// me is what a browser is told about who it is.
type me struct {
	User     string   `json:"user,omitempty"`
	Groups   []string `json:"groups,omitempty"`
	Mode     string   `json:"mode"`
	Login    string   `json:"login,omitempty"` // where to go to log in
	Version  string   `json:"version,omitempty"`
	Cluster  string   `json:"cluster,omitempty"`
	Policies bool     `json:"policies"`
	Error    string   `json:"error,omitempty"`
}

func (s *Server) serveMe(w http.ResponseWriter, r *http.Request) {
	m := me{Mode: s.Login.Mode()}
	if m.Mode == ModeOIDC {
		m.Login = "auth/login"
	}
	user, err := s.user(r)
	if err != nil {
		f := failureOf(err)
		if f.code >= http.StatusInternalServerError {
			s.fail(w, r, err)
			return
		}
		m.Error = f.text
		answer(w, f.code, m)
		return
	}
	m.User, m.Groups, m.Version, m.Cluster, m.Policies = user.Name, user.Groups, s.Version, s.Cluster, s.Policies
	answer(w, http.StatusOK, m)
}

// serveLogout makes a session useless, and ends its streams.
func (s *Server) serveLogout(w http.ResponseWriter, r *http.Request) {
	if user, err := s.Login.Identify(r); err == nil && user != nil {
		s.streams.end(user.session)
	}
	s.Login.Logout(w, r)
	w.WriteHeader(http.StatusNoContent)
}
