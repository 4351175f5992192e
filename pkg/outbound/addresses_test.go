package outbound

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAddresses(t *testing.T) {
	cases := map[string]struct {
		reason, address string
		allowed         []string
		refused         bool
	}{
		"Pod":            {reason: "The cluster's own addresses are what metrics are asked at.", address: "10.244.1.7"},
		"Public":         {reason: "So are those of the internet.", address: "93.184.216.34"},
		"Loopback":       {reason: "What is beside the operator trusts it.", address: "127.0.0.1", refused: true},
		"LoopbackOther":  {reason: "All of the range is loopback.", address: "127.8.9.1", refused: true},
		"Loopback6":      {reason: "In IPv6 too.", address: "::1", refused: true},
		"Mapped":         {reason: "And as IPv4 within IPv6.", address: "::ffff:127.0.0.1", refused: true},
		"Compatible":     {reason: "In its older form too.", address: "::7f00:1", refused: true},
		"Translated":     {reason: "And behind NAT64.", address: "64:ff9b::a9fe:a9fe", refused: true},
		"Unspecified":    {reason: "Linux takes it for loopback.", address: "0.0.0.0", refused: true},
		"ThisNetwork":    {reason: "So some do of the rest of the range.", address: "0.1.2.3", refused: true},
		"Metadata":       {reason: "Credentials of the machine are there.", address: "169.254.169.254", refused: true},
		"MetadataAWS6":   {reason: "AWS has one in IPv6.", address: "fd00:ec2::254", refused: true},
		"MetadataAli":    {reason: "Alibaba's is not link-local.", address: "100.100.100.200", refused: true},
		"MetadataAzure":  {reason: "Nor is Azure's.", address: "168.63.129.16", refused: true},
		"LinkLocal6":     {reason: "With a zone as well.", address: "fe80::1%eth0", refused: true},
		"Multicast":      {reason: "Nothing that is asked is there.", address: "224.0.0.1", refused: true},
		"Allowed":        {reason: "The operator's owner may allow one.", address: "127.0.0.1", allowed: []string{"127.0.0.1"}},
		"AllowedRange":   {reason: "Or a range.", address: "169.254.20.10", allowed: []string{"10.0.0.0/8", "169.254.20.0/24"}},
		"AllowedMapped":  {reason: "However it is written.", address: "::ffff:127.0.0.1", allowed: []string{"127.0.0.0/8"}},
		"AllowedAnother": {reason: "And no other.", address: "127.0.0.2", allowed: []string{"127.0.0.1"}, refused: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			a, err := NewAddresses(tc.allowed)
			require.NoError(t, err)
			require.Equal(t, tc.refused, a.refuses(netip.MustParseAddr(tc.address)), tc.reason)
			require.False(t, (*Addresses)(nil).refuses(netip.MustParseAddr(tc.address)), "The operator's own may be anywhere.")
		})
	}
	_, err := NewAddresses([]string{"localhost"})
	require.EqualError(t, err, `"localhost" is neither an address nor a range of them, as in 127.0.0.0/8`)
}

// TestDials has a server at loopback, which names lead to as well.
func TestDials(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(s.Close)
	strict, err := NewAddresses(nil)
	require.NoError(t, err)
	lenient, err := NewAddresses([]string{"127.0.0.1", "::1"})
	require.NoError(t, err)
	redirects := httptest.NewServer(http.RedirectHandler(s.URL, http.StatusFound))
	t.Cleanup(redirects.Close)
	for name, to := range map[string]string{
		"Literal":  s.URL,
		"Name":     strings.Replace(s.URL, "127.0.0.1", "localhost", 1),
		"Redirect": redirects.URL,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := get(t.Context(), NewClient(Options{Addresses: strict, Redirects: true}), to)
			require.ErrorAs(t, err, new(*AddressError))
			require.ErrorContains(t, Cause(err), "which -allow-addresses does not name")
			require.NotContains(t, Cause(err).Error(), "http", "Only the address is told.")
			for _, o := range []Options{{Addresses: lenient}, {}} {
				resp, err := get(t.Context(), NewClient(o), to)
				require.NoError(t, err)
				resp.Body.Close()
			}
		})
	}
}

// TestProxiesOfTenants has a proxy that a tenant names, at loopback.
func TestProxiesOfTenants(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(s.Close)
	proxy, err := url.Parse(s.URL)
	require.NoError(t, err)
	strict, err := NewAddresses(nil)
	require.NoError(t, err)
	_, err = get(t.Context(), NewClient(Options{Addresses: strict, Proxy: proxy}), "http://example.com/")
	require.ErrorAs(t, err, new(*AddressError), "A proxy that a tenant names is dialled like all else.")
}

// TestProxyOfTheEnvironment is exempt, and its targets are looked at by name.
func TestProxyOfTheEnvironment(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(s.Close)
	proxy, err := url.Parse(s.URL)
	require.NoError(t, err)
	strict, err := NewAddresses(nil)
	require.NoError(t, err)
	// As NewClient does with the environment's, which net/http reads once for the whole process.
	c := NewClient(Options{Addresses: strict})
	b := c.Transport.(*bounded)
	b.proxy = http.ProxyURL(proxy)
	b.next.Proxy = strict.checked(b.proxy)
	for host, refused := range map[string]bool{
		"example.com": false, "10.0.0.7": false, "prometheus.monitoring": false,
		"localhost": true, "LOCALHOST.": true, "x.localhost": true, "metadata.google.internal": true, "169.254.169.254": true,
		"[::1]": true, "2130706433": true, "0x7f.1": true, "127.1": true,
	} {
		resp, err := get(t.Context(), c, "http://"+host+"/")
		if refused {
			require.ErrorAs(t, err, new(*AddressError), host)
			continue
		}
		require.NoError(t, err, host)
		resp.Body.Close()
	}
}
