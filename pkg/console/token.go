package console

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// tokensKept bounds what callers can fill with tokens that nobody has.
	tokensKept = 4096
	// tokenTTL is how long what the API server says of a token is good for.
	tokenTTL = 10 * time.Second
	// loginsAtOnce bounds how many logins are tried at a time.
	loginsAtOnce = 8
)

// TokenLogin is the login by the token of an account, which is what `kubectl create token` prints. The API server reviews it again and
// again: one that is revoked ends the session.
type TokenLogin struct {
	Client   client.Client
	Sessions *Sessions
	Now      func() time.Time

	once  sync.Once
	turns chan struct{}
	mu    sync.Mutex
	known *lru.Cache // reviewed by the hash of a token
}

// reviewed is whose a token is; no user: nobody's.
type reviewed struct {
	user *User
	at   time.Time
}

// Mode implements Login.
func (l *TokenLogin) Mode() string { return ModeToken }

// Identify implements Login.
func (l *TokenLogin) Identify(r *http.Request) (*User, error) {
	found := l.Sessions.of(r)
	if found == nil || found.Token == "" {
		return nil, nil
	}
	user, err := l.review(r.Context(), found.Token)
	if user == nil || err != nil {
		return nil, err
	}
	named := *user
	named.session = found.ID
	return &named, nil
}

// Register implements Login.
func (l *TokenLogin) Register(mux *http.ServeMux) {
	mux.HandleFunc("POST /auth/login", func(w http.ResponseWriter, r *http.Request) {
		if err := l.login(w, r); err != nil {
			answerError(w, failureOf(err))
		}
	})
}

// Logout implements Login.
func (l *TokenLogin) Logout(w http.ResponseWriter, r *http.Request) { l.Sessions.end(w, r) }

// pasted is what is posted to log in.
type pasted struct {
	Token string `json:"token"`
}

func (l *TokenLogin) login(w http.ResponseWriter, r *http.Request) error {
	var p pasted
	if err := read(r, &p); err != nil {
		return err
	}
	token := strings.TrimSpace(p.Token)
	if token == "" {
		return failure(http.StatusUnauthorized, "paste the token of an account: kubectl create token NAME")
	}
	l.prepare()
	select { // who is logged in is not kept waiting by who tries
	case l.turns <- struct{}{}:
		defer func() { <-l.turns }()
	default:
		return failure(http.StatusTooManyRequests, "too many people log in at the moment")
	}
	user, err := l.review(r.Context(), token)
	switch {
	case err != nil:
		return err
	case user == nil:
		return failure(http.StatusUnauthorized, "the API server does not know this token, or not any more")
	}
	if err := l.Sessions.begin(w, session{Token: token}); err != nil {
		return failure(http.StatusBadRequest, "the token is too long for a cookie")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (l *TokenLogin) prepare() {
	l.once.Do(func() { l.turns, l.known = make(chan struct{}, loginsAtOnce), lru.New(tokensKept) })
}

// review asks the API server whose a token is, unless it was asked a moment ago.
func (l *TokenLogin) review(ctx context.Context, token string) (*User, error) {
	l.prepare()
	key := sha256.Sum256([]byte(token))
	l.mu.Lock()
	known, ok := l.known.Get(key)
	l.mu.Unlock()
	if ok && l.Now().Sub(known.(reviewed).at) < tokenTTL {
		return known.(reviewed).user, nil
	}
	ctx, stop := context.WithTimeout(ctx, reviewDeadline)
	defer stop()
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	if err := l.Client.Create(ctx, review); err != nil {
		return nil, fmt.Errorf("review a token: %w", err)
	}
	var user *User
	if review.Status.Authenticated {
		user = userOf(review.Status.User)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known.Add(key, reviewed{user: user, at: l.Now()})
	return user, nil
}

func userOf(info authenticationv1.UserInfo) *User {
	u := &User{Name: info.Username, UID: info.UID, Groups: info.Groups, Extra: map[string][]string{}}
	for key, value := range info.Extra {
		u.Extra[key] = value
	}
	return u
}
