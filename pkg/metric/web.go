package metric

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// File web.go is for tools of quality gates that have an API of their own, and no provider here.

// web is any server whose answer is a number, has one in it, or is judged by its status code.
type web struct {
	server *rest
	method string
	body   []byte
	path   *jsonPath // nil: the status code counts
	text   string    // of path
}

// checkWeb says what is wrong with a template's request.
func checkWeb(t v1beta1.MetricTemplateSpec) error {
	// Beside another type it has no effect, and so nothing can be wrong with it.
	if t.Provider.Type != "web" || t.Web == nil {
		return nil
	}
	if _, err := compilePath(t.Web.JSONPath); err != nil {
		return &FieldError{Field: "spec.web.jsonPath", Problem: err.Error()}
	}
	if _, err := webTimeout(t.Web); err != nil {
		return &FieldError{Field: "spec.web.timeout", Problem: err.Error()}
	}
	return nil
}

func newWeb(c config) (Provider, error) {
	// Left out, it is a GET whose status counts.
	request := c.Web
	if request == nil {
		request = &v1beta1.WebRequest{}
	}
	h := c.header()
	// After the headers: a Secret counts more than what anybody can read in the template.
	if err := c.credentials(h, "token"); err != nil {
		return nil, err
	}
	server, err := newRest(c, h)
	if err != nil {
		return nil, err
	}
	path, err := compilePath(request.JSONPath)
	if err != nil {
		return nil, fmt.Errorf("spec.web.jsonPath %w", err)
	}
	// Settings.filled has taken it already, and could not complain.
	if _, err := webTimeout(request); err != nil {
		return nil, fmt.Errorf("spec.web.timeout %w", err)
	}
	// The body is a template as the query is; the address is not, since its server must not depend on the Canary.
	body, err := Render(request.Body, c.Vars)
	if err != nil {
		return nil, fmt.Errorf("spec.web.body: %w", err)
	}
	w := &web{server: server, method: request.Method, body: []byte(body), path: path, text: request.JSONPath}
	if w.method == "" {
		w.method = http.MethodGet
	}
	return w, nil
}

// webTimeout is how long an answer may take. More than a minute is taken as one: an answer that is waited for keeps others
// of its namespace from being asked for.
func webTimeout(w *v1beta1.WebRequest) (time.Duration, error) {
	if w == nil || w.Timeout == "" {
		return answerTimeout, nil
	}
	d, err := time.ParseDuration(w.Timeout)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is not a duration, as in 10s", w.Timeout)
	}
	return min(d, longestAnswer), nil
}

// compilePath takes kubectl's form of it, with braces or without.
func compilePath(text string) (*jsonPath, error) {
	if text == "" {
		return nil, nil
	}
	// People copy paths from `kubectl -o jsonpath`, and from documents where they have no braces.
	braced := text
	if !strings.HasPrefix(braced, "{") {
		braced = "{" + braced + "}"
	}
	p, err := parsePath(braced)
	if err != nil {
		return nil, fmt.Errorf("%.*q is not a JSONPath: %w", maxPath, text, err)
	}
	return p, nil
}

// Query makes the request, with the query as what follows `?` in its URL, and takes the value at the JSONPath,
// or the status code where there is none. With a JSONPath a status that is not 2xx is an error.
func (w *web) Query(ctx context.Context, query string) (float64, error) {
	to := *w.server.base
	if query = strings.TrimSpace(query); query != "" {
		// Behind what the address has already, such as a key.
		to.RawQuery = strings.TrimPrefix(to.RawQuery+"&"+query, "&")
	}
	code, text, err := w.server.send(ctx, w.method, to.String(), w.body)
	if err != nil {
		return 0, err
	}
	// Any status is a number then. Only the range of the metric knows which are good.
	if w.path == nil {
		return float64(code), nil
	}
	if code < 200 || code > 299 {
		return 0, &StatusError{Code: code, Said: said(string(text))}
	}
	return w.find(text)
}

// find takes one value and refuses several, even equal ones: a path that matches more than was meant is a mistake.
func (w *web) find(text []byte) (float64, error) {
	var answer any
	if err := json.Unmarshal(text, &answer); err != nil {
		// Its beginning is shown: most often it is a login page, or a proxy's.
		return 0, fmt.Errorf("the answer is not JSON: %s", said(string(text)))
	}
	values, err := w.path.find(answer)
	if err != nil {
		return 0, fmt.Errorf("at %q: %w", w.text, err)
	}
	switch len(values) {
	case 0:
		return 0, fmt.Errorf("%w: nothing is at %q", ErrNoData, w.text)
	case 1:
		return number(values[0], w.text)
	}
	// To take the first of several would be a guess about their order.
	return 0, fmt.Errorf("at %q are %d values where one is wanted", w.text, len(values))
}

// number takes numbers, and strings that hold one.
func number(v any, at string) (float64, error) {
	switch v := v.(type) {
	case nil:
		return 0, fmt.Errorf("%w: null is at %q", ErrNoData, at)
	case float64:
		return v, nil
	case string:
		// APIs write numbers as texts for readers that round large ones. One out of range is infinite, and compares.
		if n, err := strconv.ParseFloat(strings.TrimSpace(v), 64); err == nil || errors.Is(err, strconv.ErrRange) {
			return n, nil
		}
	}
	return 0, fmt.Errorf("at %q is %s, not a number", at, shown(v))
}

// shown is a value of an answer as an error may show it: what sort of thing it is, and its beginning.
func shown(v any) string {
	kind, text := described(v)
	return strings.TrimSpace(kind + " " + quote(text))
}

// written is a part of a query as an error may show it.
func written(text string) string {
	kind, short := described(text)
	return kind + " " + short
}

// described are the sort of a value, where that is not plain, and its beginning.
func described(v any) (kind, short string) {
	// As JSON and not as Go writes it, since that is what the user sees of the server.
	if v == nil {
		return "null", ""
	}
	text, err := json.Marshal(v)
	if err != nil {
		text = fmt.Append(nil, v)
	}
	kind = map[byte]string{'{': "the object", '[': "the list", '"': "the string", 't': "the boolean", 'f': "the boolean"}[text[0]]
	short = string(text)
	if len(short) > 100 {
		short = strings.ToValidUTF8(short[:100], "") + "…"
	}
	return kind, short
}
