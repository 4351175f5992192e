package rollout

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// turnCommand is how the gate or the switch of a load tester is turned that a hook asks; empty: the hook asks something else. The
// addresses are an interface: /gate/check is turned by /gate/open.
func turnCommand(h v1beta1.CanaryWebhook, n Names, kind, turn string) string {
	base, ok := strings.CutSuffix(h.URL, "/"+kind+"/check")
	if !ok {
		return ""
	}
	call := fmt.Sprintf(`curl -sd '{"name":%q,"namespace":%q}' %s/%s/%s`, n.Canary, n.Namespace, base, kind, turn)
	to, err := url.Parse(h.URL)
	if err != nil || to.User != nil {
		return "" // what is a secret is not told
	}
	// As Services are called: NAME.NAMESPACE, and what may come behind it.
	host := strings.Split(to.Hostname(), ".")
	if len(host) < 2 || len(host) > 2 && host[2] != "svc" {
		return call
	}
	return fmt.Sprintf("kubectl -n %s exec svc/%s -- %s", host[1], host[0], call)
}
