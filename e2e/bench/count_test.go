package bench

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPick(t *testing.T) {
	step := Request{User: "sluice", Verb: "patch", Resource: "canaries/status", Namespace: "bench-000"}
	elsewhere := Request{User: "sluice", Verb: "patch", Resource: "canaries/status", Namespace: "default"}
	lease := Request{User: "sluice", Verb: "update", Resource: "leases", Namespace: "bench-000"}
	other := Request{User: "kwok", Verb: "patch", Resource: "pods/status", Namespace: "bench-000"}
	all := []Request{step, elsewhere, lease, other}
	inside := within([]string{"bench-000", "bench-001"})
	tests := map[string]struct {
		reason  string
		filters []func(Request) bool
		want    []Request
	}{
		"All":       {reason: "without a filter everything is kept", want: all},
		"User":      {reason: "only who asked tells the operator from the others", filters: []func(Request) bool{by("sluice")}, want: []Request{step, elsewhere, lease}},
		"Namespace": {reason: "what is about others than the fleet is not counted", filters: []func(Request) bool{inside}, want: []Request{step, lease, other}},
		"Several":   {reason: "all filters have to agree", filters: []func(Request) bool{by("sluice"), inside, notLease}, want: []Request{step}},
		"None":      {reason: "nobody of that name", filters: []func(Request) bool{by("nobody")}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, pick(all, tc.filters...), tc.reason) })
	}
}

func TestTally(t *testing.T) {
	tests := map[string]struct {
		reason string
		all    []Request
		want   []Count
	}{
		"MostFirst": {
			reason: "what costs most is read first, and equals by name, so that two runs can be compared",
			all: []Request{
				{Verb: "patch", Resource: "virtualservices"}, {Verb: "get", Resource: "canaries"},
				{Verb: "patch", Resource: "canaries/status"}, {Verb: "get", Resource: "canaries"},
			},
			want: []Count{{What: "get canaries", N: 2}, {What: "patch canaries/status", N: 1}, {What: "patch virtualservices", N: 1}},
		},
		"Nothing": {reason: "an idle operator has an empty table", want: []Count{}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, tally(tc.all, Request.what), tc.reason) })
	}
}
