package page

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBlocks(t *testing.T) {
	text := strings.ReplaceAll(`# Page

'''
kubectl get pods
kubectl get services
'''

prints

'''
NAME
'''

'''yaml
kind: Canary
'''

1. indented

   '''
   A=$(true)
   echo "  $A"
   '''

'''
$ kubectl get canary
podinfo
'''
`, "'''", "```")
	blocks, err := Blocks(text)
	require.NoError(t, err)
	require.Equal(t, []Block{
		{Line: 4, Commands: "kubectl get pods\nkubectl get services", Output: "NAME"},
		{Line: 21, Commands: "A=$(true)\necho \"  $A\""},
		{Line: 26, Commands: "kubectl get canary", Output: "podinfo"},
	}, blocks)
	_, err = Blocks("```\nkubectl")
	require.EqualError(t, err, "the block at line 1 has no end")
}

func TestShows(t *testing.T) {
	cases := map[string]struct{ reason, printed, want, err string }{
		"Same":    {reason: "What is another one each time does not count.", want: "web   0/0   21s\nNAME 2026-11-22T05:48:34Z 10.96.1.2", printed: "created\nweb 0/0 1m4s\nmore\nNAME   2027-01-01T00:00:00Z   10.96.240.247"},
		"Number":  {reason: "Numbers of pods do.", want: "web   0/0   21s", printed: "web   4/4   21s", err: `nothing like "web 0/0 LONG" is printed`},
		"Order":   {reason: "So does the order.", want: "a\nb", printed: "b\na", err: `nothing like "b" is printed, or not in its place`},
		"Counted": {reason: "How many of fifty met a version is chance.", want: `     40   "version": "3.1.0"`, printed: `     38   "version": "3.1.0"`},
		"Version": {reason: "Which version it was is none.", want: `     40   "version": "3.1.0"`, printed: `     40   "version": "3.1.1"`, err: "3.1.0"},
		"LeftOut": {reason: "A page may leave lines out.", want: "a\n…\nb", printed: "a\nx\nb"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := Shows(tc.printed, tc.want)
			if tc.err == "" {
				require.NoError(t, err, tc.reason)
				return
			}
			require.ErrorContains(t, err, tc.err, tc.reason)
		})
	}
}

// TestPagesParse has bash read the commands of every page that the suite runs, without running them.
func TestPagesParse(t *testing.T) {
	for file, least := range map[string]int{
		"README.md": 3, "docs/guides/tutorial-istio.md": 8, "docs/guides/tutorial-gatewayapi.md": 9, "docs/guides/tutorial-kubernetes.md": 8,
		"docs/operations/lifecycle.md": 4,
	} {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", file))
		require.NoError(t, err)
		blocks, err := Blocks(string(text))
		require.NoError(t, err, file)
		require.GreaterOrEqual(t, len(blocks), least, file)
		for _, b := range blocks {
			cmd := exec.CommandContext(t.Context(), "bash", "-n")
			cmd.Stdin = strings.NewReader(b.Commands)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s:%d: %s", file, b.Line, out)
		}
	}
}
