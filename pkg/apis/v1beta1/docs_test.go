package v1beta1_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
)

// pages are the texts that people read, by path. The reference is left out: it is written from the types.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files := []string{filepath.Join(root, "README.md")}
	require.NoError(t, filepath.WalkDir(filepath.Join(root, "docs"), func(file string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(file, ".md") && !strings.Contains(file, "reference") {
			files = append(files, file)
		}
		return err
	}))
	all := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		all[strings.TrimPrefix(file, root+"/")] = string(text)
	}
	return all
}

// plurals are our kinds.
func plurals() map[string]string {
	return map[string]string{"Canary": "canaries", "MetricTemplate": "metrictemplates", "AlertProvider": "alertproviders", "CanaryRun": "canaryruns"}
}

// declares says whether a schema has a field, by its path; entries of lists are written a[] or a[0].
func declares(s *structuralschema.Structural, path string) bool {
	for key := range strings.SplitSeq(path, ".") {
		key, _, _ = strings.Cut(key, "[")
		for s.Items != nil {
			s = s.Items
		}
		switch next, ok := s.Properties[key]; {
		case ok:
			s = &next
		case s.AdditionalProperties != nil || s.XPreserveUnknownFields:
			return true
		default:
			return false
		}
	}
	return true
}

// others are fields of other kinds that the pages speak of.
func others(path string) bool {
	return slices.Contains([]string{
		"spec.replicas", "spec.selector.matchLabels", "spec.template.metadata.name", // workloads
		"spec.http", "spec.rules", "spec.traffic", // routes
	}, path)
}

// meant are the paths that a word of a text may stand for: within the Canary the beginning is often left out.
func meant(word string) []string {
	switch first, _, _ := strings.Cut(word, "."); first {
	case "spec", "status":
		return []string{word}
	case "analysis", "service":
		return []string{"spec." + word}
	default:
		return []string{"spec.analysis." + word}
	}
}

// TestDocumentedFields looks for every field that a page names: one that is misspelt, or has gone, misleads.
func TestDocumentedFields(t *testing.T) {
	var schemas []*structuralschema.Structural
	for plural := range maps.Values(plurals()) {
		schemas = append(schemas, serve(t, plural).structural)
	}
	code := regexp.MustCompile("(?s)```.*?```")
	foreign := regexp.MustCompile("(?m)^\\| `[^|]*\\|") // the first column speaks of the other product
	field := regexp.MustCompile("`((?:spec|status|analysis|service|metrics\\[\\]|webhooks\\[\\])\\.[A-Za-z0-9.\\[\\]]+)")
	seen := 0
	for page, text := range pages(t) {
		text = code.ReplaceAllString(text, "")
		if strings.Contains(page, "migrate-from-argo-rollouts") {
			text = foreign.ReplaceAllString(text, "|")
		}
		for _, m := range field.FindAllStringSubmatch(text, -1) {
			seen++
			found := others(m[1])
			for _, path := range meant(m[1]) {
				found = found || slices.ContainsFunc(schemas, func(s *structuralschema.Structural) bool { return declares(s, path) })
			}
			require.True(t, found, "%s names %s", page, m[1])
		}
	}
	require.Greater(t, seen, 100)
}

func TestDeclares(t *testing.T) {
	cases := map[string]struct {
		reason, path string
		want         bool
	}{
		"Field":    {reason: "one that is there", path: "spec.service.port", want: true},
		"Entry":    {reason: "within a list", path: "spec.analysis.metrics[].thresholdRange.max", want: true},
		"Misspelt": {reason: "one that is not", path: "spec.service.prot"},
		"Deep":     {reason: "nor within a list", path: "spec.analysis.metrics[0].thresholdRange.most"},
		"Scalar":   {reason: "a number has no fields", path: "spec.service.port.number"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, declares(serve(t, "canaries").structural, tc.path), tc.reason)
		})
	}
}

// documents are the manifests of our kinds in a text, in blocks of YAML and in commands that are given them.
func documents(text string) []string {
	var found []string
	for _, block := range regexp.MustCompile("(?s)\n *```\\w*\n(.*?)\n *```").FindAllStringSubmatch(text, -1) {
		body := block[1]
		if here := regexp.MustCompile("(?s)<<'END'\n(.*?)\nEND").FindStringSubmatch(body); here != nil {
			body = here[1]
		}
		for one := range strings.SplitSeq(body, "\n---\n") {
			if strings.HasPrefix(one, "apiVersion: flagger.app/v1beta1\n") {
				found = append(found, one)
			}
		}
	}
	return found
}

// accepted wants the server to take a manifest and to drop nothing of it.
func accepted(t *testing.T, where, manifest string) {
	t.Helper()
	kind, _ := parse(t, manifest)["kind"].(string)
	stored, errs := serve(t, plurals()[kind]).create(t, parse(t, manifest))
	require.Empty(t, errs, where)
	for key, given := range parse(t, manifest) {
		if key != "metadata" {
			kept(t, where+": "+key, given, stored[key])
		}
	}
}

// kept wants everything that was given to be stored; the server may add to it.
func kept(t *testing.T, path string, given, stored any) {
	t.Helper()
	switch g := given.(type) {
	case map[string]any:
		s, ok := stored.(map[string]any)
		require.True(t, ok, path)
		for key := range g {
			kept(t, path+"."+key, g[key], s[key])
		}
	case []any:
		s, ok := stored.([]any)
		require.True(t, ok, path)
		require.Len(t, s, len(g), path)
		for i := range g {
			kept(t, path, g[i], s[i])
		}
	default:
		require.Equal(t, given, stored, path)
	}
}

func TestDocumentedManifestsAreAccepted(t *testing.T) {
	seen := 0
	for page, text := range pages(t) {
		for _, manifest := range documents(text) {
			seen++
			accepted(t, page, manifest)
		}
	}
	require.Greater(t, seen, 15)
}

func TestEveryExampleIsAccepted(t *testing.T) {
	seen := 0
	require.NoError(t, filepath.WalkDir(filepath.Join(root, "artifacts", "examples"), func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(filepath.Join(root, "artifacts", "examples"), file)
		require.NoError(t, err)
		for _, manifest := range example(t, name) {
			if parse(t, manifest)["apiVersion"] == "flagger.app/v1beta1" {
				seen++
				accepted(t, name, manifest)
			}
		}
		return nil
	}))
	require.Greater(t, seen, 25)
}
