package bench

import (
	"cmp"
	"slices"
)

// pick keeps the requests that all filters agree to.
func pick(all []Request, filters ...func(Request) bool) []Request {
	var kept []Request
	for _, r := range all {
		if !slices.ContainsFunc(filters, func(f func(Request) bool) bool { return !f(r) }) {
			kept = append(kept, r)
		}
	}
	return kept
}

func by(user string) func(Request) bool { return func(r Request) bool { return r.User == user } }

func notLease(r Request) bool { return !r.lease() }

// within keeps what is about the fleet's own namespaces: nodes' heartbeats and the
// like go on whether something is rolled out or not.
func within(namespaces []string) func(Request) bool {
	return func(r Request) bool { return slices.Contains(namespaces, r.Namespace) }
}

// Count is how often something was asked for.
type Count struct {
	What string
	N    int
}

// tally counts by a property, the most frequent first.
func tally(all []Request, of func(Request) string) []Count {
	sums := map[string]int{}
	for _, r := range all {
		sums[of(r)]++
	}
	counts := make([]Count, 0, len(sums))
	for what, n := range sums {
		counts = append(counts, Count{What: what, N: n})
	}
	slices.SortFunc(counts, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.What, b.What))
	})
	return counts
}
