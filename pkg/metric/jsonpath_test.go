package metric

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/util/jsonpath"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// nested is `{"a":{"a":{"a":... 1 ...}}}`.
func nested(deep int) string {
	return strings.Repeat(`{"a":`, deep) + "1" + strings.Repeat("}", deep)
}

// TestWebSurvives has answers and paths that took the process down, or its memory and time.
func TestWebSurvives(t *testing.T) {
	cases := map[string]struct{ reason, path, answer, want string }{
		"Null":         {reason: "An answer may be nothing at all.", path: "$", answer: "null", want: `query returned no data: null is at "$"`},
		"NullElement":  {reason: "Of which there is no first.", path: "$[0]", answer: "null", want: `query returned no data: nothing is at "$[0]"`},
		"NullFiltered": {reason: "Nor one that fits.", path: "{[?(@.a)]}", answer: "null", want: "null is not array or slice and cannot be filtered"},
		"Unions":       {reason: "Each union doubles what is looked at.", path: "{" + strings.Repeat("['a','a']", 21) + "}", answer: nested(21), want: "looks at more than 500000 values"},
		"Descents":     {reason: "Each descent looks at everything below.", path: "{..a..a..a..a..z}", answer: nested(500), want: "looks at more than 500000 values"},
		"Deep":         {reason: "One descent is enough where there is much below.", path: "{..z}", answer: strings.Repeat("[", 9000) + strings.Repeat("0,", 600_000) + "0" + strings.Repeat("]", 9000), want: "looks at more than 500000 values"},
		"Filters":      {reason: "A filter looks at everything for each element.", path: "{[?(@" + strings.Repeat(".a", 300) + ")]}", answer: "[" + strings.Repeat("0,", 9999) + "0]", want: "looks at more than 500000 values"},
		"Text":         {reason: "A text has letters.", path: "{.*.*}", answer: `["` + strings.Repeat("x", 600_000) + `"]`, want: "looks at more than 500000 values"},
		"Bracket":      {reason: "What is shown of an answer is bounded.", path: "{[?(@.a)]}", answer: `{"a":"` + strings.Repeat("x", 10_000) + `"}`, want: "is not array or slice"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			_, err := asked(t, answering(200, tc.answer), &v1beta1.WebRequest{JSONPath: tc.path}, "")
			require.ErrorContains(t, err, tc.want, tc.reason)
			require.Less(t, len(err.Error()), maxText, "Errors end in conditions.")
			require.Less(t, time.Since(began), 10*time.Second, tc.reason)
		})
	}
}

func TestWebRefusesPath(t *testing.T) {
	cases := map[string]struct{ reason, path, want string }{
		"Range": {reason: "One value is wanted.", path: "{range .items[*]}{.value}{end}", want: "range is for several values, and one is wanted"},
		"End":   {reason: "Nothing has begun.", path: "{end}", want: "end is for several values, and one is wanted"},
		"Long":  {reason: "Nobody has written this.", path: "{" + strings.Repeat(".a", maxPath) + "}", want: "longer than 1024 bytes"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := Check(v1beta1.MetricTemplateSpec{
				Provider: v1beta1.MetricProvider{Type: "web", Address: "http://a"}, Web: &v1beta1.WebRequest{JSONPath: tc.path},
			})
			require.ErrorContains(t, err, tc.want, tc.reason)
		})
	}
}

// paths are read by the library, and followed here: by what the two have to agree on.
func paths() []string {
	return []string{
		"{$}", "{}", "{.a}", "{.a.b}", "{.list[0]}", "{.list[-1]}", "{.list[0:2]}", "{.list[:]}", "{.list[::2]}", "{.list[1:]}", "{.list[5]}",
		"{.list[2:1]}", "{.list[0:2:0]}", "{.list[-9]}", "{.list[0,2]}", "{['a','list']}", "{.*}", "{.list[*]}", "{..b}", "{..}", "{.text.*}", "{.a..}",
		"{.items[?(@.n > 1.0)].n}", "{.items[?(@.name == 'x')].n}", "{.items[?(@.n)]}", "{.items[?(@.name != \"x\")]}", "{.items[?(@.n <= 1.0)]}",
		"{.items[?(@.n < 2.0)].name}", "{.items[?(@.n >= 2.0)].name}", "{.items[?(@.n == 1)]}", "{.list[?(@ > 1.0)]}", "{.a[?(@.b)]}", "{.items[?(@.n => 1)]}",
		"{'text'}", "{5}", "{1.5}", "{true}", "{.a} and {.list[0]}", "{other}", "{.a['b.c']}", "{.nil.x}", "{.nil[0]}", "{.list[0][0]}", "{.a[0]}",
		"{.items[?(@.n[*])]}", "{.items[?(@.tags[0] == 'a')].n}", "{.items[?('x' == @.name)]}",
	}
}

const document = `{"a":{"b":1,"b.c":2},"list":[1,2,3],"text":"hey","nil":null,"items":[{"name":"x","n":1,"tags":["a"]},{"name":"y","n":2,"tags":["b","c"]},{}]}`

// FuzzPathAsTheLibrary has the library as the judge of what a path leads to. It looks at nothing large, which the library
// does not survive.
func FuzzPathAsTheLibrary(f *testing.F) {
	for _, path := range paths() {
		f.Add(path, document)
	}
	f.Add("{[0]}", "null")
	f.Fuzz(func(t *testing.T, path, text string) {
		var answer any
		p, err := parsePath(path)
		if err != nil || json.Unmarshal([]byte(text), &answer) != nil || len(path) > 100 || len(text) > 300 {
			return
		}
		s := search{}
		got, found := []any{}, error(nil)
		for _, action := range p.actions {
			var values []any
			if values, found = s.walk([]any{answer}, action); found != nil {
				break
			}
			got = append(got, values...)
		}
		if s.steps > 10_000 || strings.Contains(path, "?") && !comparing(path) {
			return // where something cannot be looked for, the library says that it exists
		}
		want, wanted := theirFind(path, answer)
		if errors.Is(wanted, errPanic) {
			return
		}
		require.Equal(t, wanted == nil, found == nil, "library: %v, here: %v", wanted, found)
		if wanted == nil {
			require.ElementsMatch(t, want, got)
		}
	})
}

func comparing(path string) bool {
	return !slices.ContainsFunc(strings.Split(path, "[?(")[1:], func(filter string) bool {
		before, _, _ := strings.Cut(filter, ")]")
		return !strings.ContainsAny(before, "<>=!")
	})
}

var errPanic = errors.New("panic")

// theirFind is what the library makes of a path. It panics on some answers.
func theirFind(path string, answer any) (values []any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	j := jsonpath.New("answer").AllowMissingKeys(true)
	if err := j.Parse(path); err != nil {
		return nil, err
	}
	found, err := j.FindResults(answer)
	if err != nil {
		return nil, err
	}
	values = []any{}
	for _, part := range found {
		for _, value := range part {
			values = append(values, value.Interface())
		}
	}
	return values, nil
}
