// Command coredns is CoreDNS with the few plugins that a cluster of one node
// without a way out needs: answer from the API server, cache, say when ready.
// The full list would bring in the SDK of every cloud, and minutes of build.
package main

import (
	"log"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
)

func main() {
	// CoreDNS runs plugins in the order of this list, whatever the Corefile
	// says: an error is reported before the cache could hide it, and the
	// cache answers before the API server is asked.
	order := []string{"bind", "ready", "health", "errors", "cache", "kubernetes"}
	if err := dnsserver.SetDirectives(order); err != nil {
		log.Fatal(err)
	}
	coremain.Run()
}
