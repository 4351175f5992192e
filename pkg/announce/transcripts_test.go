package announce

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTranscriptsSayAHandful reads what the machine was seen to say in every kind of rollout: no decision has more
// events than the API server takes of one object, and none repeats what was said last while nothing has changed.
func TestTranscriptsSayAHandful(t *testing.T) {
	files, err := filepath.Glob("../rollout/testdata/*.txt")
	require.NoError(t, err)
	require.Greater(t, len(files), 20)
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		said, state, told := 0, "", map[string]bool{}
		for line := range strings.Lines(string(text)) {
			words := strings.Fields(line)
			if len(words) == 0 {
				continue
			}
			switch words[0] {
			case "event", "WARN":
				said++
				require.LessOrEqual(t, said, maxFailedChecks+2, "%s, after %s", f, state)
				require.False(t, told[line], "%s: %sis said twice after %s", f, line, state)
				told[line] = true
			case "ALERT":
			default:
				said, state = 0, line
				clear(told)
			}
		}
	}
}
