// Package docs holds the pages to each other and to the files that they are about. Flags, fields, values and what
// providers can do are compared where they are defined.
package docs

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = ".."

// pages are what people read, by path, without what is code.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{"README.md": ""}
	require.NoError(t, filepath.WalkDir(filepath.Join(root, "docs"), func(file string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(file, ".md") {
			all[strings.TrimPrefix(filepath.ToSlash(file), "../")] = ""
		}
		return err
	}))
	code := regexp.MustCompile("(?s)\n *```.*?\n *```")
	for page := range all {
		text, err := os.ReadFile(filepath.Join(root, page))
		require.NoError(t, err)
		all[page] = code.ReplaceAllString(string(text), "")
	}
	return all
}

// headings are those of one depth, such as "##".
func headings(text, depth string) []string {
	var found []string
	for _, m := range regexp.MustCompile(`(?m)^`+depth+` (.+)$`).FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

// anchor is what a heading is called in links.
func anchor(heading string) string {
	words := regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(heading, "$1")
	kept := regexp.MustCompile(`[^\p{L}\p{N}_ -]`).ReplaceAllString(strings.ToLower(words), "")
	return strings.ReplaceAll(kept, " ", "-")
}

// links are where a page leads within the repository: path and anchor.
func links(page, text string) [][2]string {
	var found [][2]string
	for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(text, -1) {
		if strings.Contains(m[1], "://") {
			continue
		}
		file, place, _ := strings.Cut(m[1], "#")
		to := page
		if file != "" {
			to = path.Join(path.Dir(page), file)
		}
		found = append(found, [2]string{to, place})
	}
	return found
}

func TestLinksLeadSomewhere(t *testing.T) {
	all, seen := pages(t), 0
	for page, text := range all {
		for _, link := range links(page, text) {
			seen++
			_, err := os.Stat(filepath.Join(root, link[0]))
			require.NoError(t, err, "%s leads to %s", page, link[0])
			if link[1] == "" {
				continue
			}
			var there []string
			for _, h := range headings(all[link[0]], "#+") {
				there = append(there, anchor(h))
			}
			require.Contains(t, there, link[1], "%s leads to %s#%s", page, link[0], link[1])
		}
	}
	require.Greater(t, seen, 100)
}

func TestAnchor(t *testing.T) {
	cases := map[string]struct{ reason, heading, want string }{
		"Words":    {reason: "small letters and dashes", heading: "By hand", want: "by-hand"},
		"Code":     {reason: "marks are dropped", heading: "`a` is `b.c`?", want: "a-is-bc"},
		"Dashes":   {reason: "dashes stay", heading: "A/B and blue-green", want: "ab-and-blue-green"},
		"Link":     {reason: "of a link the text counts", heading: "See [more](x.md)", want: "see-more"},
		"Ellipsis": {reason: "no letter", heading: "`no … yet`", want: "no--yet"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, anchor(tc.heading), tc.reason) })
	}
}

// Whoever knows the page of one provider finds their way in all.
func TestProvidersHaveTheSameHeadings(t *testing.T) {
	seen := 0
	for page, text := range pages(t) {
		name, ok := strings.CutPrefix(page, "docs/providers/")
		if !ok || name == "README.md" {
			continue
		}
		seen++
		name = strings.TrimSuffix(name, ".md")
		require.Equal(t, []string{"Install", "What is generated", "What it can do", "Settling", "Troubleshooting"}, headings(text, "##"), page)
		require.Contains(t, text, "The provider", page)
		_, settling, _ := strings.Cut(text, "## Settling")
		require.Contains(t, settling, "`-settle", page)
		require.Contains(t, text, "](../../artifacts/examples/"+name+"/", page)
		whole, err := os.ReadFile(filepath.Join(root, page))
		require.NoError(t, err)
		require.Contains(t, string(whole), "\nkubectl apply -k kustomize/"+name+"\n", page)
	}
	require.Equal(t, 13, seen)
}

// TestSettling compares the table of delays with the overlays.
func TestSettling(t *testing.T) {
	text := pages(t)["docs/providers/README.md"]
	files, err := filepath.Glob(filepath.Join(root, "kustomize", "*", "kustomization.yaml"))
	require.NoError(t, err)
	seen := 0
	for _, file := range files {
		overlay, err := os.ReadFile(file)
		require.NoError(t, err)
		if m := regexp.MustCompile(`-settle=(\d+)s`).FindSubmatch(overlay); m != nil {
			seen++
			require.Contains(t, text, "| "+filepath.Base(filepath.Dir(file))+" | "+string(m[1])+" s |")
		}
	}
	require.Len(t, regexp.MustCompile(`(?m)^\| \w+ \| \d+ s \|`).FindAllString(text, -1), seen, "and no others are in the table")
}

// An example that no page leads to is not found by anybody.
func TestExamplesAreLinked(t *testing.T) {
	var linked []string
	for page, text := range pages(t) {
		for _, link := range links(page, text) {
			linked = append(linked, link[0])
		}
	}
	files, err := filepath.Glob(filepath.Join(root, "artifacts", "examples", "*", "*.yaml"))
	require.NoError(t, err)
	plain, err := filepath.Glob(filepath.Join(root, "artifacts", "examples", "*.yaml"))
	require.NoError(t, err)
	for _, file := range slices.Concat(files, plain) {
		name := strings.TrimPrefix(filepath.ToSlash(file), "../")
		require.True(t, slices.Contains(linked, name), name)
	}
}

// A picture that no page shows is kept up to date for nobody.
func TestPicturesAreShown(t *testing.T) {
	shown := map[string]bool{}
	for page, text := range pages(t) {
		for _, link := range links(page, text) {
			shown[link[0]] = true
		}
	}
	files, err := filepath.Glob(filepath.Join(root, "docs", "images", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		name := strings.TrimPrefix(filepath.ToSlash(file), "../")
		require.True(t, shown[name], name)
	}
}

// TestVersions holds the versions that were tried to those that are built and tested with.
func TestVersions(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "guides", "install.md"))
	require.NoError(t, err)
	for what, in := range map[string]struct{ file, pattern, form string }{
		"Kubernetes":                  {"e2e/build/kube/go.mod", `k8s\.io/kubernetes v(\S+)`, "$1"},
		"kubectl, with its kustomize": {"e2e/build/kubectl/go.mod", `k8s\.io/kubectl => k8s\.io/kubectl v0\.(\S+)`, "1.$1"},
		"Helm":                        {"e2e/build/helm/go.mod", `helm\.sh/helm/v4 v(\S+)`, "$1"},
		"Istio":                       {"e2e/build/istiod/go.mod", `istio\.io/istio v0\.0\.0-\d+-(\w+)`, "the commit $1 of its main branch; API "},
		"Gateway API":                 {"go.mod", `sigs\.k8s\.io/gateway-api v(\S+)`, "$1"},
	} {
		text, err := os.ReadFile(filepath.Join(root, in.file))
		require.NoError(t, err)
		pattern := regexp.MustCompile(in.pattern)
		found := pattern.FindString(string(text))
		require.NotEmpty(t, found, in.file)
		require.Contains(t, string(page), "\n| "+what+" | "+pattern.ReplaceAllString(found, in.form), "docs/guides/install.md has another version of %s", what)
	}
}
