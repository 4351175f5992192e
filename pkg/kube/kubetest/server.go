package kubetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	utilrand "k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/transport"
	certutil "k8s.io/client-go/util/cert"
)

// Binary is the environment variable that names the program which is etcd or
// kube-apiserver, depending on its first argument. Left empty, the program is
// built by e2e/build/build, which takes minutes once and no time afterwards.
const Binary = "SLUICE_KUBE_BINARY"

// patience is how long a server may take to become ready. It takes four
// seconds; a machine that also compiles takes many more.
const patience = 2 * time.Minute

// server is one etcd with one kube-apiserver on it, and all they keep on disk.
type server struct {
	dir       string
	token     string
	address   string
	store     string // etcd's address
	processes []*process
}

// start tries more than once: a port that was free when it was looked up may
// belong to somebody else a moment later.
func start(ctx context.Context, binary string) (*server, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for attempt := 1; ; attempt++ {
		s, err := launch(ctx, binary)
		if err == nil {
			return s, nil
		}
		s.stop()
		if attempt == 3 || ctx.Err() != nil {
			return nil, err
		}
	}
}

func launch(ctx context.Context, binary string) (*server, error) {
	dir, err := folder()
	if err != nil {
		return &server{}, err
	}
	s := &server{dir: dir, token: utilrand.String(32)}
	etcd, secure, err := ports()
	if err != nil {
		return s, err
	}
	s.address, s.store = "https://"+secure, etcd
	if err := s.credentials(); err != nil {
		return s, err
	}
	for name, flags := range map[string][]string{
		"etcd":           s.etcd(etcd),
		"kube-apiserver": s.apiserver(etcd, secure),
	} {
		p, err := spawn(filepath.Join(dir, name+".log"), binary, append([]string{name}, flags...)...)
		if err != nil {
			return s, err
		}
		s.processes = append(s.processes, p)
	}
	if err := s.ready(ctx); err != nil {
		return s, err
	}
	return s, nil
}

// credentials writes what the API server is started with: a certificate that
// signs itself, its key (which signs service account tokens as well), and the
// token of one administrator; and a kubeconfig with the other half of each.
func (s *server) credentials() error {
	cert, key, err := certutil.GenerateSelfSignedCertKey("127.0.0.1", nil, nil)
	if err != nil {
		return err
	}
	user := fmt.Sprintf("%s,admin,admin,system:masters\n", s.token)
	return errors.Join(
		os.WriteFile(s.path("tls.crt"), cert, 0o600),
		os.WriteFile(s.path("tls.key"), key, 0o600),
		os.WriteFile(s.path("tokens.csv"), []byte(user), 0o600),
		os.WriteFile(s.path(storeFile), []byte(s.store), 0o600),
		s.kubeconfig(cert),
	)
}

func (s *server) kubeconfig(cert []byte) error {
	c := api.NewConfig()
	c.Clusters["kubetest"] = &api.Cluster{Server: s.address, CertificateAuthorityData: cert}
	c.AuthInfos["admin"] = &api.AuthInfo{Token: s.token}
	c.Contexts["kubetest"] = &api.Context{Cluster: "kubetest", AuthInfo: "admin"}
	c.CurrentContext = "kubetest"
	return clientcmd.WriteToFile(*c, s.path("kubeconfig"))
}

func (s *server) etcd(address string) []string {
	return []string{
		"--data-dir=" + s.path("etcd"),
		"--listen-client-urls=http://" + address,
		"--advertise-client-urls=http://" + address,
		"--listen-peer-urls=http://127.0.0.1:0",
		"--log-level=error",
		// Nothing of this is to outlive the tests, so no write waits for a disk.
		"--unsafe-no-fsync",
	}
}

func (s *server) apiserver(etcd, secure string) []string {
	_, port, _ := strings.Cut(secure, ":")
	return []string{
		"--etcd-servers=http://" + etcd,
		"--bind-address=127.0.0.1",
		"--secure-port=" + port,
		"--cert-dir=" + s.dir,
		"--tls-cert-file=" + s.path("tls.crt"),
		"--tls-private-key-file=" + s.path("tls.key"),
		"--token-auth-file=" + s.path("tokens.csv"),
		"--anonymous-auth=false",
		"--authorization-mode=RBAC",
		"--service-account-issuer=" + s.address,
		"--service-account-key-file=" + s.path("tls.crt"),
		"--service-account-signing-key-file=" + s.path("tls.key"),
		"--service-cluster-ip-range=10.96.0.0/16",
		// Pods would wait for the token of an account that only the
		// controller-manager makes.
		"--disable-admission-plugins=ServiceAccount",
		"--endpoint-reconciler-type=none",
		"--enable-priority-and-fairness=false",
	}
}

// ready waits for the server to say so. Its own answer is asked for, since an
// open port comes seconds before the API is whole.
func (s *server) ready(ctx context.Context) error {
	secured, err := transport.New(&transport.Config{
		BearerToken: s.token,
		TLS:         transport.TLSConfig{CAFile: s.path("tls.crt")},
	})
	if err != nil {
		return err
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if healthy(ctx, &http.Client{Transport: secured}, s.address+"/readyz") {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready in time: %w\n%s", ctx.Err(), s.logs())
		case <-s.processes[0].done:
			return fmt.Errorf("a process ended early\n%s", s.logs())
		case <-s.processes[1].done:
			return fmt.Errorf("a process ended early\n%s", s.logs())
		case <-tick.C:
		}
	}
}

func healthy(ctx context.Context, c *http.Client, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := c.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err == nil && resp.StatusCode == http.StatusOK
}

// logs are the last lines of both programs.
func (s *server) logs() string {
	var out strings.Builder
	for _, name := range []string{"etcd", "kube-apiserver"} {
		text, err := os.ReadFile(s.path(name + ".log"))
		if err != nil {
			continue
		}
		lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
		lines = lines[max(0, len(lines)-15):]
		fmt.Fprintf(&out, "--- %s\n%s\n", name, bytes.Join(lines, []byte("\n")))
	}
	return out.String()
}

func (s *server) stop() {
	for _, p := range s.processes {
		p.kill()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

func (s *server) path(name string) string { return filepath.Join(s.dir, name) }

// binary finds the program, building it when nobody said where it is.
func binary(ctx context.Context) (string, error) {
	if path := os.Getenv(Binary); path != "" {
		return path, nil
	}
	script, err := above("e2e/build/build")
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, script, "kube")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s kube: %w", script, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// above looks for a file from here upwards: tests run in their package's
// folder, and the file is named from the root of the repository.
func above(name string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no %q in any folder above this one", name)
		}
		dir = filepath.Dir(dir)
	}
}
