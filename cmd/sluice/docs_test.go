package main

import (
	"flag"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const flagsPage = "../../docs/operations/flags.md"

// printed are the operator's flags and their defaults, as -help prints them.
func printed(t *testing.T) map[string]string {
	t.Helper()
	var out strings.Builder
	_, err := parse([]string{"-help"}, nothing, &out)
	require.ErrorIs(t, err, flag.ErrHelp)
	found := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^  -(\S+).*\n\s+(.*)$`).FindAllStringSubmatch(out.String(), -1) {
		found[m[1]] = ""
		if d := regexp.MustCompile(`\(default "?(.*?)"?\)$`).FindStringSubmatch(m[2]); d != nil {
			found[m[1]] = d[1]
		}
	}
	require.NotEmpty(t, found)
	return found
}

// documented are the flags in the tables of one program's part of the page, with their rows.
func documented(t *testing.T, program string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(flagsPage)
	require.NoError(t, err)
	_, part, ok := strings.Cut(string(text), "# Flags of the "+program+"\n")
	require.True(t, ok)
	part, _, _ = strings.Cut(part, "\n# ")
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `-([a-z0-9-]+)`(.*)$").FindAllStringSubmatch(part, -1) {
		rows[m[1]] = m[2]
	}
	return rows
}

func TestFlagsAreDocumented(t *testing.T) {
	rows := documented(t, "operator")
	for name, value := range printed(t) {
		if name == "kubeconfig-service-mesh" { // it has a paragraph of its own
			continue
		}
		require.Contains(t, rows, name)
		if value != "" {
			require.Contains(t, rows[name], "`"+value+"`", "-%s has this default", name)
		}
	}
	for name := range rows {
		require.Contains(t, printed(t), name, "the page has a flag that there is not")
	}
}

// TestNamedFlagsExist looks for every flag that a page names.
func TestNamedFlagsExist(t *testing.T) {
	known := append(slices.Sorted(maps.Keys(printed(t))), slices.Sorted(maps.Keys(documented(t, "load tester")))...)
	known = append(known,
		"help", "up", "idle", "audit", "dir", "update", // of Go's and of the programs of e2e
		"primary", "canary", "value", "pattern", "gates", // ends of names
		"skip-crds", "show-managed-fields", "cascade", "force-conflicts", "for", "server-side", // of helm and kubectl
		"enable-metrics", "annotations-prefix", "sync-rate-limit", // of the nginx ingress controller
		"enable-prometheus-metrics", "serve-route-metrics", "source-poll-timeout", // of Skipper
		"metrics", "providers", // of Traefik
		"at", "complete", "expect", "prometheus", "provider", "replay", "replicas", "scrape-interval", "script", "strict", "with", // of kubectl sluice
		"limit", "all-namespaces", "waiting", "until", "run", "image", "timeout", "full", "skip-step", "override-gates", "reason", "to-run", "diff", "side", "pre", "color", "ascii", "watch", "output", "open", // and of its commands for clusters
	)
	seen := 0
	require.NoError(t, filepath.WalkDir("../../docs", func(file string, _ fs.DirEntry, err error) error {
		if !strings.HasSuffix(file, ".md") {
			return err
		}
		seen += named(t, file, known)
		return nil
	}))
	seen += named(t, "../../README.md", known)
	require.Greater(t, seen, 60)
}

func named(t *testing.T, page string, known []string) (seen int) {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	for _, m := range regexp.MustCompile("`--?([a-z][a-z-]*[a-z])[`=. ]").FindAllStringSubmatch(string(text), -1) {
		seen++
		require.Contains(t, known, m[1], page)
	}
	return seen
}
