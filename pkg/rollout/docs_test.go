package rollout_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// words are the constants of one type, as the source has them.
func words(t *testing.T, file, kind string) []string {
	t.Helper()
	source, err := os.ReadFile(file)
	require.NoError(t, err)
	var found []string
	for _, m := range regexp.MustCompile(`(?m)^\t\w+ +`+kind+` += "(\w+)"`).FindAllStringSubmatch(string(source), -1) {
		found = append(found, m[1])
	}
	return found
}

// What people meet is explained: every reason of an event or of a wait is on the page where it is looked for.
func TestReasonsAreDocumented(t *testing.T) {
	cases := map[string]struct {
		reason, file, kind, page string
		least                    int
	}{
		"Events": {"events", "notices.go", "Reason", "../../docs/operations/troubleshooting.md", 25},
		"Waits":  {"the condition Waiting", "conditions.go", "Wait", "../../docs/concepts/machine.md", 12},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(tc.page)
			require.NoError(t, err)
			found := words(t, tc.file, tc.kind)
			require.Greater(t, len(found), tc.least)
			for _, word := range found {
				require.Regexp(t, "(?m)^(\\| )?`"+word+"`", string(text), tc.reason)
			}
		})
	}
}
