package chart

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// repository is the root of this one.
func repository(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	return root
}

func helm(t *testing.T) Helm {
	t.Helper()
	h, err := Find(t.Context(), repository(t))
	require.NoError(t, err)
	return h
}

// render renders a chart with values, and fails for all that is no valid object.
func render(t *testing.T, h Helm, chart string, set ...string) []client.Object {
	t.Helper()
	var args []string
	for _, s := range set {
		args = append(args, "--set", s)
	}
	objects, err := h.Template(t.Context(), chart, args...)
	require.NoError(t, err)
	return objects
}

// find returns the only object of a type and name.
func find[T client.Object](t *testing.T, all []client.Object, name string) T {
	t.Helper()
	var found []T
	for _, o := range all {
		if typed, ok := o.(T); ok && o.GetName() == name {
			found = append(found, typed)
		}
	}
	require.Len(t, found, 1, "objects named %q among %v", name, ids(all))
	return found[0]
}

// ids are kinds and names, sorted.
func ids(all []client.Object) []string {
	var out []string
	for _, o := range all {
		out = append(out, o.GetObjectKind().GroupVersionKind().Kind+"/"+o.GetName())
	}
	slices.Sort(out)
	return out
}

func args(t *testing.T, all []client.Object, name string) []string {
	t.Helper()
	return find[*appsv1.Deployment](t, all, name).Spec.Template.Spec.Containers[0].Args
}

// rules are a role's rules, one line for each resource.
func rules(from []rbacv1.PolicyRule) []string {
	var out []string
	for _, r := range from {
		for _, group := range r.APIGroups {
			for _, resource := range r.Resources {
				verbs := slices.Sorted(slices.Values(r.Verbs))
				name := strings.Join(append([]string{group, resource}, r.ResourceNames...), "/")
				out = append(out, name+": "+strings.Join(verbs, " "))
			}
		}
	}
	slices.Sort(out)
	return out
}

// enum is what the schema of the chart sluice allows for a value of its own.
func enum(t *testing.T, value string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository(t), "charts", "sluice", "values.schema.json"))
	require.NoError(t, err)
	var schema struct {
		Properties map[string]struct {
			Enum []string `json:"enum"`
		} `json:"properties"`
	}
	require.NoError(t, json.Unmarshal(text, &schema))
	require.NotEmpty(t, schema.Properties[value].Enum, value)
	return schema.Properties[value].Enum
}

// program builds one of the repository's own, as the Makefile does: what others have compiled is not compiled again.
func program(t *testing.T, name string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-tags=grpcnotrace", "-trimpath", "-o", file, "./cmd/"+name)
	cmd.Dir = repository(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return file
}

// flagsOf are the names of a program's flags, as it prints them.
func flagsOf(t *testing.T, file string) []string {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.CommandContext(t.Context(), file, "-help")
	cmd.Stderr = &said
	require.NoError(t, cmd.Run(), said.String())
	var names []string
	for line := range strings.Lines(said.String()) {
		if name, ok := strings.CutPrefix(line, "  -"); ok {
			names = append(names, strings.Fields(name)[0])
		}
	}
	require.NotEmpty(t, names, said.String())
	return names
}

// flagNames are the names in arguments of the form -name=value.
func flagNames(t *testing.T, args []string) []string {
	t.Helper()
	var names []string
	for _, arg := range args {
		name, _, ok := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
		require.True(t, ok, arg)
		names = append(names, name)
	}
	return names
}
