// Package metric asks monitoring systems for numbers. It holds no client of Kubernetes: what is measured there is
// asked through Cluster, and Secrets are handed in as they were read.
//
// A query starts as a template, is rendered with what it is about, and is put to a Provider:
//
//	Builtin   provider × name → the template of a metric that every Canary may use
//	Render    template × Vars → a query
//	Query     query           → one number, or ErrNoData
//
// There is one file for each monitoring system. What all of them promise is kept by one test: an
// answer without a number is ErrNoData and never a zero, the size of an answer and the time it may
// take are bounded, and no error shows an address's credentials.
package metric

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Provider is a monitoring system.
type Provider interface {
	// Query returns the one number that the query asks for. It wraps ErrNoData when there is none.
	Query(ctx context.Context, query string) (float64, error)
}

// ErrNoData means that a query was answered, but with no number: nothing was measured, or it could
// not be computed (0/0 requests). Whoever judges by it must not take that for a zero.
var ErrNoData = errors.New("query returned no data")

// ErrNaN means that what was measured could not be computed, as a rate of nothing by nothing. It is a
// kind of ErrNoData: both are found by errors.Is.
var ErrNaN = fmt.Errorf("%w: the result is not a number", ErrNoData)

// Sampler is a provider that can tell the elements of an answer apart.
// It is an interface of its own, since most systems return one number: a comparison has to refuse those by name.
type Sampler interface {
	// Samples returns all elements of a query's answer at one time, NaN ones among others too; zero is now, by the
	// system's clock. It wraps ErrNoData when there are none, and ErrNaN when a NaN is all there is.
	Samples(ctx context.Context, query string, at time.Time) ([]Sample, error)
}

// Sample is one element of an answer.
type Sample struct {
	Labels map[string]string // what is measured; empty for a plain number
	Value  float64
}
