package notify

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/outbound"
)

// TestAddressesOfTenants has AlertProviders of every type that name a server, or a proxy, at loopback.
func TestAddressesOfTenants(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(s.Close)
	strict, err := outbound.NewAddresses(nil)
	require.NoError(t, err)
	for kind := range services() {
		for _, o := range []Options{{Address: s.URL + "/x"}, {Address: "http://example.com/x", Proxy: s.URL}, {Address: s.URL + "/x", Token: "t"}} {
			o.Addresses = strict
			n, err := New(kind, o)
			require.NoError(t, err)
			require.ErrorAs(t, n.Notify(t.Context(), Message{Text: "hello"}), new(*outbound.AddressError), kind)
		}
	}
}
