package metric

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net/http"
)

// File tls.go has the clients of those who do not trust what the system does. Clients are kept by what they trust and
// not by whom they ask: a transport has one configuration, and connections are only kept with their transport.

// caKey is the key of a Secret with the certificates of authorities, in PEM.
const caKey = "ca.crt"

// trust is whom a provider believes.
type trust struct {
	ca       []byte // PEM; none: those of the system
	insecure bool   // anybody
}

func (c config) tls() trust {
	return trust{ca: c.Secret[caKey], insecure: c.spec.InsecureSkipVerify}
}

// key tells clients apart. It is a hash: bundles are long, and the same form is used for keys that are secret.
func (t trust) key() string {
	sum := sha256.Sum256(t.ca)
	return fmt.Sprintf("%s %t", hex.EncodeToString(sum[:]), t.insecure)
}

func (t trust) config() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: t.insecure} // the template says so
	if len(t.ca) == 0 {
		return cfg, nil
	}
	// In place of the system's authorities, not beside them: whoever names one wants no other to be believed.
	cfg.RootCAs = x509.NewCertPool()
	if !cfg.RootCAs.AppendCertsFromPEM(t.ca) {
		return nil, fmt.Errorf("key %q of the secret has no certificate that can be read", caKey)
	}
	return cfg, nil
}

// http is the client for those who trust alike. Most trust what the system does, and share one.
func (p *Pool) http(t trust) (*http.Client, error) {
	if len(t.ca) == 0 && !t.insecure {
		return p.client, nil
	}
	return kept(p, "tls "+t.key(), func() (*http.Client, error) {
		cfg, err := t.config()
		if err != nil {
			return nil, err
		}
		// What NewClient makes has this shape; a client of any other would not be bounded.
		c := NewClient(MaxAnswer)
		c.Transport.(bounded).next.(*http.Transport).TLSClientConfig = cfg
		return c, nil
	})
}
