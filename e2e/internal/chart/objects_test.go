package chart

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestObjects(t *testing.T) {
	cases := map[string]struct {
		reason, text string
		want         []string
		wantErr      string
	}{
		"Several": {
			reason: "Documents without an object are nothing.",
			text:   "---\n# a word\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: b}\n",
			want:   []string{"ConfigMap/a", "Deployment/b"},
		},
		"Misspelled": {
			reason:  "A server would drop it, and nobody would know.",
			text:    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: b}\nspec: {replica: 1}\n",
			wantErr: `unknown field "spec.replica"`,
		},
		"Twice": {
			reason:  "One of the two is lost.",
			text:    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: b}\ndata: {c: d}\n",
			wantErr: `"data"`,
		},
		"WrongType": {
			reason:  "A server would refuse it.",
			text:    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: b}\nspec: {replicas: many}\n",
			wantErr: "replicas",
		},
		"Unknown": {
			reason:  "A kind that is not looked at proves nothing.",
			text:    "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a}\n",
			wantErr: "example.com/v1",
		},
		"Foreign": {
			reason: "These are known to have no types here.",
			text:   "apiVersion: monitoring.coreos.com/v1\nkind: PodMonitor\nmetadata: {name: a}\n",
			want:   []string{"PodMonitor/a"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Objects([]byte(tc.text))
			if tc.wantErr != "" {
				require.ErrorContains(t, err, tc.wantErr, tc.reason)
				return
			}
			require.NoError(t, err, tc.reason)
			require.Equal(t, tc.want, ids(got), tc.reason)
		})
	}
}

func TestHelmSaysWhatItRan(t *testing.T) {
	_, err := helm(t).Run(t.Context(), "lint", "/no/such/chart")
	require.ErrorContains(t, err, "helm lint /no/such/chart: exit status 1")
}
