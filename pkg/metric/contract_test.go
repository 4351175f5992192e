package metric

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// everyone runs a test for each provider that is asked by HTTP.
func everyone(t *testing.T, test func(t *testing.T, kind v1beta1.MetricProviderType, c contestant)) {
	t.Helper()
	for kind, c := range contestants(t) {
		t.Run(string(kind), func(t *testing.T) { test(t, kind, c) })
	}
}

// ask puts the contestant's query to a server.
func ask(t *testing.T, kind v1beta1.MetricProviderType, c contestant, h http.HandlerFunc, change ...func(*Settings)) (float64, error) {
	t.Helper()
	p, s := c.provider(t, kind, serve(t, tokens(h)).URL)
	s.Timeout = time.Minute // of a machine that has a lot to do, too
	for _, one := range change {
		one(&s)
	}
	made, err := New(p, s)
	require.NoError(t, err)
	value, err := made.Query(t.Context(), c.query)
	if err != nil {
		keepsSecrets(t, err, c)
		require.True(t, strings.HasPrefix(err.Error(), string(kind)), "The error %q says whose it is.", err)
		require.Less(t, len(err.Error()), 2*maxText, "Errors end in conditions.")
	}
	return value, err
}

func keepsSecrets(t *testing.T, err error, c contestant) {
	t.Helper()
	for key, secret := range c.secret {
		require.NotContains(t, err.Error(), secret, "The secret's key %s is not for everybody to read.", key)
	}
	for _, secret := range []string{"s3cret", "PRIVATE KEY", strings.TrimPrefix(basic(c.secret["username"], c.secret["password"]), "Basic ")} {
		require.NotContains(t, err.Error(), secret)
	}
}

func TestContractCoversEveryProvider(t *testing.T) {
	all := contestants(t)
	for _, name := range Known() {
		if name == "job" || name == "keptn" { // they are asked through the Kubernetes API alone
			continue
		}
		require.Contains(t, all, v1beta1.MetricProviderType(name), "What is asked by HTTP has to keep the contract.")
	}
}

func TestContractAnswer(t *testing.T) {
	everyone(t, func(t *testing.T, kind v1beta1.MetricProviderType, c contestant) {
		got, err := ask(t, kind, c, c.answer)
		require.NoError(t, err)
		require.Equal(t, 2.5, got, "Of all the numbers in the answer this is the one that counts.")
	})
}

func TestContractNoData(t *testing.T) {
	everyone(t, func(t *testing.T, kind v1beta1.MetricProviderType, c contestant) {
		for i, h := range c.empty {
			_, err := ask(t, kind, c, h)
			require.ErrorIs(t, err, ErrNoData, "empty answer %d", i)
		}
	})
}

func TestContractNotANumber(t *testing.T) {
	everyone(t, func(t *testing.T, kind v1beta1.MetricProviderType, c contestant) {
		for _, h := range []http.HandlerFunc{c.wrong, answering(200, "<html>log in</html>")} {
			_, err := ask(t, kind, c, h)
			require.Error(t, err, "What is no number is a mistake, and never a zero.")
			require.NotErrorIs(t, err, ErrNoData, "Something was answered.")
		}
	})
}

func TestContractStatus(t *testing.T) {
	everyone(t, func(t *testing.T, kind v1beta1.MetricProviderType, c contestant) {
		for _, code := range []int{400, 401, 404, 429, 500, 503} {
			_, err := ask(t, kind, c, answering(code, ""))
			require.Error(t, err)
			require.NotErrorIs(t, err, ErrNoData, "A server that fails is not one without data.")
			if kind != "prometheus" || code != 400 { // which has its own words for a bad query
				require.ErrorContains(t, err, fmt.Sprint(code))
			}
		}
	})
}

func TestContractTimeout(t *testing.T) {
	everyone(t, func(t *testing.T, kind v1beta1.MetricProviderType, c contestant) {
		_, err := ask(t, kind, c, stalled, func(s *Settings) { s.Timeout = 60 * time.Millisecond })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "no answer within 60ms", "A slow server must not hold a round up.")
	})
}

func TestContractCancelled(t *testing.T) {
	everyone(t, func(t *testing.T, kind v1beta1.MetricProviderType, c contestant) {
		ctx, cancel := context.WithCancel(t.Context())
		p, s := c.provider(t, kind, serve(t, tokens(func(w http.ResponseWriter, r *http.Request) {
			cancel()
			stalled(w, r)
		})).URL)
		made, err := New(p, s)
		require.NoError(t, err)
		_, err = made.Query(ctx, c.query)
		require.ErrorIs(t, err, context.Canceled, "A round that is broken off ends at once, and says so: %v", err)
	})
}

func TestContractHuge(t *testing.T) {
	everyone(t, func(t *testing.T, kind v1beta1.MetricProviderType, c contestant) {
		h := c.huge
		if h == nil {
			h = huge
		}
		_, err := ask(t, kind, c, h)
		require.ErrorContains(t, err, "larger than 4194304 bytes", "No answer may eat the operator's memory.")
	})
}

func TestContractHugeCompressed(t *testing.T) {
	everyone(t, func(t *testing.T, kind v1beta1.MetricProviderType, c contestant) {
		if kind == "splunk" {
			return // it is not HTTP that the answer comes by
		}
		_, err := ask(t, kind, c, inCBOR(hugeCompressed)) // which is said to those who care alone
		require.ErrorContains(t, err, "larger than 4194304 bytes", "It is the size in memory that counts.")
	})
}

func TestContractRedirectLoop(t *testing.T) {
	everyone(t, func(t *testing.T, kind v1beta1.MetricProviderType, c contestant) {
		asked := 0
		_, err := ask(t, kind, c, func(w http.ResponseWriter, r *http.Request) {
			asked++
			http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
		})
		require.ErrorContains(t, err, "307", "A redirect would take credentials along, and may never end.")
		require.LessOrEqual(t, asked, 2)
	})
}

// TestContractEcho has a server that repeats all that it was sent.
func TestContractEcho(t *testing.T) {
	everyone(t, func(t *testing.T, kind v1beta1.MetricProviderType, c contestant) {
		_, err := ask(t, kind, c, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprintf(w, `{"message":"%v %s"}`, r.Header, r.URL)
		})
		require.ErrorContains(t, err, "500")
	})
}

func TestContractCredentialsInAddress(t *testing.T) {
	everyone(t, func(t *testing.T, kind v1beta1.MetricProviderType, c contestant) {
		p, s := c.provider(t, kind, "http://reader:s3cret@127.0.0.1:1/path?key=s3cret-key")
		s.Timeout = time.Second
		made, err := New(p, s)
		if err == nil {
			_, err = made.Query(t.Context(), c.query)
		}
		require.Error(t, err, "Nobody listens there.")
		keepsSecrets(t, err, c)
	})
}

func TestContractMissingKey(t *testing.T) {
	everyone(t, func(t *testing.T, kind v1beta1.MetricProviderType, c contestant) {
		for _, key := range providerKinds()[kind].needs {
			p, s := c.provider(t, kind, "http://127.0.0.1:1")
			delete(s.Secret, key)
			_, err := New(p, s)
			require.ErrorContains(t, err, fmt.Sprintf("secret %q has no key %q", "credentials", key), "The error names what is missing.")
			p.SecretRef, s.Secret = nil, nil
			_, err = New(p, s)
			if c.optio {
				require.NoError(t, err, "A server may answer everybody.")
				continue
			}
			require.ErrorContains(t, err, fmt.Sprintf("a secret with the key %q is needed", providerKinds()[kind].needs[0]))
		}
		require.Equal(t, c.optio, len(providerKinds()[kind].needs) == 0 || providerKinds()[kind].guest, "Who does without a Secret needs no key of it.")
	})
}

func TestContractAddress(t *testing.T) {
	everyone(t, func(t *testing.T, kind v1beta1.MetricProviderType, c contestant) {
		for _, address := range []string{"host:9090", "file:///etc/passwd", "http://u:s3cret@h:x y/"} {
			p, s := c.provider(t, kind, address)
			_, err := New(p, s)
			require.ErrorContains(t, err, "URL", address)
			keepsSecrets(t, err, c)
		}
	})
}

// certified serves TLS with a certificate of its own that ends at a given time, and returns it in PEM.
func certified(t *testing.T, h http.HandlerFunc, until time.Time) (string, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: until.Add(-48 * time.Hour), NotAfter: until, IsCA: true,
		BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	s := httptest.NewUnstartedServer(tokens(h))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of strangers it has much to say
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestContractTrust(t *testing.T) {
	valid, expired := time.Now().Add(24*time.Hour), time.Now().Add(-time.Hour)
	cases := map[string]struct {
		reason   string
		until    time.Time
		ca       func(pem []byte) []byte
		insecure bool
		want     string // part of the error; empty: none
		early    bool   // when it is made
	}{
		"Unknown":    {reason: "A stranger is not given credentials.", until: valid, want: "signed by an unknown authority"},
		"Known":      {reason: "The Secret names an authority.", until: valid, ca: func(p []byte) []byte { return p }},
		"Insecure":   {reason: "The template may trust anybody.", until: valid, insecure: true},
		"Expired":    {reason: "What was trusted once is not any more.", until: expired, ca: func(p []byte) []byte { return p }, want: "certificate has expired"},
		"Unreadable": {reason: "A key that is no certificate is named.", until: valid, ca: func([]byte) []byte { return []byte("s3cret") }, want: `"ca.crt"`, early: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			everyone(t, func(t *testing.T, kind v1beta1.MetricProviderType, c contestant) {
				url, authority := certified(t, c.answer, tc.until)
				p, s := c.provider(t, kind, url)
				p.InsecureSkipVerify = tc.insecure
				if tc.ca != nil && s.Secret == nil {
					s.Secret = map[string][]byte{}
				}
				if tc.ca != nil {
					s.Secret["ca.crt"] = tc.ca(authority)
				}
				made, err := New(p, s)
				require.Equal(t, tc.early, err != nil, "%v", err)
				if err == nil {
					_, err = made.Query(t.Context(), c.query)
				}
				if tc.want == "" {
					require.NoError(t, err, tc.reason)
					return
				}
				require.ErrorContains(t, err, tc.want, tc.reason)
				keepsSecrets(t, err, c)
				require.NotContains(t, err.Error(), "current time", "Conditions must not flap.")
			})
		})
	}
}

func TestContractDeterministic(t *testing.T) {
	everyone(t, func(t *testing.T, kind v1beta1.MetricProviderType, c contestant) {
		p, s := c.provider(t, kind, "http://127.0.0.1:1")
		made, err := New(p, s)
		require.NoError(t, err)
		_, first := made.Query(t.Context(), c.query)
		_, second := made.Query(t.Context(), c.query)
		require.ErrorContains(t, first, "connection refused")
		require.EqualError(t, second, first.Error(), "Errors end in conditions, which must not flap.")
		require.NotErrorIs(t, first, ErrNoData)
	})
}
