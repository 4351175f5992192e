package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	utilrand "k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	certutil "k8s.io/client-go/util/cert"
)

// The users of the plane. Each client has a name of its own, by which the audit
// log tells them apart.
const (
	userAdmin     = "bench"
	userSluice    = "sluice"
	userKwok      = "kwok"
	userManager   = "system:kube-controller-manager"
	userScheduler = "system:kube-scheduler"
)

// groups are what users may do. The operator is in none: it has the rights of its
// own manifests and no more.
var groups = map[string]string{
	userAdmin: "system:masters", userKwok: "system:masters", userSluice: "", userManager: "", userScheduler: "",
}

// credentials writes a certificate that signs itself, a token for each user and
// for each user a kubeconfig.
func (p *Plane) credentials() error {
	cert, key, err := certutil.GenerateSelfSignedCertKey(loopback, nil, nil)
	if err != nil {
		return err
	}
	var tokens strings.Builder
	for user, group := range groups {
		token := utilrand.String(32)
		fmt.Fprintf(&tokens, "%s,%s,%s,%q\n", token, user, user, group)
		if err := p.writeKubeconfig(user, token, cert); err != nil {
			return err
		}
	}
	return errors.Join(
		os.WriteFile(p.path("tls.crt"), cert, 0o600),
		os.WriteFile(p.path("tls.key"), key, 0o600),
		os.WriteFile(p.path("tokens.csv"), []byte(tokens.String()), 0o600),
		os.WriteFile(p.path("audit.yaml"), []byte(auditPolicy), 0o600),
	)
}

func (p *Plane) writeKubeconfig(user, token string, cert []byte) error {
	c := api.NewConfig()
	c.Clusters["bench"] = &api.Cluster{Server: "https://" + p.address, CertificateAuthorityData: cert}
	c.AuthInfos[user] = &api.AuthInfo{Token: token}
	c.Contexts["bench"] = &api.Context{Cluster: "bench", AuthInfo: user}
	c.CurrentContext = "bench"
	return clientcmd.WriteToFile(*c, p.kubeconfig(user))
}

func (p *Plane) kubeconfig(user string) string {
	return p.path(strings.ReplaceAll(user, ":", "-") + ".kubeconfig")
}

func (p *Plane) path(name string) string { return filepath.Join(p.dir, name) }
