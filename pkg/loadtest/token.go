package loadtest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
)

// Digest is the SHA-256 of a token: what callers bear can't be told from it.
type Digest [sha256.Size]byte

// ParseDigest reads a digest as sha256sum prints it.
func ParseDigest(text string) (*Digest, error) {
	raw, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(raw) != sha256.Size {
		return nil, errors.New("not the 64 hexadecimal digits of a SHA-256")
	}
	return (*Digest)(raw), nil
}

// DigestOf is the digest of a token.
func DigestOf(token string) *Digest {
	d := Digest(sha256.Sum256([]byte(token)))
	return &d
}

// bearing lets only callers with a token through; without a token to bear it lets everybody.
func bearing(want *Digest, next http.Handler) http.Handler {
	if want == nil {
		return next
	}
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
