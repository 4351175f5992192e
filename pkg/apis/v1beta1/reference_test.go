package v1beta1_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
)

var update = flag.Bool("update", false, "write the reference instead of comparing it")

// page renders what the definition of a kind says about its fields. Users read the same sentences here
// and in `kubectl explain`.
func page(crd *apiextensions.CustomResourceDefinition, top apiextensions.JSONSchemaProps) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n<!-- Written by `make generate` from pkg/apis. -->\n\n", crd.Spec.Names.Kind)
	fmt.Fprintf(&b, "`%s/v1beta1`. %s\n", crd.Spec.Group, top.Description)
	for _, part := range []string{"spec", "status", "record"} {
		if _, there := top.Properties[part]; !there {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| Field | Type | Meaning |\n|---|---|---|\n", part, top.Properties[part].Description)
		rows(&b, "", top.Properties[part])
	}
	return b.String()
}

func rows(b *strings.Builder, path string, s apiextensions.JSONSchemaProps) {
	names := []string{}
	for name := range s.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		field := s.Properties[name]
		needed := ""
		if slices.Contains(s.Required, name) {
			needed = " **Required.**"
		}
		text := strings.ReplaceAll(strings.ReplaceAll(field.Description, "\n", " "), "|", `\|`)
		fmt.Fprintf(b, "| `%s` | %s | %s%s%s |\n", path+name, typeName(field), text, choices(field), needed)
		inner, suffix := element(field)
		rows(b, path+name+suffix+".", inner)
	}
}

// element is what a field's own fields are found in.
func element(s apiextensions.JSONSchemaProps) (inner apiextensions.JSONSchemaProps, suffix string) {
	switch {
	case s.Items != nil && s.Items.Schema != nil:
		return *s.Items.Schema, "[]"
	case s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil:
		return *s.AdditionalProperties.Schema, "{}"
	}
	return s, ""
}

func typeName(s apiextensions.JSONSchemaProps) string {
	switch inner, suffix := element(s); suffix {
	case "[]":
		return "list of " + typeName(inner)
	case "{}":
		return "map of " + typeName(inner)
	}
	switch {
	case s.XIntOrString:
		return "integer or string"
	case s.Format == "date-time":
		return "time"
	}
	return s.Type
}

func choices(s apiextensions.JSONSchemaProps) string {
	named := []string{}
	for _, value := range s.Enum {
		if value != "" {
			named = append(named, fmt.Sprintf("`%v`", value))
		}
	}
	if len(named) == 0 {
		return ""
	}
	return " One of " + strings.Join(named, ", ") + "."
}

func TestReference(t *testing.T) {
	const reason = "the reference says what the definitions say; `make generate` writes both"
	for _, plural := range []string{"canaries", "metrictemplates", "alertproviders", "canaryruns"} {
		t.Run(plural, func(t *testing.T) {
			crd := definition(t, plural)
			version, err := apiextensions.GetSchemaForVersion(crd, "v1beta1")
			require.NoError(t, err)
			file := filepath.Join(root, "docs", "reference", crd.Spec.Names.Singular+".md")
			got := page(crd, *version.OpenAPIV3Schema)
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
				require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, string(want), got, reason)
		})
	}
}

// explained says whether a field has a sentence, or is of a type whose words are Kubernetes' own.
func explained(path string, s apiextensions.JSONSchemaProps) []string {
	var silent []string
	for name, field := range s.Properties {
		if field.Description == "" {
			silent = append(silent, path+name)
		}
		inner, suffix := element(field)
		silent = append(silent, explained(path+name+suffix+".", inner)...)
	}
	return silent
}

func TestEveryFieldIsExplained(t *testing.T) {
	const reason = "users meet a field by its sentence, in kubectl explain and in the reference"
	for _, plural := range []string{"canaries", "metrictemplates", "alertproviders", "canaryruns"} {
		t.Run(plural, func(t *testing.T) {
			version, err := apiextensions.GetSchemaForVersion(definition(t, plural), "v1beta1")
			require.NoError(t, err)
			for _, part := range []string{"spec", "status", "record"} {
				require.Empty(t, explained(part+".", version.OpenAPIV3Schema.Properties[part]), reason)
			}
		})
	}
}

func TestDefinitionsAreCopied(t *testing.T) {
	const reason = "kustomize and helm install what the tests have tried; `make generate` copies it"
	for _, copied := range []string{"kustomize/base/crds", "charts/sluice/crds"} {
		for _, plural := range []string{"canaries", "metrictemplates", "alertproviders", "canaryruns"} {
			t.Run(copied+"/"+plural, func(t *testing.T) {
				name := "flagger.app_" + plural + ".yaml"
				want, err := os.ReadFile(filepath.Join(root, "artifacts", "crds", name))
				require.NoError(t, err)
				got, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(copied), name))
				require.NoError(t, err)
				require.Equal(t, string(want), string(got), reason)
			})
		}
	}
}
