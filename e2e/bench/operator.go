package bench

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"
)

// operator is the name of its process.
const operator = "sluice"

// Operator is the program under test, run as a process of this machine.
type Operator struct {
	program    string
	kubeconfig string
	dir        string
	peer       bool   // another operator of this API, with the flags that all have
	address    string // of its metrics, health and readiness

	process *process
}

// start runs it, and says how long it took to be ready.
func (o *Operator) start(ctx context.Context, extra ...string) (time.Duration, error) {
	addresses, err := free(1)
	if err != nil {
		return 0, err
	}
	o.address = addresses[0]
	_, port, _ := strings.Cut(o.address, ":")
	began := time.Now()
	flags, ready := []string{"-kubeconfig=" + o.kubeconfig, "-mesh-provider=istio", "-port=" + port}, "/healthz"
	if !o.peer {
		flags, ready = append(flags, "-allow-addresses=127.0.0.1"), "/readyz"
	}
	o.process, err = launch(o.dir, operator, nil, slices.Concat([]string{o.program}, flags, extra)...)
	if err != nil {
		return 0, err
	}
	err = o.process.until(ctx, 5*time.Millisecond, func(ctx context.Context) error {
		return answers(ctx, http.DefaultClient, "http://"+o.address+ready)
	})
	return time.Since(began), err
}

// stop lets it end as a pod that is replaced would.
func (o *Operator) stop() {
	if o.process != nil {
		o.process.end(syscall.SIGTERM)
	}
}

func (o *Operator) usage() (Usage, error) { return usage(o.process.pid()) }
