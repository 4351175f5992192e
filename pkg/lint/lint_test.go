package lint_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/lint"
)

var update = flag.Bool("update", false, "write the golden files")

func linter(t testing.TB, o lint.Options) *lint.Linter {
	t.Helper()
	l, err := lint.New(o)
	require.NoError(t, err)
	return l
}

func read(t testing.TB, paths ...string) *lint.Files {
	t.Helper()
	files, err := lint.Read(paths, nil)
	require.NoError(t, err)
	return files
}

func text(t testing.TB, r *lint.Report, format string) string {
	t.Helper()
	out := &bytes.Buffer{}
	require.NoError(t, r.Write(out, format))
	return out.String()
}

// golden holds a text to a file, which -update writes.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// TestEveryRule lints one broken example for each rule, named after it.
func TestEveryRule(t *testing.T) {
	l := linter(t, lint.Options{LocalRefs: true})
	for _, rule := range lint.Rules() {
		if rule.Name == "file-size" { // TestLargeFile makes one
			continue
		}
		t.Run(rule.Name, func(t *testing.T) {
			file := filepath.Join("testdata", "broken", rule.Name+".yaml")
			r := l.Lint(t.Context(), read(t, file))
			var broken []string
			for _, f := range r.Findings {
				broken = append(broken, f.Rule)
				require.NotEmpty(t, f.Advice, f.Rule)
				require.NotEmpty(t, f.Found, f.Rule)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", text(t, r, "text"))
			require.Contains(t, broken, rule.Name)
			require.LessOrEqual(t, len(broken), 3, "the example breaks one rule, and few others")
		})
	}
	files, err := filepath.Glob("testdata/broken/*.yaml")
	require.NoError(t, err)
	require.Len(t, files, len(lint.Rules())-1, "each example is that of a rule")
}

// TestSilentOnWhatWorks lints the examples, each by itself and all together, and the manifests that walkthroughs print.
func TestSilentOnWhatWorks(t *testing.T) {
	l := linter(t, lint.Options{})
	examples, err := filepath.Glob("../../artifacts/examples/*/*.yaml")
	require.NoError(t, err)
	plain, err := filepath.Glob("../../artifacts/examples/*.yaml")
	require.NoError(t, err)
	printed, err := filepath.Glob("testdata/contract/*.yaml")
	require.NoError(t, err)
	require.Len(t, printed, 5)
	paths := append(append(append(examples, plain...), printed...), "../../artifacts/examples", "testdata/contract")
	require.Greater(t, len(paths), 25)
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			r := l.Lint(t.Context(), read(t, path))
			require.Empty(t, text(t, r, "text"))
			require.Positive(t, r.Objects+len(r.Passed))
		})
	}
}

// TestFormats writes one report in each format.
func TestFormats(t *testing.T) {
	l := linter(t, lint.Options{})
	for _, format := range lint.Formats() {
		t.Run(format, func(t *testing.T) {
			golden(t, filepath.Join("testdata", "formats", format), text(t, l.Lint(t.Context(), read(t, "testdata/broken/unknown-field.yaml", "testdata/broken/replicas.yaml")), format))
		})
	}
	require.ErrorContains(t, (&lint.Report{}).Write(&bytes.Buffer{}, "xml"), "text, github, sarif, json")
}

// TestSARIF holds the report to what GitHub's code scanning requires.
func TestSARIF(t *testing.T) {
	r := linter(t, lint.Options{}).Lint(t.Context(), read(t, "testdata/broken"))
	var log struct {
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Rules []struct{ ID string }
				}
			}
			Results []struct {
				RuleID    string
				Level     string
				Message   struct{ Text string }
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine int }
					}
				}
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(text(t, r, "sarif")), &log))
	require.Equal(t, "2.1.0", log.Version)
	known := map[string]bool{}
	for _, rule := range log.Runs[0].Tool.Driver.Rules {
		known[rule.ID] = true
	}
	require.Len(t, log.Runs[0].Results, len(r.Findings))
	for _, result := range log.Runs[0].Results {
		require.True(t, known[result.RuleID], result.RuleID)
		require.NotEmpty(t, result.Message.Text)
		require.Positive(t, result.Locations[0].PhysicalLocation.Region.StartLine)
		require.NotContains(t, result.Locations[0].PhysicalLocation.ArtifactLocation.URI, `\`)
	}
}

func write(t testing.TB, folder, name, text string) string {
	t.Helper()
	file := filepath.Join(folder, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func example(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("../../artifacts/examples/podinfo-canary.yaml")
	require.NoError(t, err)
	return string(text)
}

func TestLargeFile(t *testing.T) {
	file := write(t, t.TempDir(), "large.yaml", "")
	require.NoError(t, os.Truncate(file, 100<<20))
	r := linter(t, lint.Options{}).Lint(t.Context(), read(t, file))
	require.Equal(t, file+":1:1: error: has more than 16 MiB [file-size]\n    Split it, or leave it out of the folder.\n", text(t, r, "text"))
}

// TestManyFiles reads a folder of ten thousand, of which one is broken.
func TestManyFiles(t *testing.T) {
	folder := t.TempDir()
	for i := range 10_000 {
		write(t, folder, fmt.Sprintf("%d/config-%d.yaml", i%100, i), fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c%d}\n", i))
	}
	write(t, folder, "50/canary.yaml", strings.Replace(example(t), "threshold: 5", "threshold: five", 1))
	r := linter(t, lint.Options{}).Lint(t.Context(), read(t, folder))
	require.Len(t, r.Findings, 1)
	require.Equal(t, "schema", r.Findings[0].Rule)
	require.Equal(t, map[string]int{"ConfigMap": 10_000}, r.Passed)
	require.Equal(t, "1 error, 0 warnings in 10001 files; 1 object looked at, 10000 passed over: ConfigMap 10000", r.Summary())
}

func TestWhatIsRead(t *testing.T) {
	cases := map[string]struct {
		reason string
		name   string
		text   string
		rules  []string
		passed map[string]int
	}{
		"UnknownKinds": {reason: "they are passed over, and counted", text: "kind: Widget\napiVersion: example.com/v1\n---\nkind: Widget\napiVersion: example.com/v1\n", passed: map[string]int{"Widget": 2}},
		"OtherVersions": {reason: "definitions are passed over, whatever their version; objects of another version are refused",
			text:  "apiVersion: apiextensions.k8s.io/v1beta1\nkind: CustomResourceDefinition\nmetadata: {name: canaries.flagger.app}\n---\napiVersion: flagger.app/v1alpha3\nkind: Canary\nmetadata: {name: a}\n",
			rules: []string{"api-version"}, passed: map[string]int{"CustomResourceDefinition": 1}},
		"ArgoCD": {reason: "what Argo CD and Argo Rollouts read is passed over", passed: map[string]int{"Application": 1, "Rollout": 1},
			text: "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\n---\napiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: a}\n"},
		"NoObject":    {reason: "values of a chart are no object", text: "replicas: 2\n", passed: map[string]int{"no object": 1}},
		"Empty":       {reason: "there is nothing to say", text: "# nothing\n---\n"},
		"List":        {reason: "items are objects", text: "apiVersion: v1\nkind: List\nitems:\n- apiVersion: flagger.app/v1beta1\n  kind: Canary\n  metadata: {name: a}\n", rules: []string{"schema"}},
		"JSON":        {reason: "JSON is YAML", name: "x.json", text: `{"apiVersion": "flagger.app/v1beta1", "kind": "MetricTemplate", "metadata": {"name": "a"}}`, rules: []string{"schema"}},
		"OtherKind":   {reason: "the group has no such kind", text: "apiVersion: flagger.app/v1beta1\nkind: Canry\nmetadata: {name: a}\n", rules: []string{"api-version"}},
		"HelmControl": {reason: "what begins a line is Helm's", text: "{{- if .Values.on }}\nkind: Canary\n{{- end }}\n", rules: []string{"helm-template"}},
		"SelfAlias":   {reason: "an alias of what it is in has no end", text: "apiVersion: flagger.app/v1beta1\nkind: Canary\nmetadata: &m\n  name: a\n  labels: *m\n", rules: []string{"yaml-aliases"}},
		"Merge":       {reason: "merged keys count", text: "apiVersion: flagger.app/v1beta1\nkind: AlertProvider\nmetadata: {name: a}\nspec:\n  <<: {type: slack}\n  address: https://chat.test/\n"},
		"QueryOfTemplate": {reason: "words of a query are not Helm's", text: "apiVersion: flagger.app/v1beta1\nkind: MetricTemplate\nmetadata: {name: a}\nspec:\n  provider: {type: prometheus, address: \"http://p:9090\"}\n  query: |\n" +
			"    {{ if eq variables.kind \"a\" }}up{{ else }}vector(1){{ end }}\n"},
	}
	l := linter(t, lint.Options{})
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if tc.name == "" {
				tc.name = "x.yaml"
			}
			r := l.Lint(t.Context(), read(t, write(t, t.TempDir(), tc.name, tc.text)))
			var rules []string
			for _, f := range r.Findings {
				if len(rules) == 0 || rules[len(rules)-1] != f.Rule {
					rules = append(rules, f.Rule)
				}
			}
			require.Equal(t, tc.rules, rules, "%s: %s", tc.reason, text(t, r, "text"))
			if tc.passed != nil {
				require.Equal(t, tc.passed, r.Passed)
			}
		})
	}
}

// A chart is refused as a whole, with what to do.
func TestChart(t *testing.T) {
	r := linter(t, lint.Options{}).Lint(t.Context(), read(t, "../../charts/loadtester"))
	require.Len(t, r.Findings, 1)
	require.Equal(t, "helm-template", r.Findings[0].Rule)
	require.Contains(t, r.Findings[0].Advice, "helm template ../../charts/loadtester | kubectl sluice lint -f -")
}

// What the files lack is an error only where they are said to have everything.
func TestComplete(t *testing.T) {
	files := read(t, "../../artifacts/examples/podinfo-canary-alert.yaml")
	require.Empty(t, linter(t, lint.Options{}).Lint(t.Context(), files).Findings)
	var rules []string
	for _, f := range linter(t, lint.Options{Complete: true}).Lint(t.Context(), files).Findings {
		rules = append(rules, f.Rule)
	}
	require.Equal(t, []string{"target-missing", "autoscaler-missing", "alert-provider-missing"}, rules)
}

func TestProviderOfOptions(t *testing.T) {
	_, err := lint.New(lint.Options{Provider: "envoy"})
	require.ErrorContains(t, err, `"envoy" is not a known provider`)
}

func thousand(t testing.TB) string {
	t.Helper()
	folder, text := t.TempDir(), example(t)
	for i := range 1000 {
		write(t, folder, fmt.Sprintf("%d.yaml", i), strings.ReplaceAll(text, "podinfo", fmt.Sprintf("podinfo-%d", i)))
	}
	return folder
}

// BenchmarkThousandFiles is to take five seconds at most, of two processors.
func BenchmarkThousandFiles(b *testing.B) {
	folder := thousand(b)
	for b.Loop() {
		r := linter(b, lint.Options{}).Lint(b.Context(), read(b, folder))
		require.Empty(b, r.Findings)
		require.Equal(b, 1000, r.Objects)
	}
}
