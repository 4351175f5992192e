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
	// Weight is the percentage of requests that the canary answers.
	Weight int             `json:"weight"`
	Canary *v1beta1.Canary `json:"canary"`
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
	return c
}

func (c Case) render(t *testing.T, provider string) []*unstructured.Unstructured {
	t.Helper()
	r, _, err := router.New(provider, router.Options{APIVersions: c.APIVersions})
	require.NoError(t, err)
	in := router.Input{Canary: c.Canary, Traffic: rollout.Traffic{Weight: c.Weight}}
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
