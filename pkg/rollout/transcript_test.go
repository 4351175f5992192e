package rollout_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/simulate"
)

var update = flag.Bool("update", false, "write the transcripts anew")

// rule parts a script from what it led to.
const rule = "---\n"

func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			script, want, found := strings.Cut(string(text), rule)
			require.True(t, found, "a transcript begins with its script")
			got, err := simulate.Play(script)
			require.NoError(t, err)
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(script+rule+got), 0o600))
				return
			}
			require.Equal(t, want, got)
		})
	}
}

// TestNoIntervalIsLost holds the timing: pods take two seconds, five steps ten seconds each, nothing else any.
func TestNoIntervalIsLost(t *testing.T) {
	got, err := simulate.Play("until Initialized\nset image v2\nuntil Succeeded\n")
	require.NoError(t, err)
	var moments []string
	for line := range strings.Lines(got) {
		if f := strings.Fields(line); len(f) > 2 && strings.HasSuffix(f[0], "s") && strings.HasPrefix(f[2], "weight=") {
			moments = append(moments, strings.Join(f[:3], " "))
		}
	}
	require.Subset(t, moments, []string{
		"4s Progressing weight=0",   // seen at once
		"6s Progressing weight=10",  // two seconds later its pods are there
		"16s Progressing weight=20", // and every step takes its interval
		"46s Progressing weight=50",
		"56s Promoting weight=50",
		"58s Finalising weight=0", // two seconds for the primary's pods
		"58s Succeeded weight=0",  // and none for proxies that take routes at once
	})
}
