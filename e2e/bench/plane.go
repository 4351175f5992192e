package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// patience is how long anything of the plane may take: seconds, on a machine that
// has nothing else to do.
const patience = 3 * time.Minute

const loopback = "127.0.0.1"

// Plane is a control plane beside whatever else runs on the machine: it has a
// directory and ports of its own, and is gone with this program.
type Plane struct {
	Kube, Kwok string // programs
	Bare       bool   // etcd and the API server alone

	dir       string
	address   string // of the API server
	etcd      string
	processes []*process
	admin     *rest.Config
}

// Start brings all up, in an empty directory.
func (p *Plane) Start(ctx context.Context, dir string) error {
	p.dir = dir
	addresses, err := free(2)
	if err != nil {
		return err
	}
	p.etcd, p.address = addresses[0], addresses[1]
	if err := p.credentials(); err != nil {
		return err
	}
	if p.admin, err = p.config(); err != nil {
		return err
	}
	if err := p.run(ctx, "etcd", p.etcdFlags(), p.answers("http://"+p.etcd+"/health")); err != nil {
		return err
	}
	if err := p.run(ctx, "kube-apiserver", p.serverFlags(), p.ready); err != nil {
		return err
	}
	if p.Bare {
		return nil
	}
	if err := p.run(ctx, "kube-controller-manager", p.managerFlags(), nil); err != nil {
		return err
	}
	return p.run(ctx, "kube-scheduler", p.schedulerFlags(), nil)
}

// Stop ends all of it. Nothing is saved.
func (p *Plane) Stop() {
	for i := len(p.processes) - 1; i >= 0; i-- {
		p.processes[i].end(syscall.SIGKILL)
	}
}

// usage is what each part has taken so far, by its name.
func (p *Plane) usage() (map[string]Usage, error) {
	taken := map[string]Usage{}
	for _, part := range p.processes {
		u, err := usage(part.pid())
		if err != nil {
			return nil, err
		}
		taken[part.name] = u
	}
	return taken, nil
}

// AuditLog is where the API server notes all requests.
func (p *Plane) AuditLog() string { return p.path("audit.log") }

// run starts one of the parts of the program that has them all.
func (p *Plane) run(ctx context.Context, name string, flags []string, ready func(context.Context) error) error {
	started, err := launch(p.dir, name, nil, append([]string{p.Kube, name}, flags...)...)
	if err != nil {
		return err
	}
	p.processes = append(p.processes, started)
	if ready == nil {
		return nil
	}
	return started.until(ctx, 100*time.Millisecond, ready)
}

func (p *Plane) config() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", p.kubeconfig(userAdmin))
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 1000, 2000
	config.UserAgent = userAdmin
	config.WarningHandler = rest.NoWarnings{}
	return config, nil
}

func (p *Plane) ready(ctx context.Context) error {
	secured, err := rest.HTTPClientFor(p.admin)
	if err != nil {
		return err
	}
	return answers(ctx, secured, "https://"+p.address+"/readyz")
}

func (p *Plane) answers(url string) func(context.Context) error {
	return func(ctx context.Context) error { return answers(ctx, http.DefaultClient, url) }
}

// answers takes anything but 200 for "not yet".
func answers(ctx context.Context, c *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := c.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	return nil
}

// free are addresses that nobody listens on. They are held until all are found,
// so that none is found twice.
func free(n int) ([]string, error) {
	var held []net.Listener
	var addresses []string
	for range n {
		l, err := net.Listen("tcp", loopback+":0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		held = append(held, l)
		addresses = append(addresses, l.Addr().String())
	}
	var errs []error
	for _, l := range held {
		errs = append(errs, l.Close())
	}
	return addresses, errors.Join(errs...)
}

// folder is a new directory for all that a run writes.
func folder() (string, error) { return os.MkdirTemp("", "sluice-bench-") }
