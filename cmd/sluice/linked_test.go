package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWhatIsNotCalledIsLeftOut builds the program as the Makefile does and has the linker tell why it kept what it
// kept. One function that calls methods by names known only at run time, as text/template's do, has it keep all methods
// of all types: a third more program, and memory with it.
func TestWhatIsNotCalledIsLeftOut(t *testing.T) {
	made, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	require.Contains(t, string(made), "TAGS := grpcnotrace\n", "this test builds as the Makefile does")

	build := exec.CommandContext(t.Context(), "go", "build", "-tags=grpcnotrace", "-trimpath", "-ldflags=-s -w -dumpdep",
		"-o", filepath.Join(t.TempDir(), "sluice"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%.2000s", out)
	require.Contains(t, string(out), "main.main -> ", "the linker tells nothing")
	var guilty []string
	for line := range strings.Lines(string(out)) {
		if from, _, _ := strings.Cut(line, " -> "); strings.Contains(from, "<ReflectMethod>") {
			guilty = append(guilty, from)
		}
	}
	require.Empty(t, guilty, "these call methods by name")
}
