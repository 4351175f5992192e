package metric

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
)

// File identity.go says who may see the operator's own credentials. Whoever writes a MetricTemplate chooses the address
// that is asked: what the operator is known by must reach nobody but the vendor.

// errNoIdentity names the flag, since the template may be right and the operator's installation another than expected.
var errNoIdentity = errors.New("the operator's own credentials are not used for metrics, as -allow-ambient-credentials says")

var (
	// awsRegion is what the vendor's hosts have in their names; the SDK puts it there as it is.
	awsRegion = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)
	// awsHosts are the region's own, those for FIPS and IPv6, and endpoints of private networks. Other hosts under the
	// same domain are customers'.
	awsHosts = regexp.MustCompile(`^([a-z0-9-]+\.)?monitoring(-fips)?\.[a-z0-9-]+\.(vpce\.)?(amazonaws\.com(\.cn)?|api\.aws)$`)
	// googleHosts are the vendor's, its regional ones, and endpoints of private networks.
	googleHosts = regexp.MustCompile(`^monitoring(-[a-z0-9]+\.p|\.[a-z0-9-]+\.rep|\.mtls)?\.googleapis\.com$`)
)

// identity is an error unless the operator's own credentials may be used for what c asks. An empty address is the vendor's.
func (c config) identity(hosts *regexp.Regexp) error {
	switch {
	case c.elsewhere:
		return nil
	case !c.Identity:
		return errNoIdentity
	case !c.trust().Default():
		// A tenant's authority would vouch for a tenant's server.
		return fmt.Errorf("the operator's own credentials are not used with insecureSkipVerify or a secret's %s", caKey)
	case c.address == "":
		return nil
	}
	u, err := url.Parse(c.address)
	if err != nil || u.Scheme != "https" || u.Port() != "" && u.Port() != "443" || !hosts.MatchString(u.Hostname()) {
		return errors.New("the operator's own credentials are used for the vendor's own hosts over https only, which spec.provider.address is not")
	}
	return nil
}
