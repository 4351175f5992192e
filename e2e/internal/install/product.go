package install

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/sluice-cd/sluice/e2e/internal/cluster"
)

// Names under which the manifests of this repository know their images.
const (
	operatorImage = "docker.io/sluicecd/sluice:latest"
	testerImage   = "docker.io/sluicecd/loadtester:latest"
)

// Namespace is where the operator is.
const Namespace = "istio-system"

// Product is this repository on a cluster.
type Product struct {
	Kubectl
	Repository string // path of its root
}

// File is a path within the repository.
func (p Product) File(parts ...string) string {
	return filepath.Join(append([]string{p.Repository}, parts...)...)
}

// Images builds the images of the repository's Dockerfile from bin/, and puts them into the cluster of l,
// which can pull nothing.
func (p Product) Images(ctx context.Context, l cluster.Layout, progress io.Writer) error {
	for _, b := range []cluster.Build{
		{Tag: operatorImage, Args: []string{"BASE=scratch"}},
		{Tag: testerImage, Args: []string{"BASE=" + cluster.DebianBase}, Target: "loadtester"},
	} {
		b.Dockerfile, b.Context = p.File("Dockerfile"), p.Repository
		words := append([]string{"buildah"}, "bud", "--tag", b.Tag)
		for _, arg := range b.Args {
			words = append(words, "--build-arg", arg)
		}
		if b.Target != "" {
			words = append(words, "--target", b.Target)
		}
		p.show("$ %s\n", shell(append(words, b.Context)))
		if err := l.BuildImage(ctx, b, progress); err != nil {
			return err
		}
	}
	return nil
}

// Operator installs the operator and waits until it works. One that is there already is started again, since
// an image of the same name may have changed.
func (p Product) Operator(ctx context.Context) error {
	before, _ := p.Quiet(ctx, "get", "deployment", "sluice", "-n", Namespace, "-o", "name") // absent is fine
	if _, err := p.Run(ctx, "apply", "-k", p.File("kustomize", "istio")); err != nil {
		return err
	}
	if before != "" {
		if _, err := p.Run(ctx, "rollout", "restart", "deployment/sluice", "-n", Namespace); err != nil {
			return err
		}
	}
	return p.rolledOut(ctx, Namespace, "sluice")
}

// Gateway lets requests from outside into the mesh.
func (p Product) Gateway(ctx context.Context) error {
	return p.Apply(ctx, Manifest{Path: p.File("artifacts", "examples", "ingress-gateway.yaml")})
}

// Walk prepares what the walk through the examples finds: a namespace in the mesh with the application and
// the load tester.
func (p Product) Walk(ctx context.Context) error {
	if err := p.namespace(ctx, "test"); err != nil {
		return err
	}
	for _, part := range []string{"podinfo", "tester"} {
		if _, err := p.Run(ctx, "apply", "-k", p.File("kustomize", part)); err != nil {
			return err
		}
	}
	return p.rolledOut(ctx, "test", "podinfo", "flagger-loadtester")
}

// Tester is Walk without the application: the load tester for Canaries of all namespaces.
func (p Product) Tester(ctx context.Context) error {
	if err := p.namespace(ctx, "test"); err != nil {
		return err
	}
	if _, err := p.Run(ctx, "apply", "-k", p.File("kustomize", "tester")); err != nil {
		return err
	}
	return p.rolledOut(ctx, "test", "flagger-loadtester")
}

// Alerts makes the chat channel of the examples, which posts to address.
func (p Product) Alerts(ctx context.Context, address string) error {
	return p.Apply(ctx, Manifest{
		Path:  p.File("artifacts", "examples", "podinfo-alert.yaml"),
		Edits: []Edit{{"address", address}},
	})
}

// namespace makes a namespace of the mesh; one that is there is fine.
func (p Product) namespace(ctx context.Context, name string) error {
	have, _ := p.Quiet(ctx, "get", "namespace", name, "-o", "name")
	if have == "" {
		if _, err := p.Run(ctx, "create", "namespace", name); err != nil {
			return err
		}
	}
	_, err := p.Run(ctx, "label", "--overwrite", "namespace", name, "istio-injection=enabled")
	return err
}

func (p Product) rolledOut(ctx context.Context, namespace string, deployments ...string) error {
	for _, d := range deployments {
		if _, err := p.Run(ctx, "rollout", "status", "deployment/"+d, "-n", namespace, "--timeout=120s"); err != nil {
			return fmt.Errorf("%w\n%s", err, p.why(ctx, namespace))
		}
	}
	return nil
}

// why is what a person would look at next.
func (p Product) why(ctx context.Context, namespace string) string {
	pods, _ := p.Quiet(ctx, "get", "pods", "-n", namespace, "-o", "wide")
	events, _ := p.Quiet(ctx, "get", "events", "-n", namespace, "--sort-by=.lastTimestamp")
	lines := strings.Split(strings.TrimSpace(events), "\n")
	return pods + strings.Join(lines[max(0, len(lines)-10):], "\n")
}
