package sequential

import (
	"errors"
	"strconv"
)

// File text.go writes Evidence as one line, to be stored where it is read by nobody else: the numbers in their order,
// with spaces between them. JSON would take several times as long to read as a check takes to compute.
//
//	v1 until strata canary primary pairs crossed final(2) n bounds(n) m sums(m × 19) k recent(k × 4)

// form is the first word of the text.
const form = "v1"

// errText is what is wrong with a text that this package did not write.
var errText = errors.New("the text is no evidence")

// Text is the evidence as one line.
func (e *Evidence) Text() string {
	b := make([]byte, 0, 4096)
	b = append(b, form...)
	whole := func(numbers ...int64) {
		for _, n := range numbers {
			b = strconv.AppendInt(append(b, ' '), n, 10)
		}
	}
	number := func(v float64) { b = strconv.AppendFloat(append(b, ' '), v, 'f', -1, 64) }
	whole(e.Until, int64(e.Strata), e.Canary, e.Primary)
	number(e.Pairs)
	whole(int64(e.Crossed))
	if f := e.Final; f != nil {
		number(f.P)
		whole(int64(f.Bound))
	} else {
		whole(-1, 0)
	}
	whole(int64(len(e.Bounds)))
	for _, bound := range e.Bounds {
		b = strconv.AppendFloat(append(b, ' '), bound, 'g', -1, 64)
	}
	whole(int64(len(e.Sums)))
	for i := range e.Sums {
		for _, v := range e.Sums[i] {
			number(v)
		}
	}
	whole(int64(len(e.Recent)))
	for i := range e.Recent {
		whole(e.Recent[i][:]...)
	}
	return string(b)
}

// Parse reads what Text has written, and refuses evidence with which nothing can be computed.
func Parse(text string) (Evidence, error) {
	r := reader{left: text}
	if r.word() != form {
		return Evidence{}, errText
	}
	e := Evidence{Until: r.whole(), Strata: int(r.whole()), Canary: r.whole(), Primary: r.whole(), Pairs: r.number(), Crossed: uint32(r.whole())}
	if p, bound := r.number(), int(r.whole()); p >= 0 {
		e.Final = &Final{P: p, Bound: bound}
	}
	if n := r.count(MaxBounds); n > 0 {
		e.Bounds = make([]float64, n)
		for i := range e.Bounds {
			e.Bounds[i] = r.number()
		}
	}
	if n := r.count(MaxBounds); n > 0 {
		e.Sums = make([]Sums, n)
		for i := range e.Sums {
			for j := range e.Sums[i] {
				e.Sums[i][j] = r.number()
			}
		}
	}
	if n := r.count(MaxStrata); n > 0 {
		e.Recent = make([][4]int64, n)
		for i := range e.Recent {
			for j := range e.Recent[i] {
				e.Recent[i][j] = r.whole()
			}
		}
	}
	if r.bad || r.left != "" {
		return Evidence{}, errText
	}
	err := e.check()
	return e, err
}

// reader takes words off a text.
type reader struct {
	left string
	bad  bool
}

func (r *reader) word() string {
	for i := range len(r.left) {
		if r.left[i] == ' ' {
			word := r.left[:i]
			r.left = r.left[i+1:]
			return word
		}
	}
	word := r.left
	r.left = ""
	return word
}

func (r *reader) whole() int64 {
	n, err := strconv.ParseInt(r.word(), 10, 64)
	r.bad = r.bad || err != nil
	return n
}

func (r *reader) number() float64 {
	v, err := strconv.ParseFloat(r.word(), 64)
	r.bad = r.bad || err != nil
	return v
}

// count is how many of something follow; of more than there can be none are read.
func (r *reader) count(most int64) int64 {
	n := r.whole()
	if n < 0 || n > most {
		r.bad = true
	}
	if r.bad {
		return 0
	}
	return n
}
