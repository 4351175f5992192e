package routertest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
)

// Request is what a proxy sees of a request: its path, and headers and query parameters by name, in lower case.
type Request struct {
	Path           string
	Headers, Query map[string]string
}

// Answer is what becomes of a request.
type Answer struct {
	Weights map[string]int64  // percent of a chance that a backend answers it
	Mirror  map[string]int64  // percent of a chance that a backend gets a copy
	Cookies map[string]string // the Set-Cookie header that a backend's answer gets
}

// Ask reads off a provider's objects what becomes of a request, by the rules by which that provider reads them.
type Ask func(t *testing.T, objects []*unstructured.Unstructured, r Request) Answer

// Requests holds a provider that can tell requests apart against what that means to users, whatever its objects look
// like. The Canary's analysis is replaced; its service must take the path `/`.
func Requests(t *testing.T, r router.Router, c *v1beta1.Canary, can rollout.Capabilities, ask Ask) {
	t.Helper()
	s := scene{router: r, canary: c.DeepCopy(), ask: ask}
	s.canary.Spec.Analysis = &v1beta1.CanaryAnalysis{Interval: "1m", Threshold: 1, Iterations: 1}
	if can.Has(rollout.Matched) {
		t.Run("Matched", s.matched)
		t.Run("Preview", s.preview)
	}
	if can.Has(rollout.Mirrored) {
		t.Run("Mirrored", s.mirrored)
	}
	if can.Has(rollout.Mirrored | rollout.Matched) {
		t.Run("MirroredAmongMatched", s.mirroredAmongMatched)
	}
	if can.Has(rollout.Sticky) {
		t.Run("Sticky", s.sticky)
		t.Run("Forgetting", s.forgetting)
	}
	if can.Has(rollout.Sticky | rollout.Matched) {
		t.Run("StickyAmongMatched", s.stickyAmongMatched)
		t.Run("PreviewBeforeSticky", s.previewBeforeSticky)
	}
}

// scene is one Canary whose requests are asked about.
type scene struct {
	router router.Router
	canary *v1beta1.Canary
	ask    Ask
}

func (s scene) answer(t *testing.T, traffic rollout.Traffic, r Request) Answer {
	t.Helper()
	r.Path = "/"
	return s.ask(t, Objects(t, render(t, s.router, router.Input{Canary: s.canary, Traffic: traffic})), r)
}

// shared asserts what share of a request's chances the canary has.
func (s scene) shared(t *testing.T, traffic rollout.Traffic, r Request, canary int, reason string) {
	t.Helper()
	want := map[string]int64{s.canary.PrimaryName(): int64(100 - canary), s.canary.CanaryName(): int64(canary)}
	require.Equal(t, want, s.answer(t, traffic, r).Weights, "%s: %+v", reason, traffic)
}

// with is the scene with another analysis.
func (s scene) with(change func(*v1beta1.CanaryAnalysis)) scene {
	s.canary = s.canary.DeepCopy()
	change(s.canary.Spec.Analysis)
	return s
}

func header(name, value string) Request { return Request{Headers: map[string]string{name: value}} }

// query is a request of a user who is known by a parameter.
func query(user string) Request { return Request{Query: map[string]string{"x-user": user}} }

func exactly(text string) map[string]v1beta1.StringMatch {
	return map[string]v1beta1.StringMatch{"x-user": {Exact: &text}}
}

// weights are the ends and what is between them.
func weights() []int { return []int{0, 1, 50, 99, 100} }

func (s scene) matched(t *testing.T) {
	pattern := "^(.*?;)?(type=insider)(;.*)?$"
	tested := s.with(func(a *v1beta1.CanaryAnalysis) {
		a.Match = []v1beta1.HTTPMatchRequest{
			{Headers: map[string]v1beta1.StringMatch{"cookie": {Regex: &pattern}}}, {Headers: exactly("tester")}, {QueryParams: exactly("tester")},
		}
	})
	for _, w := range weights() {
		traffic := rollout.Traffic{Weight: w, Matched: true}
		tested.shared(t, traffic, header("x-user", "tester"), w, "a header that fits")
		tested.shared(t, traffic, query("tester"), w, "a parameter that fits")
		tested.shared(t, traffic, header("cookie", "a=b;type=insider"), w, "a cookie that fits")
		tested.shared(t, traffic, header("cookie", "type=insiders"), 0, "a cookie that does not fit")
		tested.shared(t, traffic, header("x-user", "testers"), 0, "a header that does not fit")
		tested.shared(t, traffic, Request{}, 0, "those that nobody matches see the primary only")
		tested.shared(t, rollout.Traffic{Weight: w}, header("x-user", "tester"), w, "out of a test the match means nothing")
		tested.shared(t, rollout.Traffic{Weight: w}, Request{}, w, "out of a test everybody is divided")
		s.shared(t, traffic, Request{}, 0, "a test that matches nobody shows the canary to nobody")
	}
}

func (s scene) preview(t *testing.T) {
	previewed := s.with(func(a *v1beta1.CanaryAnalysis) {
		a.PreviewMatch = []v1beta1.HTTPMatchRequest{{Headers: exactly("insider")}, {QueryParams: exactly("insider")}}
	})
	for _, w := range weights() {
		traffic := rollout.Traffic{Weight: w, Preview: true}
		previewed.shared(t, traffic, header("x-user", "insider"), 100, "insiders see the canary at every weight")
		previewed.shared(t, traffic, query("insider"), 100, "whichever way they are known by")
		previewed.shared(t, traffic, Request{}, w, "everybody else is divided")
		previewed.shared(t, rollout.Traffic{Weight: w}, header("x-user", "insider"), w, "out of a rollout insiders are users")
	}
	stepped := s.with(func(a *v1beta1.CanaryAnalysis) {
		a.PreviewMatch = []v1beta1.HTTPMatchRequest{{Headers: exactly("insider")}}
		a.StepWeight, a.Steps = 0, []v1beta1.AnalysisStep{
			{Weight: new(10)}, {Weight: new(20), PreviewMatch: &[]v1beta1.HTTPMatchRequest{{Headers: exactly("tester")}}},
			{Weight: new(30), PreviewMatch: &[]v1beta1.HTTPMatchRequest{}},
		}
	})
	for _, w := range weights() {
		traffic := rollout.Traffic{Weight: w, Preview: true, PreviewOf: 2}
		stepped.shared(t, traffic, header("x-user", "tester"), 100, "those of the step see the canary")
		stepped.shared(t, traffic, header("x-user", "insider"), w, "and take the place of those before")
		stepped.shared(t, rollout.Traffic{Weight: w, Preview: true}, header("x-user", "insider"), 100, "who do as long as no step has others")
		stepped.shared(t, rollout.Traffic{Weight: w, Preview: true, PreviewOf: 3}, header("x-user", "tester"), w, "a step may have none")
		stepped.shared(t, rollout.Traffic{Weight: w, Preview: true, PreviewOf: 9}, header("x-user", "tester"), w, "a step that is gone has none")
	}
}

func (s scene) mirrored(t *testing.T) {
	for _, percent := range []int{1, 50, 100} {
		got := s.answer(t, rollout.Traffic{Mirror: percent}, Request{})
		require.Equal(t, map[string]int64{s.canary.CanaryName(): int64(percent)}, got.Mirror, "the canary gets copies")
		s.shared(t, rollout.Traffic{Mirror: percent}, Request{}, 0, "and answers nobody")
	}
	require.Empty(t, s.answer(t, rollout.Traffic{}, Request{}).Mirror, "nothing is copied unasked")
}

func (s scene) mirroredAmongMatched(t *testing.T) {
	tested := s.with(func(a *v1beta1.CanaryAnalysis) {
		a.Iterations, a.StepWeight, a.Mirror = 0, 10, true
		a.Match = []v1beta1.HTTPMatchRequest{{Headers: exactly("tester")}}
	})
	traffic := rollout.Traffic{Mirror: 50, Matched: true}
	got := tested.answer(t, traffic, header("x-user", "tester")).Mirror
	require.Equal(t, map[string]int64{s.canary.CanaryName(): 50}, got, "the canary gets copies of what fits")
	require.Empty(t, tested.answer(t, traffic, Request{}).Mirror, "and of nothing else")
}

// attributes are the parts of a Set-Cookie header, the cookie itself first.
func attributes(cookie string) []string { return strings.Split(cookie, "; ") }
