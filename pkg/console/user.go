package console

import "net/http"

// The modes in which users log in.
const (
	ModeToken = "token" // they paste the token of an account
	ModeOIDC  = "oidc"  // an OpenID provider says who they are
	ModeProxy = "proxy" // a proxy in front says so
	ModeLocal = "local" // they have a one-time token, on loopback
)

// User is who asks.
type User struct {
	Name   string
	UID    string
	Groups []string
	Extra  map[string][]string

	session string // that is ended by a logout; empty: there is none
}

// Login finds out who asks.
type Login interface {
	// Mode is one of the modes.
	Mode() string
	// Identify is who asks; nil: nobody who is known. An error says that this could not be found out.
	Identify(r *http.Request) (*User, error)
	// Register adds the addresses below /auth/ that are needed to log in.
	Register(mux *http.ServeMux)
	// Logout makes a session useless.
	Logout(w http.ResponseWriter, r *http.Request)
}
