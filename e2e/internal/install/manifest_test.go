package install

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const canary = `spec:
  analysis:
    interval: 1m
    iterations: 10
    metrics:
    - name: request-success-rate
      interval: 30s
`

func TestManifestText(t *testing.T) {
	file := filepath.Join(t.TempDir(), "canary.yaml")
	require.NoError(t, os.WriteFile(file, []byte(canary), 0o600))
	cases := map[string]struct {
		reason   string
		manifest Manifest
		want     string
		wantErr  string
	}{
		"Verbatim": {
			reason:   "Without edits the file is applied as it is.",
			manifest: Manifest{Path: file},
			want:     canary,
		},
		"EveryField": {
			reason:   "An edit reaches each field of that name, and keeps its indentation.",
			manifest: Manifest{Path: file, Edits: []Edit{{"interval", "10s"}}},
			want: `spec:
  analysis:
    interval: 10s
    iterations: 10
    metrics:
    - name: request-success-rate
      interval: 10s
`,
		},
		"SeveralEdits": {
			reason:   "Edits come one after the other, and a dollar is a dollar.",
			manifest: Manifest{Inline: "a: 1\nb: 2\n", Edits: []Edit{{"a", "$1"}, {"b", "x"}}},
			want:     "a: $1\nb: x\n",
		},
		"WholeName": {
			reason:   "A field whose name only ends alike is another field.",
			manifest: Manifest{Inline: "maxWeight: 5\nweight: 1\n", Edits: []Edit{{"weight", "2"}}},
			want:     "maxWeight: 5\nweight: 2\n",
		},
		"NoSuchField": {
			reason:   "An edit without an effect would test something else than it says.",
			manifest: Manifest{Inline: "a: 1\n", Edits: []Edit{{"b", "2"}}},
			wantErr:  `has no field "b"`,
		},
		"NoSuchFile": {
			reason:   "A file that went away is said.",
			manifest: Manifest{Path: file + ".gone"},
			wantErr:  "no such file",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			text, err := tc.manifest.Text()
			if tc.wantErr != "" {
				require.ErrorContains(t, err, tc.wantErr, tc.reason)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, string(text), tc.reason)
		})
	}
}

func TestManifestCommand(t *testing.T) {
	cases := map[string]struct {
		reason   string
		manifest Manifest
		want     string
	}{
		"File": {
			reason:   "What kubectl can read by itself needs nothing else.",
			manifest: Manifest{Path: "a.yaml"},
			want:     "kubectl apply -f a.yaml",
		},
		"Edited": {
			reason:   "Edits are shown as the filter that makes them.",
			manifest: Manifest{Path: "a.yaml", Edits: []Edit{{"interval", "10s"}}},
			want:     "sed -e 's|interval: .*|interval: 10s|' a.yaml | kubectl apply -f -",
		},
		"Inline": {
			reason:   "A text that is in no file is shown whole.",
			manifest: Manifest{Inline: "\nkind: Secret\n"},
			want:     "kubectl apply -f - <<EOF\nkind: Secret\nEOF",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, tc.manifest.command([]string{"apply", "-f", tc.manifest.source()}), tc.reason)
		})
	}
}

func TestShell(t *testing.T) {
	cases := map[string]struct {
		reason string
		args   []string
		want   string
	}{
		"Plain":  {reason: "Words that the shell leaves alone stay plain.", args: []string{"get", "canary", "-n", "test"}, want: "get canary -n test"},
		"Spaces": {reason: "An argument of several words is one argument.", args: []string{"sh", "-c", "a b"}, want: "sh -c 'a b'"},
		"Quotes": {reason: "A quote inside does not end the argument.", args: []string{"it's"}, want: `'it'\''s'`},
		"Empty":  {reason: "An empty argument is still one.", args: []string{""}, want: "''"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, shell(tc.args), tc.reason)
		})
	}
}
