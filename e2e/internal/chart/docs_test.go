package chart

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// values are what a chart's schema knows, and what its file of values says.
type values struct{ schema, defaults map[string]any }

func valuesOf(t *testing.T, chart string) values {
	t.Helper()
	v := values{schema: map[string]any{}, defaults: map[string]any{}}
	text, err := os.ReadFile(filepath.Join(repository(t), "charts", chart, "values.schema.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &v.schema))
	text, err = os.ReadFile(filepath.Join(repository(t), "charts", chart, "values.yaml"))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &v.defaults))
	return v
}

// knows says whether there is a value of this path.
func (v values) knows(path string) bool {
	at := v.schema
	for key := range strings.SplitSeq(path, ".") {
		properties, _ := at["properties"].(map[string]any)
		next, ok := properties[key].(map[string]any)
		if !ok {
			return false
		}
		at = next
	}
	return true
}

// written is how the file of values has it.
func (v values) written(t *testing.T, path string) string {
	t.Helper()
	var at any = v.defaults
	for key := range strings.SplitSeq(path, ".") {
		m, _ := at.(map[string]any)
		at = m[key]
	}
	text, err := yaml.Marshal(at)
	require.NoError(t, err)
	return strings.Trim(strings.TrimSpace(string(text)), `"`)
}

// quoted are the words of a cell that are set as code. One that begins with a dot stands beside the one before it.
func quoted(cell string) []string {
	var words []string
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
		word := m[1]
		if strings.HasPrefix(word, ".") && len(words) > 0 {
			last := words[len(words)-1]
			word = last[:max(strings.LastIndex(last, "."), 0)] + word
		}
		words = append(words, word)
	}
	return words
}

// TestDocumentedValues compares the tables of values with the charts.
func TestDocumentedValues(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository(t), "docs", "guides", "install.md"))
	require.NoError(t, err)
	for heading, chart := range map[string]string{"\n## Helm\n": "sluice", "\n### The load tester's chart\n": "loadtester"} {
		_, part, found := strings.Cut(string(text), heading)
		require.True(t, found, heading)
		_, table, found := strings.Cut(part, "| Value | Default | Meaning |\n|---|---|---|\n")
		require.True(t, found, heading)
		table, _, _ = strings.Cut(table, "\n\n")
		v := valuesOf(t, chart)
		for row := range strings.Lines(table) {
			cells := strings.Split(row, "|")
			names, defaults := quoted(cells[1]), quoted(cells[2])
			require.NotEmpty(t, names, row)
			for i, name := range names {
				require.True(t, v.knows(name), "%s has no value %s", chart, name)
				if is := v.written(t, name); is != "" && i < len(defaults) {
					require.Equal(t, is, defaults[i], "%s: %s", chart, name)
				}
			}
		}
	}
}

// TestDocumentedSettings looks for the values that commands set.
func TestDocumentedSettings(t *testing.T) {
	root, v, seen := repository(t), valuesOf(t, "sluice"), 0
	look := func(file string) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`--set(?:-string)? ([\w.]+)=`).FindAllStringSubmatch(string(text), -1) {
			seen++
			require.True(t, v.knows(m[1]), "%s sets %s", file, m[1])
		}
	}
	look(filepath.Join(root, "README.md"))
	require.NoError(t, filepath.WalkDir(filepath.Join(root, "docs"), func(file string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(file, ".md") {
			look(file)
		}
		return err
	}))
	require.Greater(t, seen, 3)
}

// TestTesterFlagsAreDocumented compares the load tester's table with the program; the operator's is held to it beside it.
func TestTesterFlagsAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository(t), "docs", "operations", "flags.md"))
	require.NoError(t, err)
	_, part, found := strings.Cut(string(text), "# Flags of the load tester\n")
	require.True(t, found)
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `-([a-z0-9-]+)`").FindAllStringSubmatch(part, -1) {
		documented = append(documented, m[1])
	}
	require.ElementsMatch(t, flagsOf(t, program(t, "loadtester")), documented)
}
