package outbound

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
)

// Trust is whose certificates are believed. The zero value believes whom the system does.
type Trust struct {
	CA       []byte // certificates of authorities in PEM, in place of the system's: whoever names one wants no other
	Insecure bool   // anybody is believed
}

// ErrNoCertificate means that a bundle would make a client believe nobody.
var ErrNoCertificate = errors.New("has no certificate in PEM")

// Config is nil for the zero value. Its error is ErrNoCertificate.
func (t Trust) Config() (*tls.Config, error) {
	if t.Default() {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: t.Insecure} // the user says so
	if len(t.CA) == 0 {
		return c, nil
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(t.CA) {
		return nil, ErrNoCertificate
	}
	return c, nil
}

// Default says that the system's authorities are believed, and nobody else.
func (t Trust) Default() bool { return len(t.CA) == 0 && !t.Insecure }

// Key is the same for those who trust alike. It is a hash, since bundles are long.
func (t Trust) Key() string {
	sum := sha256.Sum256(t.CA)
	return fmt.Sprintf("%s %t", hex.EncodeToString(sum[:]), t.Insecure)
}
