package template

import (
	"errors"
	"io"
	"strings"
	"testing"
	std "text/template"

	"github.com/stretchr/testify/require"
)

// fact is data as templates get it.
type fact struct {
	Name   string
	Weight int
	Share  float64
	Bad    bool
	Words  map[string]string
	Any    map[string]any
	List   []string
	Parts  []part2
	Inner  part2
	hidden string
}

type part2 struct{ Name, Value string }

func facts() fact {
	return fact{
		Name: "podinfo", Weight: 50, Share: 0.5, Bad: true,
		Words:  map[string]string{"b": "2", "a": "1", "empty": ""},
		Any:    map[string]any{"n": 3, "nil": nil, "list": []any{"x", 1, nil}, "deep": map[string]any{"er": "down"}},
		List:   []string{"one", "two", "three"},
		Parts:  []part2{{"image", "3.1.0"}, {"<tag>", "3.1.1"}},
		Inner:  part2{Name: "in"},
		hidden: "secret",
	}
}

func ours() map[string]Func {
	return map[string]Func{
		"target": Constant("shop"),
		"words":  Constant(facts().Words),
		"upper":  OfText(strings.ToUpper),
		"fails":  func([]any) (any, error) { return nil, errors.New("it broke") },
	}
}

func theirs() std.FuncMap {
	return std.FuncMap{
		"target": func() string { return "shop" },
		"words":  func() map[string]string { return facts().Words },
		"upper":  strings.ToUpper,
		"fails":  func() (string, error) { return "", errors.New("it broke") },
	}
}

// filled is what this package makes of a template.
func filled(text string, data any) (string, error) {
	t, err := Parse("query", text, ours())
	if err != nil {
		return "", err
	}
	var out strings.Builder
	err = t.Execute(&out, data)
	return out.String(), err
}

// expected is what the standard library makes of it.
func expected(text string, data any) (string, error) {
	t, err := std.New("query").Option("missingkey=error").Funcs(theirs()).Parse(text)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	err = t.Execute(&out, data)
	return out.String(), err
}

// good are templates that can be filled in, by what they show.
func good() map[string]string {
	return map[string]string{
		"Nothing":       "",
		"Text":          "sum(rate(x{a!=\"b\"}[1m]))",
		"Field":         "{{.Name}} {{ .Inner.Name }} {{.Weight}} {{.Share}} {{.Bad}}",
		"Dot":           "{{.}}",
		"Root":          "{{with .Inner}}{{.Name}} {{$.Name}}{{end}}",
		"Map":           "{{.Words.a}}{{.Any.deep.er}}{{.Words}}",
		"NilInMap":      "{{.Any.nil}}",
		"Trim":          "a {{- .Name -}} b",
		"Comment":       "a{{/* nothing */}}b",
		"Function":      "{{target}} {{ words.b }} {{(words).a}} {{target | upper}} {{upper \"a\"}}",
		"If":            "{{if .Bad}}bad{{else}}good{{end}} {{if .Inner.Value}}x{{else if .Weight}}y{{end}} {{if .Inner.Value}}x{{end}}",
		"With":          "{{with .Inner.Value}}x{{else}}none{{end}}{{with $x := .Name}}{{$x}}{{.}}{{end}}{{with .Inner.Value}}{{else with .Name}}{{.}}{{end}}",
		"Range":         "{{range .List}}[{{.}}]{{end}}{{range $i, $w := .List}}{{$i}}={{$w}},{{end}}{{range $w := .List}}{{$w}}{{end}}",
		"RangeMap":      "{{range $k, $v := .Words}}{{$k}}={{$v}};{{end}}{{range .Words}}{{.}};{{end}}",
		"RangeNumber":   "{{range 3}}{{.}}{{end}}{{range $i := 2}}{{$i}}{{end}}{{range 0}}{{else}}none{{end}}",
		"RangeElse":     "{{range .Any.nil}}x{{else}}none{{end}}{{range $x := slice .List 0 0}}x{{else}}{{$x}}{{end}}",
		"RangeStructs":  "{{range .Parts}}{{.Name}} -> {{.Value}}, {{end}}",
		"Break":         "{{range .List}}{{if eq . \"two\"}}{{break}}{{end}}{{.}}{{end}}{{range .List}}{{if eq . \"two\"}}{{continue}}{{end}}{{.}}{{end}}",
		"Assign":        "{{$x := 1}}{{range .List}}{{$x = .}}{{end}}{{$x}}{{$x := 2}}{{if true}}{{$x := 3}}{{$x}}{{end}}{{$x}}",
		"AssignInRange": "{{$x := 0}}{{range $x = .List}}{{$x}}{{end}}{{$x}}",
		"Constants":     "{{1}} {{-7}} {{1.5}} {{1e3}} {{0x10}} {{'a'}} {{true}} {{\"q\\n\"}} {{`raw`}} {{1_000}} {{0b11}}",
		"Pipe":          "{{.Name | printf \"%s-%s\" \"a\" | len}} {{.Name | print \"x\"}}",
		"Logic":         "{{and .Bad .Name}} {{or .Inner.Value .Name}} {{not .Bad}} {{and 1 0 (index .List 9)}} {{or 1 (index .List 9)}} {{.Bad | and true}}",
		"Compare":       "{{eq .Weight 50}} {{eq .Name \"a\" \"podinfo\"}} {{ne .Name \"a\"}} {{lt 1 2}} {{le 2 2}} {{gt 1.5 1.0}} {{ge \"b\" \"a\"}} {{eq true .Bad}} {{eq .Any.nil nil}}",
		"Index":         "{{index .List 1}} {{index .Words \"a\"}} {{index .Words \"missing\"}}| {{index .Any \"deep\" \"er\"}} {{index .Parts 0}} {{(index .Parts 1).Value}} {{index .Name 0}} {{index .Any \"list\" 1}} {{index .Any \"list\" 2}}",
		"Slice":         "{{slice .Name 3}} {{slice .Name 1 3}} {{slice .List 1}} {{slice .List}}",
		"Len":           "{{len .List}} {{len .Name}} {{len .Words}}",
		"Print":         "{{print 1 2 \"a\" \"b\" 3}} {{println .Name}}{{printf \"%05.1f %q %v\" .Share .Name .List}}",
		"Escape":        "{{html \"<a&b>\"}} {{js \"it's\"}} {{urlquery \"a b&c\"}} {{.Parts | html}}",
		"Define":        "{{define \"x\"}}[{{.}}]{{end}}{{template \"x\" .Name}}{{template \"x\"}}{{block \"y\" .Weight}}({{.}}){{end}}",
	}
}

func TestFillsInAsTheLibrary(t *testing.T) {
	for name, text := range good() {
		t.Run(name, func(t *testing.T) {
			want, err := expected(text, facts())
			require.NoError(t, err, "a case must be one that the library can follow")
			got, err := filled(text, facts())
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

// bad are templates with a mistake, by what it is.
func bad() map[string]string {
	return map[string]string{
		"Unclosed":        "{{.Name",
		"UnknownFunction": "{{nmespace}}",
		"UnknownVariable": "{{$x}}",
		"MissingKey":      "a {{ words.source }}",
		"MissingKeyAgain": "{{range .List}}\n  {{$.Words.nothing}}{{end}}",
		"UnknownField":    "{{.Canry}}",
		"OfText":          "{{.Name.First}}",
		"NilCommand":      "{{nil}}",
		"Arguments":       "{{.Name 1}}",
		"PipedIntoValue":  "{{1 | .Name}}",
		"RangeOverText":   "{{range .Name}}x{{end}}",
		"Undefined":       "{{template \"x\"}}",
		"Fails":           "{{fails}}",
	}
}

func TestSaysWhatIsWrongAsTheLibrary(t *testing.T) {
	for name, text := range bad() {
		t.Run(name, func(t *testing.T) {
			_, want := expected(text, facts())
			require.Error(t, want)
			_, err := filled(text, facts())
			require.EqualError(t, err, want.Error())
		})
	}
}

// TestRefuses is about mistakes that are told in words of our own.
func TestRefuses(t *testing.T) {
	cases := map[string]struct{ reason, text, want string }{
		"Hidden":       {reason: "What is not exported is not there.", text: "{{.hidden}}", want: "can't evaluate field hidden"},
		"Endless":      {reason: "Templates that call each other end.", text: `{{define "x"}}{{template "x"}}{{end}}{{template "x"}}`, want: "maximum template depth"},
		"Silent":       {reason: "A loop that writes nothing ends as well.", text: "{{range 1000000000}}{{end}}", want: "more than 100000 steps"},
		"Nested":       {reason: "One in the other, too.", text: "{{range 1000}}{{range 1000}}{{end}}{{end}}", want: "more than 100000 steps"},
		"Doubling":     {reason: "Templates count together.", text: `{{define "x"}}{{range 400}}{{end}}{{end}}{{range 400}}{{template "x"}}{{end}}`, want: "more than 100000 steps"},
		"Kinds":        {reason: "A whole number is not compared with another.", text: "{{eq 1 1.0}}", want: "incompatible types"},
		"NoOrder":      {reason: "Booleans have no order.", text: "{{lt true false}}", want: "invalid type for comparison"},
		"Lists":        {reason: "Lists are not compared.", text: "{{eq .List .List}}", want: "non-comparable"},
		"Alone":        {reason: "A comparison is of two.", text: "{{eq 1}}", want: "missing argument"},
		"Three":        {reason: "And not of three.", text: "{{lt 1 2 3}}", want: "wrong number of args"},
		"LenOfNumber":  {reason: "A number has no length.", text: "{{len 1}}", want: "len of type int"},
		"IndexNumber":  {reason: "Nor parts.", text: "{{index 1 1}}", want: "can't index item of type int"},
		"IndexByText":  {reason: "A list has numbers.", text: "{{index .List \"a\"}}", want: "cannot index"},
		"OutOfRange":   {reason: "Nor more than there are.", text: "{{index .List 3}}", want: "at <index .List 3>: error calling index: index out of range: 3"},
		"IndexWords":   {reason: "A map has the keys it has.", text: "{{index .Words 1}}", want: "should be string"},
		"IndexNothing": {reason: "Nothing has none.", text: "{{index nil 1}}", want: "index of untyped nil"},
		"SliceNumber":  {reason: "A number is one piece.", text: "{{slice 1 1}}", want: "can't slice"},
		"SliceBack":    {reason: "From before to after.", text: "{{slice .Name 3 1}}", want: "invalid slice index"},
		"SliceBeyond":  {reason: "Not beyond its end.", text: "{{slice .Name 99}}", want: "out of range"},
		"Format":       {reason: "A format is a text.", text: "{{printf 1}}", want: "expected string"},
		"Large":        {reason: "A number that does not fit.", text: "{{99999999999999999999999}}", want: ""},
		"Two":          {reason: "A number has no keys.", text: "{{range $a, $b := 3}}{{end}}", want: "more than one variable"},
		"Constant":     {reason: "What takes nothing is given nothing.", text: "{{target 1}}", want: "wrong number of args: want 0 got 1"},
		"NoText":       {reason: "A function of a text takes nothing else.", text: "{{upper 1}}", want: "expected string; got int"},
		"Grows":        {reason: "A text that is doubled thirty times has a gigabyte.", text: `{{$x := "ab"}}` + strings.Repeat("{{$x = print $x $x}}", 30) + "{{len $x}}", want: "error calling print: the value grows beyond 65536 bytes"},
		"GrowsInLoop":  {reason: "In a loop it is no less.", text: `{{$x := "ab"}}{{range 30}}{{$x = printf "%s%[1]s" $x}}{{end}}{{len $x}}`, want: "error calling printf: the value grows beyond"},
		"GrowsAtOnce":  {reason: "Many arguments are one text.", text: growing(`{{$y = print` + strings.Repeat(" $x", 3000) + `}}`), want: "error calling print: the value grows beyond"},
		"GrowsByHTML":  {reason: "Escaping makes five letters of one.", text: growing(`{{$y = html $x}}`), want: "error calling html: the value grows beyond"},
		"Widths":       {reason: "A few letters are a megabyte each.", text: `{{len (printf "` + strings.Repeat("%999999d", 3000) + `" 1)}}`, want: "error calling printf: the value grows beyond"},
		"StarWidths":   {reason: "Also where an argument says how wide.", text: `{{len (printf "` + strings.Repeat("%[1]*d", 3000) + `" 999999)}}`, want: "error calling printf: the value grows beyond"},
		"Precisions":   {reason: "Digits behind the point as well.", text: `{{len (printf "` + strings.Repeat("%.999999f", 3000) + `" 1.5)}}`, want: "error calling printf: the value grows beyond"},
		"Repeated":     {reason: "One long argument may be written often.", text: growing(`{{$y = printf "` + strings.Repeat("%[1]s", 3000) + `" $x}}`), want: "error calling printf: the value grows beyond"},
		"Hoards":       {reason: "Many long texts are much memory as well.", text: growing(strings.Repeat(`{{$y := print $x}}`, 3000)), want: "more than 100000 steps"},
		"Long":         {reason: "Nobody has written this.", text: strings.Repeat("{{/* */}}", 10_000), want: "longer than 65536 bytes"},
		"Imaginary":    {reason: "Complex numbers are left out.", text: "{{0i }}", want: "0i is not a number that can be used"},
		"Complex":      {reason: "Also those that are more than imaginary.", text: "{{1+2i}}", want: "1+2i is not a number that can be used"},
		"Call":         {reason: "There are no functions to be called.", text: "{{call .Name}}", want: `function "call" not defined`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if tc.want == "" {
				got, err := filled(tc.text, facts())
				want, _ := expected(tc.text, facts())
				require.True(t, err != nil || got == want, tc.reason)
				return
			}
			_, err := filled(tc.text, facts())
			require.ErrorContains(t, err, tc.want, tc.reason)
		})
	}
}

// growing begins with a long text, $x.
func growing(then string) string {
	return `{{$y := ""}}{{$x := "<&"}}` + strings.Repeat("{{$x = print $x $x}}", 14) + then + "{{len $y}}"
}

// TestValuesUpToTheLimit has what is long and allowed.
func TestValuesUpToTheLimit(t *testing.T) {
	cases := map[string]struct{ reason, text, want string }{
		"Doubled": {reason: "The limit itself may be reached.", text: `{{$x := "ab"}}` + strings.Repeat("{{$x = print $x $x}}", 15) + "{{len $x}}", want: "65536"},
		"Width":   {reason: "A width may be useful.", text: `{{len (printf "%1000d %-5s|%[1]d %.3f" 1 "a" 2.5)}}`, want: "1022"},
		"Number":  {reason: "A number that is no width counts for nothing.", text: `{{printf "since 1760000000: %d%%" 5}}`, want: "since 1760000000: 5%"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			want, err := expected(tc.text, facts())
			require.NoError(t, err)
			got, err := filled(tc.text, facts())
			require.NoError(t, err, tc.reason)
			require.Equal(t, want, got, tc.reason)
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}

func TestWriterCanEndIt(t *testing.T) {
	full := errors.New("no more")
	p, err := Parse("query", "{{range 1000000000}}x{{end}}", nil)
	require.NoError(t, err)
	require.Equal(t, full, p.Execute(writer(func() error { return full }), nil), "the writer's own error, as it is")
}

type writer func() error

func (w writer) Write([]byte) (int, error) { return 0, w() }

// FuzzAsTheLibrary has the library as the judge: whatever it can fill in, this package fills in the same way, and what it
// refuses is refused, but for what the package leaves out on purpose.
func FuzzAsTheLibrary(f *testing.F) {
	for _, text := range good() {
		f.Add(text)
	}
	for _, text := range bad() {
		f.Add(text)
	}
	f.Add("{{0i }}")
	f.Fuzz(func(t *testing.T, text string) {
		if heavy(text) {
			return // a width or a loop of millions, which is slow in both
		}
		want, wanted := expected(text, facts())
		got, err := filled(text, facts())
		if wanted == nil && err != nil && (leftOut(text) || errors.Is(err, errLarge) || errors.Is(err, errLong)) {
			return
		}
		require.Equal(t, wanted == nil, err == nil, "library: %v, here: %v", wanted, err)
		if wanted == nil {
			require.Equal(t, want, got)
		}
	})
}

func heavy(text string) bool {
	digits := 0
	for _, r := range text {
		if r >= '0' && r <= '9' || r == '_' || strings.ContainsRune("xXeEpP", r) {
			digits++
		}
		if digits > 6 {
			return true
		}
	}
	return false
}

// leftOut are complex numbers and `call`.
func leftOut(text string) bool { return strings.Contains(text, "call") || strings.Contains(text, "i") }

var _ io.Writer = writer(nil)
