package router_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/router/routertest"
)

const knativeService = `{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: podinfo, namespace: test, annotations: {
	flagger.app/primary-revision: podinfo-00001}}, spec: {template: {spec: {containers: [{image: podinfo}]}}, traffic: [{latestRevision: true, percent: 100}]}}`

func newKnative(t *testing.T) router.Router {
	t.Helper()
	return build(t, "knative", rollout.Weighted, "serving.knative.dev/v1")
}

func serverless() *v1beta1.Canary {
	c := podinfo(nil)
	c.Spec.TargetRef = v1beta1.TargetRef{APIVersion: "serving.knative.dev/v1", Kind: "Service", Name: "podinfo"}
	return c
}

func TestKnativeGolden(t *testing.T) {
	routertest.Golden(t, "testdata/knative", "knative", *update, routertest.Read(t, "testdata/knative/crd.yaml"))
}

func TestKnativeContract(t *testing.T) {
	weights := func(t *testing.T, objects []*unstructured.Unstructured) map[string]int64 {
		t.Helper()
		require.Len(t, objects, 1)
		all := listed([]string{"revisionName"}, []string{"percent"}, "spec", "traffic")(t, objects)
		return map[string]int64{"podinfo-primary": all["podinfo-00001"], "podinfo-canary": 100 - all["podinfo-00001"]}
	}
	routertest.Contract(t, newKnative(t), serverless(), weights, parse(t, knativeService))
}

func TestKnativeTraffic(t *testing.T) {
	cases := map[string]struct {
		reason   string
		weight   int
		revision string
		want     []any
	}{
		"Rest": {
			reason: "what is deployed next is made and gets nothing", revision: "podinfo-00001",
			want: []any{map[string]any{"latestRevision": true, "percent": int64(0)}, map[string]any{"revisionName": "podinfo-00001", "percent": int64(100)}},
		},
		"Rollout": {
			reason: "a revision that comes meanwhile gets nothing of the one before", weight: 20, revision: "podinfo-00002",
			want: []any{map[string]any{"revisionName": "podinfo-00002", "percent": int64(20)}, map[string]any{"revisionName": "podinfo-00001", "percent": int64(80)}},
		},
		"Unnamed": {
			reason: "without a name it is the latest", weight: 20,
			want: []any{map[string]any{"latestRevision": true, "percent": int64(20)}, map[string]any{"revisionName": "podinfo-00001", "percent": int64(80)}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			in := input(serverless(), parse(t, knativeService))
			in.Traffic.Weight, in.Revision = tc.weight, tc.revision
			o := one(t, newKnative(t), in)
			traffic, _, err := unstructured.NestedSlice(o.Object, "spec", "traffic")
			require.NoError(t, err)
			require.Equal(t, tc.want, traffic, tc.reason)
			require.Len(t, o.Object["spec"], 1, "the template is the user's")
			require.Len(t, o.Object["metadata"], 2, "and so are labels and annotations")
		})
	}
}

func TestKnativeRefuses(t *testing.T) {
	bare := `{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: podinfo, namespace: test}}`
	cases := map[string]struct {
		reason string
		canary *v1beta1.Canary
		read   string
		want   rollout.InvalidError
	}{
		"Deployment": {reason: "Knative divides between revisions of its own", canary: podinfo(nil), read: knativeService, want: rollout.InvalidError{Field: "spec.targetRef", Problem: "apps/v1 Deployment cannot be rolled out by provider knative"}},
		"NoService":  {reason: "the object is named", canary: serverless(), want: rollout.InvalidError{Field: "spec.targetRef.name", Problem: `Service "podinfo" does not exist in namespace "test"`}},
		"NoPrimary":  {reason: "a guess could send users to what has not passed", canary: serverless(), read: bare, want: rollout.InvalidError{Field: "spec.targetRef.name", Problem: "has no annotation flagger.app/primary-revision"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			in := input(tc.canary)
			if tc.read != "" {
				in = input(tc.canary, parse(t, tc.read))
			}
			refuses(t, newKnative(t), in, tc.want, tc.reason)
		})
	}
}
