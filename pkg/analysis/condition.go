package analysis

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"
	"k8s.io/utils/lru"
)

const (
	// maxConditions is more expressions than a cluster has. They come from Canaries: their number must be bounded.
	maxConditions = 2048
	// maxExpression is the greatest length of an expression, in bytes, as the schema has it.
	maxExpression = 4096
	// maxDepth is how deep an expression may be nested: the time to find out its type grows faster than the square of that.
	maxDepth = 24
	// maxCost bounds what one evaluation may take, in steps of CEL: a quarter of a second. A condition on each of ten
	// thousand values takes fifty thousand.
	maxCost = 250_000
	// checkEvery is after how many elements of a list a cancelled round is noticed.
	checkEvery = 100
)

// File condition.go has the conditions of metrics, in CEL. Users write them, so that length, cost and number are
// bounded and an evaluation ends with its round.

// conditions compiles the expressions of metrics, and keeps what came of that: every pass over a Canary looks at
// its expressions, and compiling one takes a thousand times as long as running it.
//
// An expression is compiled twice, with `result` as a number and as a list of numbers, and is good when one of the
// two is: so a number that is multiplied by a list is found when the Canary is applied and not in mid-rollout.
type conditions struct {
	number, list *cel.Env

	mu sync.Mutex
	// By namespace, and there by expression: a function that returns its *condition, and compiles it the first time. Each
	// namespace has its own, so that nobody's are forgotten for those of another.
	known map[string]*lru.Cache
	kept  int // in all of them
}

// condition is one expression. A reading that does not compile is nil.
type condition struct {
	number, list cel.Program
	err          error // of both, as one line with the position
}

// sharedConditions is built when the first condition is met and shared by all from then on: it takes two megabytes of resident
// memory, and many operators never meet a condition. A condition takes ten kilobytes.
var sharedConditions = sync.OnceValues(newConditions)

// newConditions prepares both readings over one vocabulary. It only fails if that contradicts itself.
func newConditions() (*conditions, error) {
	base, err := cel.NewEnv(
		cel.CrossTypeNumericComparisons(true), // result < 5 reads better than result < 5.0
		// Also here: a Canary may have been stored before its schema had the limit.
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(maxDepth),
		ext.Math(),
		test("isNaN", math.IsNaN),
		test("isInf", func(v float64) bool { return math.IsInf(v, 0) }),
	)
	if err != nil {
		return nil, fmt.Errorf("prepare conditions: %w", err)
	}
	number, err := base.Extend(cel.Variable("result", cel.DoubleType))
	if err != nil {
		return nil, fmt.Errorf("prepare conditions: %w", err)
	}
	list, err := base.Extend(cel.Variable("result", cel.ListType(cel.DoubleType)))
	if err != nil {
		return nil, fmt.Errorf("prepare conditions: %w", err)
	}
	return &conditions{number: number, list: list, known: map[string]*lru.Cache{}}, nil
}

// test is a function of expressions that tells something about a number.
func test(name string, is func(float64) bool) cel.EnvOption {
	return cel.Function(name, cel.Overload(name+"_double", []*cel.Type{cel.DoubleType}, cel.BoolType,
		cel.UnaryBinding(func(v ref.Val) ref.Val {
			number, ok := v.(types.Double)
			if !ok {
				return types.MaybeNoSuchOverloadErr(v)
			}
			return types.Bool(is(float64(number)))
		})))
}

// find is the condition of an expression of a namespace, compiled now or before. Of the namespace with the most the one
// that was not asked for the longest is forgotten first.
func (c *conditions) find(namespace, expression string) *condition {
	c.mu.Lock()
	own := c.known[namespace]
	if own == nil {
		own = lru.New(0) // bounded by forget
		c.known[namespace] = own
	}
	known, ok := own.Get(expression)
	if !ok {
		// Many Canaries with the same condition have it compiled once.
		known = sync.OnceValue(func() *condition { return c.compile(expression) })
		own.Add(expression, known)
		if c.kept++; c.kept > maxConditions {
			c.forget(namespace)
		}
	}
	// Compiled outside the lock: who has another condition does not wait for this one.
	c.mu.Unlock()
	return known.(func() *condition)()
}

// forget makes room. Among namespaces with equally many it is the one that asks for more.
func (c *conditions) forget(asking string) {
	largest := asking
	for namespace, own := range c.known {
		if n, most := own.Len(), c.known[largest].Len(); n > most || n == most && largest != asking && namespace < largest {
			largest = namespace
		}
	}
	c.known[largest].RemoveOldest()
	if c.kept--; c.known[largest].Len() == 0 {
		delete(c.known, largest)
	}
}

// compile keeps what is wrong only where neither reading makes sense of the expression. A list and a number have
// hardly an operation in common, so that one error is nearly always the one that was meant.
func (c *conditions) compile(expression string) *condition {
	number, inNumber := program(c.number, expression)
	list, inList := program(c.list, expression)
	made := &condition{number: number, list: list}
	if inNumber != nil && inList != nil {
		made.err = inNumber
		if inNumber.before(inList) { // the reading that got further is the one that was meant
			made.err = inList
		}
	}
	return made
}

// program prepares an expression in one of its readings. Its type is known before it ever runs, and whatever is not a
// condition is refused here.
func program(env *cel.Env, expression string) (cel.Program, *syntaxError) {
	tree, issues := env.Parse(expression)
	if issues.Err() != nil {
		return nil, firstOf(issues)
	}
	if err := withoutMaps(tree.NativeRep()); err != nil {
		return nil, err
	}
	tree, issues = env.Check(tree)
	if issues.Err() != nil {
		return nil, firstOf(issues)
	}
	if tree.OutputType() != cel.BoolType {
		return nil, &syntaxError{what: fmt.Sprintf("is a %s; it has to be true or false", tree.OutputType())}
	}
	p, err := env.Program(tree, cel.CostLimit(maxCost), cel.InterruptCheckFrequency(checkEvery))
	if err != nil {
		return nil, &syntaxError{what: err.Error()}
	}
	return p, nil
}

// withoutMaps refuses maps, before the types are looked at: `.map(a, {a: a})` doubles the size of a type, and twenty of
// them make a million. Numbers and lists of numbers are judged without.
func withoutMaps(tree *ast.AST) *syntaxError {
	var found *syntaxError
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if k := e.Kind(); found == nil && (k == ast.MapKind || k == ast.StructKind) {
			at := tree.SourceInfo().GetStartLocation(e.ID())
			found = &syntaxError{line: at.Line(), column: at.Column(), what: "a condition can have lists, and no maps"}
		}
	}))
	return found
}

// syntaxError is the first thing that is wrong with an expression.
type syntaxError struct {
	line, column int // from 1 and 0; a line of 0: it is about all of the expression
	what         string
}

// firstOf drops all that follows the first mistake: most of it follows from that.
func firstOf(issues *cel.Issues) *syntaxError {
	all := issues.Errors()
	if len(all) == 0 {
		return &syntaxError{what: oneLine([]byte(issues.Err().Error()))}
	}
	first := all[0]
	return &syntaxError{line: first.Location.Line(), column: first.Location.Column(), what: oneLine([]byte(first.Message))}
}

// before says which of two mistakes comes first. One about the whole expression comes last, since everything was
// understood by then.
func (s *syntaxError) before(other *syntaxError) bool {
	if s.line == 0 || other.line == 0 {
		return s.line != 0
	}
	return s.line < other.line || s.line == other.line && s.column < other.column
}

// Error says where, as editors count.
func (s *syntaxError) Error() string {
	if s.line == 0 {
		return s.what
	}
	return fmt.Sprintf("line %d, column %d: %s", s.line, s.column+1, s.what)
}

// holds says whether an expression is true of what a query returned. One that only makes sense of a list is given
// one, also of a single value.
func (c *condition) holds(ctx context.Context, values []float64) (bool, error) {
	if c.err != nil {
		return false, c.err
	}
	run, result := c.list, any(values)
	if len(values) == 1 && c.number != nil {
		run, result = c.number, values[0]
	}
	if run == nil {
		return false, fmt.Errorf("it is about one number, and the query returned %d", len(values))
	}
	out, _, err := run.ContextEval(ctx, map[string]any{"result": result})
	if err != nil {
		return false, errors.New(oneLine([]byte(err.Error())))
	}
	return out == types.True, nil
}
