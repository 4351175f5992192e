package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	yaml "go.yaml.in/yaml/v3"

	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/lint"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	examples = "../../artifacts/examples/"
	broken   = "../../pkg/lint/testdata/broken/"
)

// program is what the scripts of pipelines call.
const program = "kubectl-sluice"

// TestMain is the program itself where it is called by its name. Else it starts the API server that tests of commands share.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == program {
		main()
	}
	silenceLibraries()
	os.Exit(kubetest.Main(m, "../../artifacts/crds"))
}

// called runs the program.
func called(stdin string, args ...string) (code int, stdout, stderr string) {
	out, errs := &bytes.Buffer{}, &bytes.Buffer{}
	code = run(args, strings.NewReader(stdin), out, errs)
	return code, out.String(), errs.String()
}

func TestExitCodes(t *testing.T) {
	unknown, err := os.ReadFile(broken + "unknown-field.yaml")
	require.NoError(t, err)
	cases := map[string]struct {
		reason string
		args   string
		stdin  string
		code   int
		stdout string
		stderr string
	}{
		"Silent":          {reason: "an example is fine", args: "lint -f " + examples + "podinfo-canary.yaml", stderr: "0 errors, 0 warnings in 1 file; 1 object looked at\n"},
		"Error":           {reason: "errors end with 1", args: "lint -f " + broken + "unknown-field.yaml", code: 1, stdout: "maxWieght", stderr: "1 error"},
		"Stdin":           {reason: "- is stdin", args: "lint -f -", stdin: string(unknown), code: 1, stdout: "-:18:5: error: Canary test/podinfo: spec.analysis.maxWieght"},
		"Warning":         {reason: "a warning is no error", args: "lint -f " + broken + "replicas.yaml", stdout: "[replicas]"},
		"Strict":          {reason: "unless it is to be one", args: "lint --strict -f " + broken + "replicas.yaml", code: 1, stdout: "[replicas]"},
		"NoFiles":         {reason: "there is nothing to look at", args: "lint", code: 2, stderr: "-f is missing"},
		"NoSuchFile":      {reason: "a path is wrong", args: "lint -f nowhere.yaml", code: 2, stderr: "nowhere.yaml"},
		"Format":          {reason: "there are four", args: "lint -f - -o xml", code: 2, stderr: "text, github, sarif, json"},
		"Flag":            {reason: "there is no such flag", args: "lint --fix", code: 2, stderr: "unknown flag"},
		"Argument":        {reason: "files are given by -f", args: "lint x.yaml", code: 2, stderr: "unknown command"},
		"Command":         {reason: "there is no such command", args: "lnt", code: 2, stderr: "unknown command"},
		"NoCommand":       {reason: "somebody wants to know what there is", args: "", code: 2, stderr: "no command"},
		"Help":            {reason: "who asks for help has made no mistake", args: "lint --help", stdout: "helm template"},
		"Version":         {reason: "it is set when linked", args: "version --client", stdout: "unknown\n"},
		"Promoted":        {reason: "what was expected came", args: "simulate -f " + examples + "podinfo-canary.yaml --expect promoted --max-time 40m", stdout: "podinfo.test is promoted"},
		"Unexpected":      {reason: "a bad revision is not promoted", args: "simulate -f " + examples + "podinfo-canary.yaml --with bad-at=30% --expect promoted", code: 1, stdout: "rolled back", stderr: "expected promoted, got rolled-back"},
		"TooLong":         {reason: "it takes more than a minute", args: "simulate -f " + examples + "podinfo-canary.yaml --max-time 1m", code: 1, stderr: "longer than 1m0s"},
		"BadCircumstance": {reason: "there is no such thing", args: "simulate -f - --with rain", code: 2, stderr: "--with rain: it is none of good"},
		"BadPercentage":   {reason: "it is no percentage", args: "simulate -f - --with bad-at=130%", code: 2, stderr: "--with bad-at=130%"},
		"BadExpectation":  {reason: "there is no such outcome", args: "simulate -f - --expect luck", code: 2, stderr: "promoted, rolled-back, waits"},
		"NoCanary":        {reason: "a file without a Canary", args: "simulate -f -", stdin: "kind: Service\napiVersion: v1\n", code: 2, stderr: "no such Canary"},
		"ConvertNothing":  {reason: "there is no Rollout", args: "convert -f " + examples + "podinfo-canary.yaml", code: 1, stderr: "there is no Rollout"},
		"ConvertAliases":  {reason: "they would be a billion values", args: "convert -f " + broken + "yaml-aliases.yaml", code: 1, stderr: "excessive aliasing"},
		"ConvertLarge":    {reason: "it is no manifest", args: "convert -f -", stdin: strings.Repeat("#", mostBytes+1), code: 2, stderr: "more than 16 MiB"},
		"ConvertNoFile":   {reason: "a path is wrong", args: "convert -f nowhere.yaml", code: 2, stderr: "nowhere.yaml"},
		"ConvertNoFiles":  {reason: "there is nothing to convert", args: "convert", code: 2, stderr: "-f is missing"},
		"LintLarge":       {reason: "the same of lint", args: "lint -f -", stdin: strings.Repeat("#", mostBytes+1), code: 1, stdout: "[file-size]"},
		"Unfollowed":      {reason: "a spec that cannot be followed has no rollout", args: "simulate -f " + broken + "compile.yaml", code: 1, stderr: "spec.analysis.maxWeight"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := called(tc.stdin, strings.Fields(tc.args)...)
			require.Equal(t, tc.code, code, "%s\n%s%s", tc.reason, stdout, stderr)
			require.Contains(t, stdout, tc.stdout)
			require.Contains(t, stderr, tc.stderr)
		})
	}
}

// TestSimulate holds what simulate prints to golden files, with the circumstances that it knows.
func TestSimulate(t *testing.T) {
	cases := map[string]string{
		"good":            examples + "podinfo-canary.yaml",
		"bad-at=30%":      examples + "podinfo-canary.yaml",
		"flaky=2":         examples + "podinfo-canary.yaml",
		"slow-pods=90s":   examples + "podinfo-canary.yaml",
		"no-data":         examples + "podinfo-canary.yaml",
		"new-revision-at": examples + "podinfo-canary.yaml",
		"closed-gate":     broken + "gate-deadline.yaml",
		"person":          broken + "gate-deadline.yaml",
		"blue-green":      examples + "podinfo-bg.yaml",
		"replica-ratio":   examples + "kubernetes/replica-ratio.yaml",
		"mirror":          examples + "istio/mirror.yaml",
		"ab":              examples + "istio/ab.yaml",
	}
	with := map[string]string{"new-revision-at": "new-revision-at=50%", "person": "good", "blue-green": "good", "replica-ratio": "good", "mirror": "good", "ab": "good"}
	for name, file := range cases {
		t.Run(name, func(t *testing.T) {
			circumstance := name
			if with[name] != "" {
				circumstance = with[name]
			}
			code, table, stderr := called("", "simulate", "-f", file, "--with", circumstance)
			require.Zero(t, code, stderr)
			code, mermaid, stderr := called("", "simulate", "-f", file, "--with", circumstance, "-o", "mermaid")
			require.Zero(t, code, stderr)
			golden(t, filepath.Join("testdata", strings.NewReplacer("=", "-", "%", "").Replace(name)+".golden"), table+"\n"+mermaid)
		})
	}
}

func TestScript(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	require.NoError(t, os.WriteFile(script, []byte("until Initialized\nset image v2\nuntil 20%\nfail checks 40\nuntil Failed\n"), 0o600))
	code, stdout, stderr := called("", "simulate", "-f", examples+"podinfo-canary.yaml", "--script", script)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "> until Failed")
	require.Contains(t, stdout, "Failed       weight=0")
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// TestRulesAreDocumented holds the table of rules to what there is.
func TestRulesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/guides/lint.md")
	require.NoError(t, err)
	for _, r := range lint.Rules() {
		require.Contains(t, string(page), "| `"+r.Name+"` | "+string(r.Level)+" | "+r.Summary+" |")
	}
	require.Len(t, regexp.MustCompile("(?m)^\\| `[a-z-]+` \\| (?:error|warning) \\|").FindAllString(string(page), -1), len(lint.Rules()))
}

// What docs/guides/lint.md shows is printed about such a manifest.
func TestLintPage(t *testing.T) {
	manifest, err := os.ReadFile(broken + "unknown-field.yaml")
	require.NoError(t, err)
	page, err := os.ReadFile("../../docs/guides/lint.md")
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	require.NoError(t, os.Mkdir("deploy", 0o700))
	require.NoError(t, os.WriteFile(filepath.Join("deploy", "canary.yaml"), manifest, 0o600))
	_, stdout, _ := called("", "lint", "-f", "deploy/")
	require.Contains(t, string(page), "```\n"+stdout+"```\n")
}

// TestPipelines runs the shell of the pipelines as it is written, on manifests that are fine and on some that are not.
func TestPipelines(t *testing.T) {
	bin := t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(self, filepath.Join(bin, program)))
	for name, script := range pipelines(t) {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, 0, shell(t, bin, script, examples+"podinfo-canary.yaml"))
			if strings.Contains(script, "|| true") { // it reports, and another step decides
				return
			}
			require.Equal(t, 1, shell(t, bin, script, broken+"compile.yaml"))
		})
	}
}

// TestPipelinesOfTemplates runs the commands about templates, with a helm and a kubectl that print the folder's manifest.
func TestPipelinesOfTemplates(t *testing.T) {
	bin := t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(self, filepath.Join(bin, program)))
	for _, renders := range []string{"helm", "kubectl"} {
		require.NoError(t, os.WriteFile(filepath.Join(bin, renders), []byte("#!/bin/sh\ncat deploy/canary.yaml\n"), 0o700))
	}
	page, err := os.ReadFile("../../docs/guides/pipelines.md")
	require.NoError(t, err)
	block := regexp.MustCompile("(?s)```sh\n(.*?)```\n").FindSubmatch(page)
	require.NotNil(t, block)
	lines := strings.Split(strings.TrimSpace(string(block[1])), "\n")
	require.Len(t, lines, 2)
	for _, line := range lines {
		require.Equal(t, 0, shell(t, bin, line, examples+"kubernetes/replica-ratio.yaml"), line)
		require.Equal(t, 1, shell(t, bin, line, examples+"podinfo-canary.yaml"), "%s: its target is missing", line)
	}
}

// pipelines are the scripts of the page, each as one text.
func pipelines(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/guides/pipelines.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)\n```\n").FindAllSubmatch(page, -1)
	require.Len(t, blocks, 2)
	var github struct {
		Jobs struct {
			Check struct {
				Steps []struct{ Name, Run string }
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(blocks[0][1], &github))
	var gitlab struct{ Rollouts struct{ Script []string } }
	require.NoError(t, yaml.Unmarshal(blocks[1][1], &gitlab))
	scripts := map[string]string{"GitLab": strings.Join(gitlab.Rollouts.Script, "\n")}
	for _, s := range github.Jobs.Check.Steps {
		if s.Run != "" {
			scripts["GitHub"+s.Name] = s.Run
		}
	}
	require.Len(t, scripts, 4)
	return scripts
}

// shell runs a script as a runner does, beside a folder deploy with one manifest; it returns the exit code.
func shell(t *testing.T, bin, script, manifest string) int {
	t.Helper()
	folder := t.TempDir()
	text, err := os.ReadFile(manifest)
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(folder, "deploy"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "deploy", "canary.yaml"), text, 0o600))
	c := exec.CommandContext(t.Context(), "bash", "-eo", "pipefail", "-c", script)
	c.Dir = folder
	c.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "GITHUB_STEP_SUMMARY="+filepath.Join(folder, "summary"))
	err = c.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return ended.ExitCode()
	}
	require.NoError(t, err)
	return 0
}
