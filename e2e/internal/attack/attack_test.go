package attack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAttacksAreThere looks for every test that an attack names.
func TestAttacksAreThere(t *testing.T) {
	seen := 0
	for i, a := range Attacks() {
		require.Equal(t, i+1, a.Number, "none is left out")
		require.NotEmpty(t, a.Tests)
		for _, tests := range a.Tests {
			files, err := filepath.Glob(filepath.Join("../../..", tests.Package, "*_test.go"))
			require.NoError(t, err)
			var all strings.Builder
			for _, file := range files {
				text, err := os.ReadFile(file)
				require.NoError(t, err)
				all.Write(text)
			}
			for _, name := range strings.Split(tests.Names, "|") {
				seen++
				require.Regexp(t, `(?m)^func `+name, all.String(), "%d: %s", a.Number, tests.Package)
			}
		}
	}
	require.GreaterOrEqual(t, seen, 40)
}

// TestRun tries three attacks on a package that is made here: one is held off, one succeeds, one is not there.
func TestRun(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "go.mod"), []byte("module example.com/x\n\ngo 1.26\n"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(root, "pkg"), 0o700))
	const tests = "package x\n\nimport \"testing\"\n\nfunc TestHolds(t *testing.T) { t.Run(\"inner\", func(*testing.T) {}) }\nfunc TestFails(t *testing.T) { t.Fatal(\"leaks\") }\n"
	require.NoError(t, os.WriteFile(filepath.Join(root, "pkg", "x_test.go"), []byte(tests), 0o600))
	var out strings.Builder
	r := &Runner{Root: root, Dir: t.TempDir(), Out: &out}
	try := func(names string, full bool) error {
		return r.Run(t.Context(), []Attack{{Number: 7, What: "something", Tests: []Tests{{Package: "pkg", Names: names, Full: full}}}})
	}
	require.NoError(t, try("TestHolds", false))
	require.Regexp(t, `(?m)^  7  held     something: TestHolds, \d+\.\d s, \d+ MiB$`, out.String())
	require.NoError(t, try("TestFails", true))
	require.Contains(t, out.String(), "  7  in full  something\n")
	require.EqualError(t, try("TestHolds|TestFails", false), "attacks that are not held off: 7")
	require.Contains(t, out.String(), "leaks")
	require.ErrorContains(t, try("TestHolds|TestGone", false), "pkg has no test TestGone")
}
