package install

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// stand puts a script into kubectl's place, since what is tested here is how it is called and listened to.
func stand(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "kubectl"), []byte("#!/bin/sh\n"+script), 0o700))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestRun(t *testing.T) {
	cases := map[string]struct {
		reason, script string
		want, shown    string
		wantErr        string
	}{
		"Shown": {
			reason: "A command is shown as it would be typed, and then what it says.",
			script: `echo "$@ on $KUBECONFIG"`,
			want:   "get pods on here\n",
			shown:  "$ kubectl get pods\nget pods on here\n",
		},
		"Fails": {
			reason:  "A failure says what was run and what it complained of.",
			script:  `echo no such pod >&2; exit 3`,
			shown:   "$ kubectl get pods\n",
			wantErr: "kubectl get pods: exit status 3: no such pod",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			stand(t, tc.script)
			shown := &bytes.Buffer{}
			out, err := Kubectl{Config: "here", Out: shown}.Run(t.Context(), "get", "pods")
			require.Equal(t, tc.shown, shown.String(), tc.reason)
			if tc.wantErr != "" {
				require.EqualError(t, err, tc.wantErr, tc.reason)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, out, tc.reason)
		})
	}
}

func TestApply(t *testing.T) {
	stand(t, `cat`)
	shown := &bytes.Buffer{}
	k := Kubectl{Out: shown}
	require.NoError(t, k.Apply(t.Context(), Manifest{Inline: "kind: Secret\n", Edits: []Edit{{"kind", "ConfigMap"}}}))
	require.Contains(t, shown.String(), "kind: ConfigMap\n", "what is applied is the edited text")
	require.ErrorContains(t, k.Apply(t.Context(), Manifest{Path: "gone.yaml", Edits: []Edit{{"kind", "x"}}}), "gone.yaml")
}

func TestLines(t *testing.T) {
	stand(t, `echo one; echo two`)
	var lines []string
	err := Kubectl{}.Lines(t.Context(), func(line string) { lines = append(lines, line) }, "get", "canary", "--watch")
	require.Equal(t, []string{"one", "two"}, lines)
	require.EqualError(t, err, "kubectl get canary --watch ended early", "a watch has no end of its own")
}
