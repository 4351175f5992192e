package analysis

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/stretchr/testify/require"
)

func TestCondition(t *testing.T) {
	cases := map[string]struct {
		reason, expression string
		values             []float64
		want               bool
	}{
		"Below":        {reason: "A number is compared.", expression: `result < 0.05`, values: []float64{0.01}, want: true},
		"NotBelow":     {reason: "And found too large.", expression: `result < 0.05`, values: []float64{0.1}},
		"WholeNumber":  {reason: "Whole numbers need no point.", expression: `result >= 99`, values: []float64{99}, want: true},
		"Both":         {reason: "Conditions combine.", expression: `result > 1 && result < 3`, values: []float64{2}, want: true},
		"NotANumber":   {reason: "There is a word for what compares with nothing.", expression: `isNaN(result)`, values: []float64{math.NaN()}, want: true},
		"Infinite":     {reason: "And for what is beyond all bounds.", expression: `isInf(result)`, values: []float64{math.Inf(-1)}, want: true},
		"Finite":       {reason: "Numbers are neither.", expression: `isInf(result) || isNaN(result)`, values: []float64{7}},
		"Exists":       {reason: "A list is searched.", expression: `result.exists(r, r > 0.5)`, values: []float64{0.1, 0.9}, want: true},
		"All":          {reason: "All of a list must fit.", expression: `result.all(r, r < 0.5)`, values: []float64{0.1, 0.9}},
		"Index":        {reason: "A list has places.", expression: `result[0] < result[1]`, values: []float64{1, 2}, want: true},
		"Size":         {reason: "And a size.", expression: `size(result) == 3`, values: []float64{1, 2, 3}, want: true},
		"ListOfOne":    {reason: "What is about a list is given one, also when only one value came.", expression: `result[0] < 5.0`, values: []float64{4}, want: true},
		"ExistsInOne":  {reason: "The same with a macro.", expression: `result.exists(r, isNaN(r))`, values: []float64{math.NaN()}, want: true},
		"Arithmetic":   {reason: "Doubles calculate with doubles.", expression: `result * 100.0 < 5.0`, values: []float64{0.04}, want: true},
		"Math":         {reason: "The mathematical extension is there.", expression: `math.abs(result) < 1.0`, values: []float64{-0.5}, want: true},
		"TruncateText": {reason: "Several lines are one expression.", expression: "result > 1.0 &&\n  result < 2.0", values: []float64{1.5}, want: true},
	}
	all, err := newConditions()
	require.NoError(t, err)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := all.find("test", tc.expression).holds(t.Context(), tc.values)
			require.NoError(t, err, tc.reason)
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}

func TestConditionRefuses(t *testing.T) {
	cases := map[string]struct {
		reason, expression, want string
	}{
		"Misspelt":      {reason: "The place is that of the word.", expression: `resul < 1.0`, want: "line 1, column 1: undeclared reference to 'resul'"},
		"SecondLine":    {reason: "Lines are counted.", expression: "result < 1.0 ||\n  resul > 2.0", want: "line 2, column 3: undeclared reference to 'resul'"},
		"Unfinished":    {reason: "Syntax errors have a place too.", expression: `result <`, want: "line 1, column 9: "},
		"Empty":         {reason: "Blanks are no condition.", expression: ` `, want: "line 1, column "},
		"Number":        {reason: "A value is no condition.", expression: `result + 1.0`, want: "is a double; it has to be true or false"},
		"WholeProduct":  {reason: "What would fail in mid-rollout is found now.", expression: `result * 100 < 5`, want: "line 1, column 8: found no matching overload for '_*_'"},
		"InMacro":       {reason: "The reading that got further tells more: this is about a list.", expression: `result.exists(r, r > limit)`, want: "line 1, column 22: undeclared reference to 'limit'"},
		"Unknown":       {reason: "There are no other functions.", expression: `now() > result`, want: "undeclared reference to 'now'"},
		"TooLong":       {reason: "The size is bounded.", expression: strings.Repeat("result > 1.0 || ", 300) + "true", want: "expression code point size exceeds limit"},
		"TooDeep":       {reason: "So is the depth.", expression: strings.Repeat("(", 2000) + "true" + strings.Repeat(")", 2000), want: "recursion"},
		"DeepLists":     {reason: "A list in a list in a list takes long to check.", expression: strings.Repeat("[", 239) + "1" + strings.Repeat("]", 239) + " == []", want: "recursion"},
		"DeepLists25":   {reason: "So do some fewer.", expression: strings.Repeat("[", 25) + "1" + strings.Repeat("]", 25) + " == []", want: "recursion"},
		"DeepMacros":    {reason: "So do macros in macros.", expression: strings.Repeat("[", 60) + "1" + strings.Repeat("].map(a,[a])", 60) + " == []", want: "recursion"},
		"Maps":          {reason: "A type that is doubled fourteen times is long.", expression: "[1]" + strings.Repeat(".map(a,{a:a})", 14) + " == []", want: "line 1, column 11: a condition can have lists, and no maps"},
		"NumberAndList": {reason: "It cannot be both.", expression: `result > 1.0 && result.exists(r, r > 1.0)`, want: "line 1, column "},
	}
	all, err := newConditions()
	require.NoError(t, err)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := all.find("test", tc.expression).err
			require.ErrorContains(t, err, tc.want, tc.reason)
			require.NotContains(t, err.Error(), "\n", "Conditions of an object are one line.")
			again, err := all.find("test", tc.expression).holds(t.Context(), []float64{1})
			require.Error(t, err, "It is not evaluated either.")
			require.False(t, again)
		})
	}
}

func TestConditionFailsWhileItRuns(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	many := make([]float64, 2000)
	cases := map[string]struct {
		reason, expression string
		ctx                context.Context
		values             []float64
		want               string
	}{
		"Beyond":    {reason: "A place that is not there.", expression: `result[3] > 1.0`, ctx: t.Context(), values: []float64{1}, want: "index out of bounds"},
		"Several":   {reason: "A condition for one number and several of them.", expression: `result > 1.0`, ctx: t.Context(), values: []float64{1, 2}, want: "it is about one number, and the query returned 2"},
		"Costly":    {reason: "An expression must not keep the operator busy.", expression: `result.all(a, result.all(b, a == b))`, ctx: t.Context(), values: many, want: "cost limit"},
		"Cancelled": {reason: "A round that was broken off ends.", expression: `result.all(a, a < 1.0)`, ctx: cancelled, values: many, want: "interrupted"},
	}
	all, err := newConditions()
	require.NoError(t, err)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := all.find("test", tc.expression).holds(tc.ctx, tc.values)
			require.ErrorContains(t, err, tc.want, tc.reason)
		})
	}
}

func TestConditionsAreKept(t *testing.T) {
	all, err := newConditions()
	require.NoError(t, err)
	first := all.find("test", `result > 1.0`)
	require.Same(t, first, all.find("test", `result > 1.0`), "Compiling takes long, every pass asks for it.")
	for i := range 3 * maxConditions {
		all.find("test", fmt.Sprintf("result > %d", i))
		require.Same(t, first, all.find("test", `result > 1.0`), "What is in use stays, whatever others write.")
	}
	require.LessOrEqual(t, all.kept, maxConditions, "Expressions come from Canaries: what is kept is bounded.")
}

// TestConditionsOfTenants has a namespace that writes more expressions than are kept.
func TestConditionsOfTenants(t *testing.T) {
	all, err := newConditions()
	require.NoError(t, err)
	victims := []*condition{all.find("victim", `result > 1.0`), all.find("victim", `result > 2.0`)}
	for i := range 2 * maxConditions {
		all.find("attacker", fmt.Sprintf("result > %d", i))
	}
	require.LessOrEqual(t, all.kept, maxConditions)
	require.Same(t, victims[0], all.find("victim", `result > 1.0`), "Nobody's conditions are forgotten for another's.")
	require.Same(t, victims[1], all.find("victim", `result > 2.0`))
	for i := range 2 * maxConditions {
		all.find(fmt.Sprintf("namespace-%d", i), `result > 1.0`)
	}
	require.LessOrEqual(t, all.kept, maxConditions, "However many namespaces there are.")
	require.LessOrEqual(t, len(all.known), maxConditions+1)
}

// TestConditionsAreCompiledApart has a condition whose compilation does not end, for as long as the test wants.
func TestConditionsAreCompiledApart(t *testing.T) {
	all, err := newConditions()
	require.NoError(t, err)
	began, goOn := make(chan struct{}), make(chan struct{})
	wait := cel.GlobalMacro("wait", 0, func(f cel.MacroExprFactory, _ ast.Expr, _ []ast.Expr) (ast.Expr, *common.Error) {
		close(began)
		<-goOn
		return f.NewLiteral(types.True), nil
	})
	all.number, err = all.number.Extend(cel.Macros(wait))
	require.NoError(t, err)
	slow := make(chan *condition)
	for range 2 {
		go func() { slow <- all.find("test", `wait()`) }()
	}
	<-began
	require.NoError(t, all.find("test", `result > 1.0`).err, "Another Canary does not wait for it.")
	close(goOn)
	first, second := <-slow, <-slow
	require.Same(t, first, second, "Two with the same condition wait for one compilation.")
}

// TestConditionsCompileQuickly has the slowest expressions that are allowed.
func TestConditionsCompileQuickly(t *testing.T) {
	cases := map[string]string{
		"Lists":   "[" + strings.Repeat(strings.Repeat("[", 20)+"1"+strings.Repeat("]", 20)+",", 80) + "1] == []",
		"Macros":  strings.Repeat("["+strings.Repeat("[", 10)+"1"+strings.Repeat("].map(a,[a])", 10)+"] == [] || ", 28) + "true",
		"Exists":  strings.Repeat(strings.Repeat("result.exists(r,", 20)+"true"+strings.Repeat(")", 20)+" || ", 11) + "true",
		"Chained": strings.Repeat("[1]"+strings.Repeat(".map(a,[a,a])", 20)+" == [] || ", 14) + "true",
	}
	all, err := newConditions()
	require.NoError(t, err)
	for name, expression := range cases {
		t.Run(name, func(t *testing.T) {
			require.LessOrEqual(t, len(expression), maxExpression)
			began := time.Now()
			require.NoError(t, all.find("test", expression).err)
			require.Less(t, time.Since(began), 20*time.Second, "A hundred times what it takes.")
		})
	}
}

func BenchmarkCondition(b *testing.B) {
	all, err := newConditions()
	require.NoError(b, err)
	c := all.find("test", `result >= 99.0 && !isNaN(result)`)
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := c.holds(b.Context(), []float64{99.9}); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

func BenchmarkConditionCompile(b *testing.B) {
	all, err := newConditions()
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		all.compile(`result >= 99.0 && !isNaN(result)`)
	}
}
