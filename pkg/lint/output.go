package lint

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Formats are the ways in which a report is written.
func Formats() []string { return []string{"text", "github", "sarif", "json"} }

// Write writes a report in one of Formats.
func (r *Report) Write(w io.Writer, format string) error {
	switch format {
	case "text":
		return r.text(w)
	case "github":
		return r.github(w)
	case "sarif":
		return encode(w, r.sarif())
	case "json":
		if r.Findings == nil {
			r.Findings = []Finding{} // a list, for whoever reads it
		}
		return encode(w, r)
	}
	return fmt.Errorf("%q is not one of %s", format, strings.Join(Formats(), ", "))
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// message is a finding in one line, without its place.
func (f *Finding) message() string {
	text := f.Found
	if f.Field != "" {
		text = f.Field + ": " + text
	}
	if f.Object != "" {
		text = f.Object + ": " + text
	}
	return text
}

func (r *Report) text(w io.Writer) error {
	for i := range r.Findings {
		f := &r.Findings[i]
		if _, err := fmt.Fprintf(w, "%s:%d:%d: %s: %s [%s]\n    %s\n", f.File, f.Line, f.Column, f.Level, f.message(), f.Rule, sentence(f.Advice)); err != nil {
			return err
		}
	}
	return nil
}

// sentence ends a text that has no end.
func sentence(text string) string {
	if strings.HasSuffix(text, ".") || strings.HasSuffix(text, "?") {
		return text
	}
	return text + "."
}

// Summary is what a report comes to, in one line.
func (r *Report) Summary() string {
	text := fmt.Sprintf("%s, %s in %s; %s looked at", counted(r.Count(Error), "error"), counted(r.Count(Warning), "warning"), counted(r.Files, "file"), counted(r.Objects, "object"))
	var kinds []string
	n := 0
	for _, kind := range slices.Sorted(maps.Keys(r.Passed)) {
		n += r.Passed[kind]
		kinds = append(kinds, fmt.Sprintf("%s %d", kind, r.Passed[kind]))
	}
	if n > 0 {
		text += fmt.Sprintf(", %d passed over: %s", n, strings.Join(kinds, ", "))
	}
	return text
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// github writes workflow commands, which GitHub shows beside the line.
func (r *Report) github(w io.Writer) error {
	value := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	text := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	for i := range r.Findings {
		f := &r.Findings[i]
		if _, err := fmt.Fprintf(w, "::%s file=%s,line=%d,col=%d,title=%s::%s\n", f.Level, value.Replace(f.File), f.Line, f.Column,
			value.Replace(f.Rule), text.Replace(f.message()+". "+f.Advice)); err != nil {
			return err
		}
	}
	return nil
}

// sarif is the report as the Static Analysis Results Interchange Format 2.1.0 has it.
func (r *Report) sarif() any {
	type text struct {
		Text string `json:"text"`
	}
	type rule struct {
		ID      string `json:"id"`
		Summary text   `json:"shortDescription"`
		Help    text   `json:"help"`
	}
	type region struct {
		Line   int `json:"startLine"`
		Column int `json:"startColumn"`
	}
	type result struct {
		Rule      string           `json:"ruleId"`
		Level     Level            `json:"level"`
		Message   text             `json:"message"`
		Locations []map[string]any `json:"locations"`
	}
	rules, results := []rule{}, []result{}
	for _, known := range Rules() {
		rules = append(rules, rule{known.Name, text{known.Summary}, text{known.Advice}})
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		results = append(results, result{f.Rule, f.Level, text{f.message() + ". " + f.Advice}, []map[string]any{{
			"physicalLocation": map[string]any{
				"artifactLocation": map[string]string{"uri": f.File},
				"region":           region{f.Line, f.Column},
			},
		}}})
	}
	return map[string]any{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json",
		"version": "2.1.0",
		"runs": []any{map[string]any{
			"tool":    map[string]any{"driver": map[string]any{"name": "kubectl-sluice", "informationUri": "https://github.com/sluice-cd/sluice", "rules": rules}},
			"results": results,
		}},
	}
}
