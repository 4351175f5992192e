package metric

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/sluice-cd/sluice/pkg/template"
)

// maxQuery is the most bytes that a template may grow to; a loop in one must not eat the operator's memory.
// Loops are allowed, since queries may need them; what they write is what has to end.
const maxQuery = 64 << 10

var errTooLong = fmt.Errorf("the query grows beyond %d bytes", maxQuery)

// Vars are the words that a query may use. Each is a function of the same name in lower case, as in
// `{{ namespace }}` or `{{ variables.reporter }}`.
// These names are an interface: MetricTemplates that exist use them.
type Vars struct {
	Name      string // of the Canary
	Namespace string
	Target    string // the workload that is released
	Kind      string // of the target; empty: Deployment
	Service   string // the apex Service
	Backend   string // the Service of the side that is asked about, the canary's or the primary's
	Ingress   string
	Route     string
	Interval  string // the time to look back, as PromQL writes it: `1m`
	Variables map[string]string
}

// Render fills a query's template, in the language of text/template. A variable that is not given is
// an error that names it, since the query without it would measure something else.
func Render(query string, v Vars) (string, error) {
	t, err := template.Parse("query", query, v.functions())
	if err != nil {
		return "", fmt.Errorf("parsing the query: %w", err)
	}
	// The limit is kept while writing. To measure the result would be too late for a loop of a million rounds.
	out := &capped{left: maxQuery}
	if err := t.Execute(out, nil); err != nil {
		if errors.Is(err, errTooLong) {
			return "", errTooLong
		}
		return "", fmt.Errorf("rendering the query: %w", err)
	}
	return out.text.String(), nil
}

func (v Vars) functions() map[string]template.Func {
	is := template.Constant
	return map[string]template.Func{
		"name":      is(v.Name),
		"namespace": is(v.Namespace),
		"target":    is(v.Target),
		"kind":      is(v.kind()),
		"pods":      is(v.pods()),
		"service":   is(v.Service),
		"backend":   is(v.Backend),
		"ingress":   is(v.Ingress),
		"route":     is(v.Route),
		"interval":  is(v.Interval),
		// For Skipper, whose routes are named by such words.
		"word":      template.OfText(word),
		"variables": is(v.Variables),
	}
}

func (v Vars) kind() string {
	if v.Kind == "" {
		return "Deployment"
	}
	return v.Kind
}

// pods is a regular expression of the names of the target's pods, and of none of its primary's: behind the name of a
// Deployment come a hash and a suffix, behind that of a DaemonSet the suffix alone.
func (v Vars) pods() string {
	if v.Kind == "DaemonSet" {
		return v.Target + "-[0-9a-zA-Z]+"
	}
	return v.Target + "-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"
}

// word writes a name as proxies do that know letters, digits and `_` only: `my-app` as `my_app`.
func word(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return r
		}
		return '_'
	}, s)
}

// capped collects what is written until there is too much of it.
// The buffer is a field and not embedded, which would offer ways around Write.
type capped struct {
	text bytes.Buffer
	left int
}

func (c *capped) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		return 0, errTooLong
	}
	return c.text.Write(p)
}
