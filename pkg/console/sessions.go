package console

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"k8s.io/utils/lru"
)

const (
	// sessionLasts is how long a login is good for.
	sessionLasts = 8 * time.Hour
	// endedKept bounds how many sessions that were ended are remembered; they are forgotten when they would have ended by themselves.
	endedKept = 20000
	// mostCookie is how many bytes browsers take.
	mostCookie = 3900
	// shortestKey is the least length of a key that a file has.
	shortestKey = 32
)

// errCookieTooLarge means that a browser would not keep a session.
var errCookieTooLarge = errors.New("what is known of the user does not fit in a cookie")

// Sessions keeps logins in encrypted cookies.
type Sessions struct {
	seal   cipher.AEAD
	now    func() time.Time
	secure bool // only over TLS

	mu    sync.Mutex
	ended *lru.Cache // when a session that was ended would have ended by itself, by its id
}

// NewSessions has a key of its own, unless one is given: replicas that share it know each other's sessions. Without TLS cookies are
// sent over loopback alone, where browsers take no others.
func NewSessions(key []byte, secure bool, now func() time.Time) (*Sessions, error) {
	if key == nil {
		key = make([]byte, shortestKey)
		_, _ = rand.Read(key) // it ends the process rather than fail
	}
	if len(key) < shortestKey {
		return nil, fmt.Errorf("the key of sessions has %d bytes, and needs %d", len(key), shortestKey)
	}
	sum := sha256.Sum256(append([]byte("sluice console session\x00"), key...))
	block, err := aes.NewCipher(sum[:])
	if err != nil {
		return nil, err
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &Sessions{seal: seal, now: now, secure: secure, ended: lru.New(endedKept)}, nil
}

// session is what a cookie holds.
type session struct {
	ID      string    `json:"id"`
	Expires time.Time `json:"exp"`
	Token   string    `json:"token,omitempty"` // of mode token
	User    *User     `json:"user,omitempty"`  // of the other modes
}

func randomText() string {
	var b [24]byte
	_, _ = rand.Read(b[:]) // it ends the process rather than fail
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// cookieName is the name of a cookie. A browser takes one that begins with __Host- over TLS only, and sends it to no other host.
func (s *Sessions) cookieName(kind string) string {
	if s.secure {
		return "__Host-sluice-" + kind
	}
	return "sluice-" + kind
}

// put sets a cookie whose content only this server can read or make.
func (s *Sessions) put(w http.ResponseWriter, kind string, v any, lasts time.Duration, site http.SameSite) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	nonce := make([]byte, s.seal.NonceSize())
	_, _ = rand.Read(nonce) // it ends the process rather than fail
	value := base64.RawURLEncoding.EncodeToString(s.seal.Seal(nonce, nonce, text, []byte(s.cookieName(kind))))
	if len(value) > mostCookie {
		return errCookieTooLarge
	}
	http.SetCookie(w, &http.Cookie{
		Name: s.cookieName(kind), Value: value, Path: "/", MaxAge: int(lasts / time.Second), HttpOnly: true, Secure: s.secure, SameSite: site,
	})
	return nil
}

// take reads a cookie; false: there is none that this server has made.
func (s *Sessions) take(r *http.Request, kind string, v any) bool {
	cookie, err := r.Cookie(s.cookieName(kind))
	if err != nil {
		return false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || len(sealed) < s.seal.NonceSize() {
		return false
	}
	nonce, sealed := sealed[:s.seal.NonceSize()], sealed[s.seal.NonceSize():]
	text, err := s.seal.Open(nil, nonce, sealed, []byte(s.cookieName(kind)))
	return err == nil && json.Unmarshal(text, v) == nil
}

func (s *Sessions) drop(w http.ResponseWriter, kind string) {
	http.SetCookie(w, &http.Cookie{Name: s.cookieName(kind), Path: "/", MaxAge: -1, HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteStrictMode})
}

const sessionCookie = "session"

// begin begins a session.
func (s *Sessions) begin(w http.ResponseWriter, content session) error {
	content.ID, content.Expires = randomText(), s.now().Add(sessionLasts)
	return s.put(w, sessionCookie, content, sessionLasts, http.SameSiteStrictMode)
}

// of is the session of a request; nil: there is none, or it has ended.
func (s *Sessions) of(r *http.Request) *session {
	found := &session{}
	if !s.take(r, sessionCookie, found) || found.ID == "" || !s.now().Before(found.Expires) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ended := s.ended.Get(found.ID); ended {
		return nil
	}
	return found
}

// end makes the session of a request useless, whoever still has the cookie.
func (s *Sessions) end(w http.ResponseWriter, r *http.Request) {
	if found := s.of(r); found != nil {
		s.mu.Lock()
		s.ended.Add(found.ID, found.Expires)
		s.mu.Unlock()
	}
	s.drop(w, sessionCookie)
}
