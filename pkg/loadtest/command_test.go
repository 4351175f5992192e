package loadtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCommandNamesWhatItCannotStart(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "text"), []byte("words"), 0o600))
	cases := map[string]struct{ reason, program, want string }{
		"Missing":    {reason: "Whoever builds images reads what to add.", program: "no-such-tool", want: "no-such-tool is not installed in the load tester's image"},
		"NoProgram":  {reason: "The system's word is kept.", program: filepath.Join(dir, "text"), want: "permission denied"},
		"NoSuchPath": {reason: "A path is not looked for elsewhere.", program: filepath.Join(dir, "gone"), want: "no such file or directory"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, command(t.Context(), &output{}, tc.program), tc.want, tc.reason)
		})
	}
}

// stand puts a program into a tool's place that prints each argument on a line, since what is tested here is
// how it is called.
func stand(t *testing.T, names ...string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		text := "#!/bin/sh\nprintf '[%s]\\n' \"${0##*/}\" \"$@\"\nexit ${CODE:-0}\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700))
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
}

func TestTools(t *testing.T) {
	cases := map[string]struct {
		reason, kind, cmd string
		want              string
	}{
		"Helm":    {reason: "Tests of a release.", kind: "helm", cmd: "test podinfo --cleanup", want: "[helm]\n[test]\n[podinfo]\n[--cleanup]\n"},
		"Helm3":   {reason: "There is only one helm by now.", kind: "helmv3", cmd: "test podinfo --timeout 3m -n test", want: "[helm]\n[test]\n[podinfo]\n[--timeout]\n[3m]\n[-n]\n[test]\n"},
		"Kubectl": {reason: "Paths of JSON need no quotes.", kind: "kubectl", cmd: "get pods -o jsonpath={.items[?(@.a==\"b\")]}", want: "[kubectl]\n[get]\n[pods]\n[-o]\n[jsonpath={.items[?(@.a==b)]}]\n"},
		"Quoted":  {reason: "But may have them.", kind: "kubectl", cmd: `get pods -o 'jsonpath={.a} {"b"}'`, want: "[kubectl]\n[get]\n[pods]\n[-o]\n[jsonpath={.a} {\"b\"}]\n"},
		"NoShell": {reason: "A shell's signs are no signs here.", kind: "kubectl", cmd: "get $HOME; rm *", want: "[kubectl]\n[get]\n[$HOME;]\n[rm]\n[*]\n"},
	}
	stand(t, "helm", "kubectl")
	x := newTester(t, Options{})
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			code, said := x.call("/", map[string]string{"type": tc.kind, "cmd": tc.cmd, "returnCmdOutput": "true"})
			require.Equal(t, 200, code, said)
			require.Equal(t, tc.want, said, tc.reason)
		})
	}
}

func TestToolsFail(t *testing.T) {
	stand(t, "kubectl")
	t.Setenv("CODE", "7")
	x := newTester(t, Options{})
	code, said := x.call("/", map[string]string{"type": "kubectl", "cmd": "get pods"})
	require.Equal(t, 500, code)
	require.Equal(t, "command failed: kubectl: exit status 7\n[kubectl]\n[get]\n[pods]", said)
	code, said = x.call("/", map[string]string{"type": "helm", "cmd": "test podinfo"})
	require.Equal(t, 500, code)
	require.Equal(t, "command failed: helm is not installed in the load tester's image; use an image that has it", said)
}

func TestWords(t *testing.T) {
	cases := map[string]struct {
		reason, line string
		want         []string
		wantErr      string
	}{
		"Empty":       {reason: "Nothing is no word."},
		"Blanks":      {reason: "Nor are blanks.", line: " \t\n"},
		"Several":     {reason: "Any number of blanks parts words.", line: "  get  pods\t-A\n", want: []string{"get", "pods", "-A"}},
		"Quoted":      {reason: "Quotes hold a word together.", line: `a 'b c' "d e"`, want: []string{"a", "b c", "d e"}},
		"EmptyQuotes": {reason: "And make a word of nothing.", line: `a '' ""`, want: []string{"a", "", ""}},
		"Inside":      {reason: "They may stand in a word.", line: `--a='b c'd`, want: []string{"--a=b cd"}},
		"Nested":      {reason: "One sort holds the other.", line: `'a "b"' "c 'd'"`, want: []string{`a "b"`, "c 'd'"}},
		"Backslash":   {reason: "There is no other sign.", line: `a\ b`, want: []string{`a\`, "b"}},
		"Open":        {reason: "A quote has an end.", line: `a 'b`, wantErr: `a quote (') is not closed in "a 'b"`},
		"OpenDouble":  {reason: "Of its own sort.", line: `a "b'`, wantErr: `a quote (") is not closed`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := words(tc.line)
			if tc.wantErr != "" {
				require.ErrorContains(t, err, tc.wantErr, tc.reason)
				return
			}
			require.NoError(t, err, tc.reason)
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}

func TestOutput(t *testing.T) {
	cases := map[string]struct {
		reason string
		left   int
		writes []string
		want   string
	}{
		"Fits":   {reason: "All of it is kept.", left: 10, writes: []string{"hello", "you"}, want: "helloyou"},
		"Just":   {reason: "To the last byte.", left: 5, writes: []string{"hello"}, want: "hello"},
		"Over":   {reason: "The beginning is kept, and the rest counted.", left: 5, writes: []string{"hel", "lo you", "there"}, want: "hello\n… and 9 bytes more"},
		"Silent": {reason: "Nothing said, nothing kept.", left: 5, want: ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := &output{left: tc.left}
			for _, w := range tc.writes {
				n, err := o.Write([]byte(w))
				require.NoError(t, err, "A command must not fail for being talkative.")
				require.Equal(t, len(w), n)
			}
			require.Equal(t, tc.want, o.String(), tc.reason)
		})
	}
}
