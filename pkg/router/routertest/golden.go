package routertest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
)

// Case is the content of an `.in.yaml` file.
type Case struct {
	// Reason says what the case is there to show.
	Reason string `json:"reason"`
	// APIVersions are what the cluster serves.
	APIVersions []string `json:"apiVersions"`
	// IngressClass and AnnotationsPrefix are the operator's flags of these names.
	IngressClass      string `json:"ingressClass"`
	AnnotationsPrefix string `json:"annotationsPrefix"`
	// Revision of the target, for providers that route by it.
	Revision string `json:"revision"`
	// Weight is the percentage of requests that the canary answers. The rest is as in rollout.Traffic.
	Weight  int  `json:"weight"`
	Matched bool `json:"matched"`
	Preview bool `json:"preview"`
	// PreviewOf is the step whose insiders they are, counted from one.
	PreviewOf int     `json:"previewOf"`
	Mirror    int     `json:"mirror"`
	Cookies   Cookies `json:"cookies"`
	// Leaving is that of router.Input.
	Leaving bool `json:"leaving"`
	// Example is a file in artifacts/examples. Its Canary stands for canary, its other objects are there to read.
	Example string                      `json:"example"`
	Canary  *v1beta1.Canary             `json:"canary"`
	Read    []unstructured.Unstructured `json:"read"`
}

// Cookies are those of rollout.Traffic.
type Cookies struct {
	Canary  string `json:"canary"`
	Primary string `json:"primary"`
	Expired string `json:"expired"`
}

// Golden renders every `.in.yaml` of a directory twice and compares what comes out with the `.out.yaml`
// beside it, or writes that where update is set. Each object must fit its provider's schema.
func Golden(t *testing.T, dir, provider string, update bool, schemas *Schemas) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.in.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, in := range files {
		name := strings.TrimSuffix(filepath.Base(in), ".in.yaml")
		t.Run(name, func(t *testing.T) {
			c := load(t, in)
			objects := c.render(t, provider)
			schemas.Validate(t, objects)
			text := document(t, objects)
			require.Equal(t, string(text), string(document(t, c.render(t, provider))), "rendered twice")
			compare(t, strings.TrimSuffix(in, ".in.yaml")+".out.yaml", text, update, c.Reason)
		})
	}
}

func load(t *testing.T, file string) Case {
	t.Helper()
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	c := Case{}
	require.NoError(t, yaml.UnmarshalStrict(raw, &c))
	require.NotEmpty(t, c.Reason, "every case says what it shows")
	if c.Example != "" {
		var rest []*unstructured.Unstructured
		c.Canary, rest = Example(t, c.Example)
		for _, o := range rest {
			c.Read = append(c.Read, *o)
		}
	}
	return c
}

// Example reads a file of artifacts/examples: its Canary, as the API server would have given it a UID, and what
// else is in it.
func Example(t testing.TB, name string) (c *v1beta1.Canary, rest []*unstructured.Unstructured) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("../../artifacts/examples", filepath.FromSlash(name)))
	require.NoError(t, err)
	for _, text := range bytes.Split(raw, []byte("\n---\n")) {
		o := &unstructured.Unstructured{}
		require.NoError(t, yaml.Unmarshal(text, &o.Object))
		if o.GetKind() != "Canary" {
			rest = append(rest, o)
			continue
		}
		c = &v1beta1.Canary{}
		require.NoError(t, yaml.UnmarshalStrict(text, c))
		c.UID = "6f1c7a52-1b3e-4e0b-9d53-0c3f8f0f9a11"
	}
	require.NotNil(t, c, "%s has no Canary", name)
	return c, rest
}

func (c Case) render(t *testing.T, provider string) []*unstructured.Unstructured {
	t.Helper()
	r, _, err := router.New(provider, router.Options{
		APIVersions: c.APIVersions, IngressClass: c.IngressClass, AnnotationsPrefix: c.AnnotationsPrefix,
	})
	require.NoError(t, err)
	in := router.Input{Canary: c.Canary, Revision: c.Revision, Leaving: c.Leaving, Read: map[router.Ref]*unstructured.Unstructured{}}
	in.Traffic = rollout.Traffic{
		Weight: c.Weight, Matched: c.Matched, Preview: c.Preview, PreviewOf: c.PreviewOf, Mirror: c.Mirror, Cookies: rollout.Cookies(c.Cookies),
	}
	for i := range c.Read {
		in.Read[refOf(&c.Read[i])] = &c.Read[i]
	}
	return Objects(t, render(t, r, in))
}

func document(t *testing.T, objects []*unstructured.Unstructured) []byte {
	t.Helper()
	var all [][]byte
	for _, o := range objects {
		text, err := yaml.Marshal(o.Object)
		require.NoError(t, err)
		all = append(all, text)
	}
	return bytes.Join(all, []byte("---\n"))
}

func compare(t *testing.T, file string, got []byte, update bool, reason string) {
	t.Helper()
	if update {
		require.NoError(t, os.WriteFile(file, got, 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), reason)
}
