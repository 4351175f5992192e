package cluster

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// The cluster's certificates live a month: longer than any test, shorter than
// what one would forget on a machine.
const certificateLife = 30 * 24 * time.Hour

// identity is a certificate of the cluster and what the API server will see in
// it: a user by common name, its groups by organization.
type identity struct {
	name   string
	user   string
	groups []string
	hosts  []string
}

// identities are all that talk to the API server, and the API server itself.
// Each has a name of its own, so that an audit log says who asked.
func identities() []identity {
	admin := []string{"system:masters"}
	return []identity{
		{name: "apiserver", user: "kube-apiserver", hosts: []string{
			"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
			"localhost", "127.0.0.1", nodeIP, apiIP,
		}},
		{name: "apiserver-kubelet", user: "kube-apiserver-kubelet", groups: admin},
		{name: "admin", user: "admin", groups: admin},
		{name: "controller-manager", user: "system:kube-controller-manager"},
		{name: "scheduler", user: "system:kube-scheduler"},
		{name: "kubelet", user: "system:node:" + nodeName, groups: []string{"system:nodes"}, hosts: []string{nodeName, nodeIP}},
		{name: "kube-proxy", user: "system:kube-proxy"},
		{name: "coredns", user: "coredns", groups: []string{readers}},
		{name: "prometheus", user: "prometheus", groups: []string{readers}},
		{name: "istiod", user: "istiod", groups: admin},
		{name: "mesh", user: "mesh", groups: []string{readers}},
	}
}

// readers may see Pods, Services and what is behind them; see manifests/base.yaml.
const readers = "sluice-e2e:readers"

// authority signs the cluster's certificates.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// writePKI makes an authority, a certificate for every identity and the key
// pair that signs the tokens of ServiceAccounts.
func writePKI(l Layout, now time.Time) error {
	ca, err := newAuthority(now)
	if err != nil {
		return err
	}
	if err := writePair(l, "ca", ca.cert.Raw, ca.key); err != nil {
		return err
	}
	for _, id := range identities() {
		if err := ca.issue(l, id, now); err != nil {
			return fmt.Errorf("certificate of %q: %w", id.name, err)
		}
	}
	return writeTokenKeys(l)
}

func newAuthority(now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	draft := certificate(identity{user: "sluice-e2e"}, now)
	draft.IsCA = true
	draft.BasicConstraintsValid = true
	draft.KeyUsage |= x509.KeyUsageCertSign
	raw, err := x509.CreateCertificate(rand.Reader, draft, draft, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(raw)
	return &authority{cert: cert, key: key}, err
}

func (a *authority) issue(l Layout, id identity, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	draft := certificate(id, now)
	draft.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	raw, err := x509.CreateCertificate(rand.Reader, draft, a.cert, key.Public(), a.key)
	if err != nil {
		return err
	}
	return writePair(l, id.name, raw, key)
}

func certificate(id identity, now time.Time) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) // the reader never fails
	t := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: id.user, Organization: id.groups},
		// Clocks of the same machine agree, but not to the second boundary
		// that certificates are rounded to.
		NotBefore: now.Add(-time.Minute),
		NotAfter:  now.Add(certificateLife),
		KeyUsage:  x509.KeyUsageDigitalSignature,
	}
	for _, host := range id.hosts {
		if ip := net.ParseIP(host); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
			continue
		}
		t.DNSNames = append(t.DNSNames, host)
	}
	return t
}

func writeTokenKeys(l Layout) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	if err := writePEM(l.path("pki", "tokens.pub"), "PUBLIC KEY", public); err != nil {
		return err
	}
	return writeKey(l.key("tokens"), key)
}

func writePair(l Layout, name string, cert []byte, key crypto.Signer) error {
	if err := writePEM(l.cert(name), "CERTIFICATE", cert); err != nil {
		return err
	}
	return writeKey(l.key(name), key)
}

func writeKey(file string, key crypto.Signer) error {
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(file, "PRIVATE KEY", raw)
}

func writePEM(file, kind string, raw []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), 0o600)
}
