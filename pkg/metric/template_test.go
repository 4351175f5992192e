package metric

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func podinfo() Vars {
	return Vars{
		Name:      "podinfo-canary-object",
		Namespace: "test",
		Target:    "podinfo",
		Service:   "podinfo-svc",
		Backend:   "podinfo-svc-canary",
		Ingress:   "podinfo-ingress",
		Route:     "podinfo-route",
		Interval:  "1m",
		Variables: map[string]string{"reporter": "source", "empty": ""},
	}
}

func TestRender(t *testing.T) {
	cases := map[string]struct {
		reason, query, want string
	}{
		"Plain": {
			reason: "PromQL's own braces mean nothing here.",
			query:  `sum(rate(requests{status!~"5.*"}[1m]))`,
			want:   `sum(rate(requests{status!~"5.*"}[1m]))`,
		},
		"EveryFunction": {
			reason: "These are the words of the interface.",
			query:  `{{ name }} {{ namespace }} {{ target }} {{ service }} {{ ingress }} {{ route }} {{ interval }}`,
			want:   `podinfo-canary-object test podinfo podinfo-svc podinfo-ingress podinfo-route 1m`,
		},
		"Variable": {
			reason: "Variables are the user's own words.",
			query:  `{{ variables.reporter }}`,
			want:   `source`,
		},
		"EmptyVariable": {
			reason: "A variable that is given may be empty.",
			query:  `[{{ variables.empty }}]`,
			want:   `[]`,
		},
		"NoSpaces": {
			reason: "Manifests write it both ways.",
			query:  `{{target}}-{{namespace}}`,
			want:   `podinfo-test`,
		},
		"Language": {
			reason: "It is the whole language of text/template.",
			query:  `{{- $r := printf "%s_%s" namespace service }}{{ $r }}`,
			want:   `test_podinfo-svc`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Render(tc.query, podinfo())
			require.NoError(t, err, tc.reason)
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}

func TestRenderRefuses(t *testing.T) {
	cases := map[string]struct {
		reason, query, want string
		none                bool // no variables at all
	}{
		"MissingVariable": {
			reason: "The error names what is missing.",
			query:  `{{ variables.source }}`,
			want:   `"source"`,
		},
		"NoVariables": {
			reason: "It does so also when none is given.",
			query:  `{{ variables.reporter }}`,
			want:   `"reporter"`,
			none:   true,
		},
		"UnknownFunction": {
			reason: "A misspelling is named.",
			query:  `{{ nmespace }}`,
			want:   `"nmespace"`,
		},
		"Unclosed": {
			reason: "A broken template is no query.",
			query:  `{{ namespace`,
			want:   "parsing the query",
		},
		"Endless": {
			reason: "A loop must not eat the operator's memory.",
			query:  `{{ range 1000000000 }}aaaaaaaaaaaaaaaa{{ end }}`,
			want:   "grows beyond 65536 bytes",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			v := podinfo()
			if tc.none {
				v.Variables = nil
			}
			_, err := Render(tc.query, v)
			require.ErrorContains(t, err, tc.want, tc.reason)
		})
	}
}

func TestBuiltinRefuses(t *testing.T) {
	cases := map[string]struct {
		reason, provider, metric, want string
	}{
		"Provider":   {reason: "No provider is ever taken for another.", provider: "isto", metric: SuccessRate, want: `provider "isto"`},
		"NoProvider": {reason: "Nor is none.", provider: "", metric: SuccessRate, want: `provider ""`},
		"Metric":     {reason: "The error names the metric.", provider: "istio", metric: "latency", want: `metric "latency"`},
		"Path":       {reason: "A name is not a path.", provider: "istio", metric: "../../x", want: `metric "../../x"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Builtin(tc.provider, tc.metric)
			require.ErrorContains(t, err, tc.want, tc.reason)
		})
	}
}
