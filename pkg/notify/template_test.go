package notify

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckTemplate(t *testing.T) {
	cases := map[string]struct{ reason, text, want string }{
		"None":      {reason: "A template is optional."},
		"Plain":     {reason: "Text is a template.", text: "look here"},
		"Names":     {reason: "All that is documented.", text: "{{.Canary}}{{.Namespace}}{{.Cluster}}{{.Target}}{{.Phase}}{{.Severity}}{{.Text}}{{.Reason}}{{.Weight}}{{.Revision}}{{.Metric.Name}}{{.Metric.Value}}{{.Metric.Limit}}"},
		"Lists":     {reason: "Lists are gone through.", text: "{{range .Images}}{{.Container}} {{.Old}} {{.New}}{{end}}{{range $i, $f := .Fields}}{{$i}}{{$f.Name}}{{$f.Value}}{{else}}none{{end}}"},
		"Functions": {reason: "Comparing is enough to choose by.", text: `{{if and (eq .Severity "error") (gt .Weight 10) (not (eq (len .Images) 3))}}{{print .Text "!"}}{{else if .Reason}}-{{end}}{{with .Reason}}{{.}}{{end}}`},
		"Chain":     {reason: "A part of what a function found.", text: `{{(index .Images 0).New}}`},
		"Open":      {reason: "It has to be whole.", text: "{{.Canary", want: "unclosed action"},
		"Unknown":   {reason: "A name that there is not is named.", text: "{{.Canry}}", want: "can't evaluate field Canry"},
		"InList":    {reason: "In a list as well.", text: "{{range .Images}}{{.Tag}}{{end}}", want: "can't evaluate field Tag"},
		"InBranch":  {reason: "Whichever way it goes.", text: "{{with .Images}}{{end}}{{.Foo.Bar}}", want: "can't evaluate field Foo"},
		"Function":  {reason: "A function that there is not.", text: "{{upper .Text}}", want: `function "upper" not defined`},
		"Width":     {reason: "A width makes a megabyte of nothing.", text: `{{printf "%1000000d" 1}}`, want: `function "printf" is not allowed`},
		"Inside":    {reason: "However deep it hides.", text: `{{if eq (len (printf "%1000000d" 1)) 1}}{{end}}`, want: `function "printf" is not allowed`},
		"Chained":   {reason: "Or behind a dot.", text: `{{(index .Images (len (printf "%1000000d" 1))).New}}`, want: `function "printf" is not allowed`},
		"Piped":     {reason: "Or behind a bar.", text: `{{.Text | html}}`, want: `function "html" is not allowed`},
		"Forever":   {reason: "Nothing runs for ever.", text: "{{range 1000000000000}}{{end}}", want: "range over 1000000000000 is not allowed"},
		"OrForever": {reason: "A bar puts something else in the place of a list.", text: "{{range .Fields | or 300000000}}{{end}}", want: "range over .Fields | or 300000000 is not allowed"},
		"Nested":    {reason: "Nor as good as for ever.", text: "{{range .Fields}}{{range $.Fields}}{{end}}{{end}}", want: "is not allowed"},
		"NestedIf":  {reason: "Not even behind a question.", text: "{{range .Fields}}{{if .Name}}{{range .Images}}{{end}}{{end}}{{end}}", want: "is not allowed"},
		"Itself":    {reason: "A template that calls itself has no end.", text: `{{define "x"}}{{template "x"}}{{end}}{{template "x"}}`, want: "define and block are not allowed"},
		"Call":      {reason: "There is nothing else to call.", text: `{{template "x"}}`, want: "define and block are not allowed"},
		"Doubled":   {reason: "A text that is doubled thirty times has gigabytes.", text: "{{$x := .Text | print `ab`}}" + strings.Repeat("{{$x = print $x $x}}", 30), want: "the value grows beyond 65536 bytes"},
		"Long":      {reason: "A text has an end.", text: strings.Repeat("x", maxText+1), want: "longer than 4096 bytes"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := CheckTemplate(tc.text)
			if tc.want == "" {
				require.NoError(t, err, tc.reason)
				return
			}
			require.ErrorContains(t, err, tc.want, tc.reason)
		})
	}
}

// TestCheckTemplateIsOneLine has several mistakes in one branch: the message ends in a condition.
func TestCheckTemplateIsOneLine(t *testing.T) {
	const text = "{{if html .Text}}{{range 3}}{{end}}{{else}}{{js .Text}}{{end}}"
	require.EqualError(t, CheckTemplate(text), `template: function "html" is not allowed`, "The first mistake is enough.")
}

func TestTemplates(t *testing.T) {
	const all = "{{.Canary}}.{{.Namespace}} {{.Cluster}} {{.Target}} {{.Phase}} {{.Severity}} {{.Weight}} {{.Revision}} " +
		"{{.Metric.Name}} {{.Metric.Value}} {{.Metric.Limit}} {{.Reason}} {{range .Images}}{{.Container}}: {{.Old}} -> {{.New}}{{end}} " +
		"{{range .Fields}}{{.Name}} {{end}}| {{.Text}}"
	cases := map[string]struct{ reason, kind, text, want string }{
		"Everything": {
			reason: "All facts of a message have a name.", kind: "webhook", text: all,
			want: "podinfo.test tokyo Deployment/podinfo Failed error 0 r1-5d89f7c6b4 request-success-rate 97.5 >= 99 " +
				"success rate 97.50% < 99% podinfod: podinfo:1 -> podinfo:2 Target Traffic routing Reason | Failed checks threshold reached 5",
		},
		"Markup": {
			reason: "The template's own text may use the service's markup, values are only values.", kind: "slack",
			text: "<https://run.book/{{.Canary}}|run book> {{.Reason}}", want: "<https://run.book/podinfo|run book> success rate 97.50% &lt; 99%",
		},
		"Broken": {
			reason: "A plain message is better than none.", kind: "webhook", text: "{{.Nothing", want: "Failed checks threshold reached 5",
		},
		"TooLong": {
			reason: "So it is better than one that nobody can send.", kind: "webhook", text: strings.Repeat("x", maxText) + "{{.Text}}",
			want: "Failed checks threshold reached 5",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got received
			n, err := New(tc.kind, Options{Address: receiver(t, &got, "ok").URL, Template: tc.text})
			require.NoError(t, err)
			require.NoError(t, n.Notify(t.Context(), told()))
			if tc.kind == "slack" {
				got.body = got.body["attachments"].([]any)[0].(map[string]any)
			}
			require.Equal(t, tc.want, got.body["text"], tc.reason)
		})
	}
}
