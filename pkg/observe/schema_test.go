package observe

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

func parsed(t *testing.T, text string) node {
	t.Helper()
	n := node{}
	require.NoError(t, yaml.Unmarshal([]byte(text), &n))
	return n
}

func TestMissingStatus(t *testing.T) {
	const own = `{properties: {spec: {type: object}, status: {type: object, properties: {
		phase: {type: string, enum: ["", Initialized, Paused]}, step: {type: integer}, sums: {type: object, additionalProperties: {type: string}},
		analysis: {type: object, properties: {started: {type: string}, metrics: {type: array, items: {type: object, properties: {name: {type: string}, checks: {type: integer}}}}}}}}}}`
	const analysis = `analysis: {type: object, properties: {started: {type: string}, metrics: {type: array, items: {type: object, properties: {name: {type: string}, checks: {type: integer}}}}}}`
	const sums = `sums: {type: object, additionalProperties: {type: string}}`
	cases := map[string]struct {
		reason, served string
		want           []string
	}{
		"Same":          {reason: "What is the same lacks nothing.", served: own},
		"Newer":         {reason: "Nor does what has more.", served: `{properties: {status: {properties: {phase: {type: string}, step: {}, more: {}, ` + sums + `, ` + analysis + `}}}}`},
		"Field":         {reason: "A field that is not there is dropped.", served: `{properties: {status: {properties: {phase: {}, ` + sums + `, ` + analysis + `}}}}`, want: []string{"step"}},
		"Object":        {reason: "An object stands for what is in it.", served: `{properties: {status: {properties: {phase: {}, step: {}, ` + sums + `}}}}`, want: []string{"analysis"}},
		"InList":        {reason: "Also in a list.", served: `{properties: {status: {properties: {phase: {}, step: {}, ` + sums + `, analysis: {properties: {started: {}, metrics: {items: {properties: {name: {}}}}}}}}}}`, want: []string{"analysis.metrics[].checks"}},
		"Keys":          {reason: "An object of any keys has to permit them.", served: `{properties: {status: {properties: {phase: {}, step: {}, sums: {type: object}, ` + analysis + `}}}}`, want: []string{"sums"}},
		"Value":         {reason: "A value that is refused is as bad as a field that is dropped.", served: `{properties: {status: {properties: {phase: {enum: ["", Initialized]}, step: {}, ` + sums + `, ` + analysis + `}}}}`, want: []string{"phase=Paused"}},
		"Untyped":       {reason: "A status that keeps whatever it is given lacks nothing.", served: `{properties: {status: {type: object, x-kubernetes-preserve-unknown-fields: true}}}`},
		"UntypedRoot":   {reason: "Nor does an object that does.", served: `{type: object, x-kubernetes-preserve-unknown-fields: true}`},
		"AnyKeys":       {reason: "It may also be said so.", served: `{properties: {status: {type: object, additionalProperties: true}}}`},
		"PartlyUntyped": {reason: "What is named in it is pruned as ever.", served: `{properties: {status: {x-kubernetes-preserve-unknown-fields: true, properties: {analysis: {type: object, properties: {started: {}}}}}}}`, want: []string{"analysis.metrics"}},
		"NoStatus":      {reason: "Without a status nothing is kept.", served: `{properties: {spec: {}}}`, want: []string{"analysis", "phase", "step", "sums"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, missingStatus(parsed(t, own), parsed(t, tc.served)), tc.reason)
		})
	}
}

// definitionFile is the definition as it is installed.
func definitionFile(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	text, err := os.ReadFile("../../artifacts/crds/flagger.app_canaries.yaml")
	require.NoError(t, err)
	u := &unstructured.Unstructured{Object: parsed(t, string(text))}
	u.SetUID("1")
	u.SetResourceVersion("1")
	return u
}

var update = flag.Bool("update", false, "write status_schema.json anew")

// TestStatusSchema holds what is embedded to the definition that it is made from.
func TestStatusSchema(t *testing.T) {
	all, err := definedSchema(definitionFile(t).Object)
	require.NoError(t, err)
	want, err := json.MarshalIndent(compared(all), "", " ")
	require.NoError(t, err)
	want = append(want, '\n')
	if *update {
		require.NoError(t, os.WriteFile("status_schema.json", want, 0o600))
	}
	have, err := os.ReadFile("status_schema.json")
	require.NoError(t, err)
	require.Equal(t, string(want), string(have), "`make generate` was not run")
}

// TestForeignDefinition compares with the status that Flagger's definition has.
func TestForeignDefinition(t *testing.T) {
	own, err := ownSchema()
	require.NoError(t, err)
	foreign := parsed(t, `{properties: {status: {properties: {phase: {type: string}, canaryWeight: {type: number}, failedChecks: {type: number}, iterations: {type: number},
		sessionAffinityCookie: {}, primarySessionAffinityCookie: {}, previousSessionAffinityCookie: {}, trackedConfigs: {type: object, additionalProperties: {type: string}},
		lastAppliedSpec: {}, lastPromotedSpec: {}, lastTransitionTime: {},
		conditions: {type: array, items: {properties: {type: {}, status: {}, reason: {}, message: {}, lastTransitionTime: {}, lastUpdateTime: {}}}}}}}}`)
	lacks := missingStatus(own, foreign)
	require.Subset(t, lacks, []string{"analysis", "conditions[].observedGeneration", "nextCheck", "observedGeneration", "promoting", "since", "step"})
	require.NotContains(t, lacks, "phase")

	before := definitionFile(t)
	require.NoError(t, unstructured.SetNestedField(before.Object, true, "spec", "preserveUnknownFields"))
	served, err := definedSchema(before.Object)
	require.NoError(t, err)
	require.Empty(t, missingStatus(own, served), "nothing is dropped of what was made by an API version that did not know how")
}

func TestTrimDefinition(t *testing.T) {
	own, err := ownSchema()
	require.NoError(t, err)
	whole := definitionFile(t)
	before, err := whole.MarshalJSON()
	require.NoError(t, err)
	trimmed, err := TrimDefinition(whole.DeepCopy())
	require.NoError(t, err)
	again, err := TrimDefinition(trimmed)
	require.NoError(t, err)
	require.Equal(t, trimmed, again)
	u := trimmed.(*unstructured.Unstructured)
	require.Equal(t, whole.GetName(), u.GetName())
	require.Equal(t, "1", u.GetResourceVersion())
	after, err := u.MarshalJSON()
	require.NoError(t, err)
	require.Less(t, len(after), len(before)/9, "it is kept for as long as the operator runs")
	served, err := definedSchema(u.Object)
	require.NoError(t, err)
	require.Empty(t, missingStatus(own, served), "and all that is compared is in it")
}

// reading is a StatusSchema at a clock of its own, of an account without the right to read the definition.
type reading struct {
	*StatusSchema
	now       time.Time
	watches   int
	requests  int
	document  string
	refused   error
	unwatched error
}

func newReading(t *testing.T) *reading {
	t.Helper()
	s, err := NewStatusSchema()
	require.NoError(t, err)
	r := &reading{
		StatusSchema: s, now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC),
		unwatched: apierrors.NewForbidden(schema.GroupResource{Resource: "customresourcedefinitions"}, "", errors.New("no")),
	}
	s.Now = func() time.Time { return r.now }
	s.Watch = func(context.Context) error { r.watches++; return r.unwatched }
	s.Request = func(_ context.Context, method, path string, _ []byte) ([]byte, error) {
		require.Equal(t, http.MethodGet+" /openapi/v3/apis/flagger.app/v1beta1", method+" "+path)
		r.requests++
		return []byte(r.document), r.refused
	}
	return r
}

// published is the document of a group whose status keeps nothing, or everything.
func published(kept string) string {
	return `{"components": {"schemas": {"app.flagger.v1beta1.Canary": {"x-kubernetes-group-version-kind": [{"group": "flagger.app", "kind": "Canary", "version": "v1beta1"}],
		"properties": {"status": {"type": "object", "x-kubernetes-preserve-unknown-fields": ` + kept + `}}}}}}`
}

func TestPublishedSchema(t *testing.T) {
	r := newReading(t)
	r.document = published("false")
	fields, after := r.Missing(t.Context())
	require.Contains(t, fields, "phase")
	require.Equal(t, recheck, after, "no event will tell")
	for range 3 {
		r.Missing(t.Context())
	}
	require.Equal(t, 1, r.requests, "all Canaries have one answer")

	r.document, r.now = published("true"), r.now.Add(recheck)
	fields, after = r.Missing(t.Context())
	require.Empty(t, fields)
	require.Zero(t, after)
	r.now = r.now.Add(24 * time.Hour)
	r.Missing(t.Context())
	require.Equal(t, 2, r.requests, "where nothing is missing nothing is asked for")
	require.Equal(t, 2, r.watches)
}

// TestWatchFails has a server that answers late, once: the definition is watched after all.
func TestWatchFails(t *testing.T) {
	r := newReading(t)
	r.document, r.unwatched = published("true"), context.DeadlineExceeded
	fields, _ := r.Missing(t.Context())
	require.Empty(t, fields)
	r.now = r.now.Add(recheck)
	r.Missing(t.Context())
	require.Equal(t, 2, r.watches)
}

// TestSchemaUnreadable has nothing to read: what the server drops is learnt from its answers.
func TestSchemaUnreadable(t *testing.T) {
	r := newReading(t)
	r.refused = errors.New("no")
	fields, after := r.Missing(t.Context())
	require.Empty(t, fields, "nobody is kept from going on by what is not known")
	require.Zero(t, after)

	r.Dropped([]string{"step"})
	r.Dropped([]string{"nextCheck"})
	r.now = r.now.Add(24 * time.Hour)
	fields, after = r.Missing(t.Context())
	require.Equal(t, []string{"nextCheck", "step"}, fields, "nothing says that they are stored by now")
	require.Equal(t, recheck, after)

	r.refused, r.document, r.now = nil, published("true"), r.now.Add(recheck)
	fields, after = r.Missing(t.Context())
	require.Empty(t, fields, "the document says so")
	require.Zero(t, after)
}

// TestDroppedForALongTime has a schema that has what the server goes on to drop.
func TestDroppedForALongTime(t *testing.T) {
	r := newReading(t)
	r.document = published("true")
	for _, pause := range []time.Duration{recheck, 2 * recheck, 4 * recheck} {
		r.Dropped([]string{"step"})
		fields, after := r.Missing(t.Context())
		require.Equal(t, []string{"step"}, fields)
		require.Equal(t, pause, after, "each time it turns out to be so again it is believed for longer")
		r.now = r.now.Add(pause)
		fields, after = r.Missing(t.Context())
		require.Empty(t, fields, "the next write shows whether it is still so")
		require.Zero(t, after)
	}
	for range 10 {
		r.Dropped([]string{"step"})
		r.now = r.now.Add(longestPause)
		r.Missing(t.Context())
	}
	r.Dropped([]string{"step"})
	_, after := r.Missing(t.Context())
	require.Equal(t, longestPause, after)
}

// TestDroppedByOneServer has a server of several that learns of a newer definition late.
func TestDroppedByOneServer(t *testing.T) {
	r := newReading(t)
	definition := definitionFile(t)
	r.Changed(definition)
	r.watched, r.Cache = true, nil
	r.Dropped([]string{"step"})
	fields, after := r.answer()
	require.Equal(t, []string{"step"}, fields)
	require.Equal(t, recheck, after)
	definition.SetResourceVersion("2")
	require.True(t, r.Changed(definition), "what was dropped was dropped by the definition before")
	fields, after = r.answer()
	require.Empty(t, fields)
	require.Zero(t, after)
}
