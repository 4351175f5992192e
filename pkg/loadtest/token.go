package loadtest

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// bearing lets only callers with a token through; without a token to bear it lets everybody.
func bearing(token string, next http.Handler) http.Handler {
	if token == "" {
		return next
	}
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		// Hashes have one length, and comparing them takes one time: neither tells of the token.
		got := sha256.Sum256([]byte(given))
		if !strings.EqualFold(scheme, "bearer") || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			answer(w, http.StatusUnauthorized, "a bearer token is asked for, and this one is missing or wrong")
			return
		}
		next.ServeHTTP(w, r)
	})
}
