package metric

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// TestOperatorsCredentialsReachTheVendorOnly has a tenant's template that names the tenant's own server.
func TestOperatorsCredentialsReachTheVendorOnly(t *testing.T) {
	const elsewhere, flag = "for the vendor's own hosts over https only", "-allow-ambient-credentials"
	project := map[string][]byte{"project": []byte("p")}
	trusting := map[string][]byte{"project": []byte("p"), caKey: []byte("x")}
	cases := map[string]struct {
		reason, address string
		kind            v1beta1.MetricProviderType
		secret          map[string][]byte
		insecure, never bool
		region, want    string
	}{
		"GoogleDefault":    {reason: "The vendor's own address.", kind: "stackdriver", secret: project},
		"GoogleRegion":     {reason: "The vendor has hosts for regions.", kind: "stackdriver", secret: project, address: "https://monitoring.me-central2.rep.googleapis.com"},
		"GoogleTenant":     {reason: "A tenant's server would be sent the operator's token.", kind: "stackdriver", secret: project, address: "https://evil.example", want: elsewhere},
		"GoogleLookalike":  {reason: "Its name may end almost alike.", kind: "stackdriver", secret: project, address: "https://monitoring.googleapis.com.evil.example", want: elsewhere},
		"GoogleUser":       {reason: "What is before an @ is no host.", kind: "stackdriver", secret: project, address: "https://monitoring.googleapis.com@evil.example", want: elsewhere},
		"GooglePlain":      {reason: "Anybody on the way could read it.", kind: "stackdriver", secret: project, address: "http://monitoring.googleapis.com", want: elsewhere},
		"GooglePort":       {reason: "The vendor has no other port.", kind: "stackdriver", secret: project, address: "https://monitoring.googleapis.com:8443", want: elsewhere},
		"GoogleInsecure":   {reason: "Anybody could be the vendor.", kind: "stackdriver", secret: project, insecure: true, want: "insecureSkipVerify"},
		"GoogleAuthority":  {reason: "A tenant's authority could vouch for anybody.", kind: "stackdriver", secret: trusting, want: caKey},
		"GoogleNever":      {reason: "The operator may be told not to.", kind: "stackdriver", secret: project, never: true, want: flag},
		"AmazonDefault":    {reason: "The region's host.", kind: "cloudwatch"},
		"AmazonPrivate":    {reason: "An endpoint in a private network.", kind: "cloudwatch", address: "https://vpce-1-x.monitoring.eu-central-1.vpce.amazonaws.com"},
		"AmazonTenant":     {reason: "A tenant's server would be sent what it can repeat.", kind: "cloudwatch", address: "http://evil.example", want: elsewhere},
		"AmazonCustomer":   {reason: "Not all hosts of the domain are the vendor's.", kind: "cloudwatch", address: "https://evil.elb.eu-central-1.amazonaws.com", want: elsewhere},
		"AmazonInsecure":   {reason: "Anybody could be the vendor.", kind: "cloudwatch", insecure: true, want: "insecureSkipVerify"},
		"AmazonRegionHost": {reason: "The region becomes part of the host.", kind: "cloudwatch", region: "x.evil.example/#", want: "spec.provider.region is not the name of a region"},
		"AmazonNever":      {reason: "The operator may be told not to.", kind: "cloudwatch", never: true, want: flag},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p := v1beta1.MetricProvider{Type: tc.kind, Address: tc.address, Region: "eu-central-1", InsecureSkipVerify: tc.insecure}
			if tc.region != "" {
				p.Region = tc.region
			}
			if tc.secret != nil {
				p.SecretRef = &v1beta1.SecretRef{Name: "s"}
			}
			s := Settings{Secret: tc.secret, Identity: !tc.never, Pool: NewPool(nil)}
			if tc.secret[caKey] != nil {
				s.Secret[caKey] = authority(t)
			}
			_, err := New(p, s)
			if tc.want == "" {
				require.NoError(t, err, tc.reason)
				return
			}
			require.ErrorContains(t, err, tc.want, tc.reason)
		})
	}
}

// authority is the certificate of somebody, in PEM.
func authority(t *testing.T) []byte {
	t.Helper()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}
