package console

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// LocalLogin is the login on loopback: a token that is printed where the server was started, and is good once. Who has it is the user
// whose credentials the server has.
type LocalLogin struct {
	sessions *Sessions
	user     User

	mu    sync.Mutex
	token string // empty: it was used
}

// NewLocalLogin makes a login of one user, and its token.
func NewLocalLogin(user User, sessions *Sessions) (l *LocalLogin, token string) {
	l = &LocalLogin{sessions: sessions, user: user, token: randomText()}
	return l, l.token
}

// Mode implements Login.
func (l *LocalLogin) Mode() string { return ModeLocal }

// Identify implements Login.
func (l *LocalLogin) Identify(r *http.Request) (*User, error) {
	if err := onLoopback(r); err != nil {
		return nil, err
	}
	found := l.sessions.of(r)
	if found == nil {
		return nil, nil
	}
	user := l.user
	user.session = found.ID
	return &user, nil
}

// onLoopback is a failure where a browser was led here by a name that is not this machine's.
func onLoopback(r *http.Request) error {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	if address, err := netip.ParseAddr(host); host == "localhost" || err == nil && address.IsLoopback() {
		return nil
	}
	return failure(http.StatusForbidden, "this page is for the machine that it runs on: http://127.0.0.1")
}

// Register implements Login.
func (l *LocalLogin) Register(mux *http.ServeMux) {
	mux.HandleFunc("POST /auth/login", func(w http.ResponseWriter, r *http.Request) {
		if err := l.login(w, r); err != nil {
			answerError(w, failureOf(err))
		}
	})
}

func (l *LocalLogin) login(w http.ResponseWriter, r *http.Request) error {
	if err := onLoopback(r); err != nil {
		return err
	}
	var p pasted
	if err := read(r, &p); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.token == "" || subtle.ConstantTimeCompare([]byte(p.Token), []byte(l.token)) != 1 {
		return failure(http.StatusUnauthorized, "the token is not the one that was printed, or was used already; start the page anew")
	}
	if err := l.sessions.begin(w, session{}); err != nil {
		return err
	}
	l.token = ""
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// Logout implements Login.
func (l *LocalLogin) Logout(w http.ResponseWriter, r *http.Request) { l.sessions.end(w, r) }
