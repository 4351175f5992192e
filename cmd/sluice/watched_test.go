package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestWatched(t *testing.T) {
	for name, tc := range map[string]struct {
		reason     string
		args       []string
		namespaces []string
		follows    bool // of a Canary with the label team: a
		fails      string
		shared     bool // it has the lease of all
	}{
		"All":            {reason: "one operator follows all", follows: true, shared: true},
		"One":            {reason: "the lease is in that namespace, so that its name need be no other", args: []string{"-namespace=a"}, namespaces: []string{"a"}, follows: true, shared: true},
		"Some":           {reason: "others are watched by others", args: []string{"-watch-namespaces=a, b"}, namespaces: []string{"a", "b"}, follows: true},
		"Labels":         {reason: "it has one of these", args: []string{"-watch-label-selector=team in (a,b)"}, follows: true},
		"OtherLabels":    {reason: "it is another operator's", args: []string{"-watch-label-selector=team!=a"}},
		"Both":           {reason: "either selects", args: []string{"-watch-label-selector=team=a", "-watch-namespaces=a"}, namespaces: []string{"a"}, follows: true},
		"OneAndSome":     {reason: "which of them was meant?", args: []string{"-namespace=a", "-watch-namespaces=b"}, fails: "-watch-namespaces: not beside -namespace"},
		"NoNamespace":    {reason: "it would watch all", args: []string{"-watch-namespaces=,"}, fails: `-watch-namespaces: "," names no namespace`},
		"WrongNamespace": {reason: "a pattern would watch nothing", args: []string{"-watch-namespaces=team-*"}, fails: `-watch-namespaces: "team-*" is not the name of a namespace`},
		"WrongLabels":    {reason: "a mistake would follow nothing", args: []string{"-watch-label-selector=team in a"}, fails: `-watch-label-selector: "team in a" is not a label selector`},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := parse(tc.args, nothing, &bytes.Buffer{})
			if tc.fails != "" {
				require.ErrorContains(t, err, tc.fails, tc.reason)
				return
			}
			require.NoError(t, err)
			w := o.watched()
			require.Equal(t, tc.namespaces, w.Namespaces, tc.reason)
			c := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"team": "a"}}}
			require.Equal(t, tc.follows, w.Follows(c), tc.reason)
			require.Equal(t, tc.shared, o.lease() == "flagger-leader-election", tc.reason)
			require.True(t, strings.HasPrefix(o.lease(), "flagger-leader-election"))
		})
	}
}

// TestLeasesDiffer has operators that follow different Canaries not wait for each other.
func TestLeasesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, args := range [][]string{
		nil, {"-watch-label-selector=team=a"}, {"-watch-label-selector=team=b"}, {"-watch-namespaces=a"}, {"-watch-namespaces=a", "-watch-label-selector=team=a"},
	} {
		o, err := parse(args, nothing, &bytes.Buffer{})
		require.NoError(t, err)
		require.False(t, seen[o.lease()], "%v", args)
		seen[o.lease()] = true
	}
	o, err := parse([]string{"-watch-label-selector=team in (a,b)"}, nothing, &bytes.Buffer{})
	require.NoError(t, err)
	require.Equal(t, "flagger-leader-election-e1e63f4c", o.lease(), "the chart gives the right to this name")
}
