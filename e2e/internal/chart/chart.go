// Package chart renders and installs the charts of this repository with the program that users do it with, and
// reads what comes out as strictly as an API server would.
//
//	Helm      the program, and where the charts are
//	Objects   what a rendered chart is made of
package chart

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Helm runs helm on the charts of a repository.
type Helm struct {
	Program    string
	Repository string
	Kubeconfig string // of the cluster to install on; empty: none is asked
}

// Find builds helm, or finds what was built before.
func Find(ctx context.Context, repository string) (Helm, error) {
	script := filepath.Join(repository, "e2e", "build", "build")
	cmd := exec.CommandContext(ctx, script, "helm")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return Helm{}, fmt.Errorf("%s helm: %w", script, err)
	}
	return Helm{Program: strings.TrimSpace(string(out)), Repository: repository}, nil
}

// Chart is where a chart is.
func (h Helm) Chart(name string) string { return filepath.Join(h.Repository, "charts", name) }

// Run runs a command and returns what it prints.
func (h Helm) Run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, h.Program, args...)
	// Nothing of this user's own settings, and of no cluster that was not asked for.
	cmd.Env = append(os.Environ(), "KUBECONFIG="+h.Kubeconfig, "HELM_NAMESPACE=", "HELM_DRIVER=secret")
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("helm %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(complaint.String()))
	}
	return out.String(), nil
}

// Template renders a chart as the release `test` of the namespace `release`.
func (h Helm) Template(ctx context.Context, chart string, args ...string) ([]client.Object, error) {
	text, err := h.Run(ctx, append([]string{"template", "test", h.Chart(chart), "--namespace", "release"}, args...)...)
	if err != nil {
		return nil, err
	}
	return Objects([]byte(text))
}

// foreign are groups whose types are not among our dependencies. Their objects are read without a schema.
func foreign(group string) bool {
	return group == "monitoring.coreos.com" || group == "policy.linkerd.io"
}

// Objects reads manifests. A field that a type does not have, or that is there twice, is an error.
func Objects(manifests []byte) ([]client.Object, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	strict := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	var all []client.Object
	for docs := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(manifests))); ; {
		text, err := next(docs)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		object, err := read(strict, text)
		if err != nil {
			return nil, fmt.Errorf("%w in\n%s", err, text)
		}
		if object != nil {
			all = append(all, object)
		}
	}
}

// next returns the next document whole; the decoder hands over no more than it is given room for.
func next(docs io.Reader) ([]byte, error) {
	const room = 1 << 20
	text := make([]byte, room)
	n, err := docs.Read(text)
	return text[:n], err
}

func read(strict runtime.Decoder, text []byte) (client.Object, error) {
	loose := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(text, &loose.Object); err != nil || len(loose.Object) == 0 {
		return nil, err
	}
	if foreign(loose.GroupVersionKind().Group) {
		return loose, nil
	}
	decoded, _, err := strict.Decode(text, nil, nil)
	if err != nil {
		return nil, err
	}
	object, ok := decoded.(client.Object)
	if !ok {
		return nil, fmt.Errorf("%T is no object", decoded)
	}
	return object, nil
}
