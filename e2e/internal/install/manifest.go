package install

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// Manifest is a file with some of its fields set to other values, or a text of its own.
type Manifest struct {
	Path   string
	Edits  []Edit
	Inline string // the whole text; Path is then empty
}

// Edit sets every field of a name to a value. It is meant for files that are known, not for any YAML.
type Edit struct{ Field, Value string }

// Text is the manifest with its edits. A field that occurs nowhere is an error: the file is not what it was
// thought to be.
func (m Manifest) Text() ([]byte, error) {
	text := m.Inline
	if m.Path != "" {
		raw, err := os.ReadFile(m.Path)
		if err != nil {
			return nil, err
		}
		text = string(raw)
	}
	for _, e := range m.Edits {
		field := regexp.MustCompile(`(?m)( |^)` + regexp.QuoteMeta(e.Field) + `: .*$`)
		if !field.MatchString(text) {
			return nil, fmt.Errorf("manifest %q has no field %q", m.Path, e.Field)
		}
		text = field.ReplaceAllString(text, "${1}"+strings.ReplaceAll(e.Field+": "+e.Value, "$", "$$"))
	}
	return []byte(text), nil
}

func (m Manifest) edited() bool { return m.Path == "" || len(m.Edits) > 0 }

// source is what kubectl is told to read.
func (m Manifest) source() string {
	if m.edited() {
		return "-"
	}
	return m.Path
}

// command is how a user would get the same result.
func (m Manifest) command(args []string) string {
	kubectl := "kubectl " + shell(args)
	switch {
	case m.Path == "":
		return kubectl + " <<EOF\n" + strings.TrimSpace(m.Inline) + "\nEOF"
	case !m.edited():
		return kubectl
	}
	words := []string{"sed"}
	for _, e := range m.Edits {
		words = append(words, "-e", fmt.Sprintf("s|%s: .*|%s: %s|", e.Field, e.Field, e.Value))
	}
	return shell(append(words, m.Path)) + " | " + kubectl
}
