package rollout

import (
	"fmt"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// validations are what a spec must pass, in the order in which a person would want to hear of them. The
// schema refuses most of it earlier; a Canary that was stored under another schema meets it here.
var validations = []func(v1beta1.CanarySpec, Capabilities) error{
	validateTarget,
	validateLengths,
	validateWeights,
	validateMaxWeight,
	validateSteps,
	validateReadyThresholds,
	validateMatches,
	validateMetrics,
	validateWebhooks,
	validateCapabilities,
	validateReplicaRatio,
}

func validateTarget(spec v1beta1.CanarySpec, _ Capabilities) error {
	if spec.TargetRef.Name == "" {
		return invalid("spec.targetRef.name", "is empty; name the workload to release")
	}
	// By group and kind: the Service of Kubernetes has no pods of its own that could be released.
	serverless := spec.TargetRef.Kind == "Service" && spec.TargetRef.APIVersion == "serving.knative.dev/v1"
	if kind := spec.TargetRef.Kind; kind != "Deployment" && kind != "DaemonSet" && !serverless {
		return invalid("spec.targetRef.kind", "%q is not supported yet, only Deployment, DaemonSet and Knative's Service are", kind)
	}
	if serverless && spec.AutoscalerRef != nil {
		return invalid("spec.autoscalerRef", "a Knative Service scales by itself and takes no autoscaler")
	}
	if spec.TargetRef.Kind == "DaemonSet" && spec.AutoscalerRef != nil {
		return invalid("spec.autoscalerRef", "a DaemonSet has one pod on each node and takes no autoscaler")
	}
	if ref := spec.AutoscalerRef; ref != nil && ref.Kind != "HorizontalPodAutoscaler" && ref.Kind != "ScaledObject" {
		return invalid("spec.autoscalerRef.kind", "%q is not known, known are HorizontalPodAutoscaler and ScaledObject", ref.Kind)
	}
	return nil
}

// validateWeights refuses what is no share of requests. Zero means that a field was left out.
func validateWeights(spec v1beta1.CanarySpec, _ Capabilities) error {
	a := spec.Analysis
	if a == nil {
		return nil
	}
	for _, w := range []struct {
		field string
		value int
	}{
		{"stepWeight", a.StepWeight},
		{"maxWeight", a.MaxWeight},
		{"stepWeightPromotion", a.StepWeightPromotion},
	} {
		if !percent(w.value) {
			return invalid("spec.analysis."+w.field, "%d is not a percentage from 0 to 100", w.value)
		}
	}
	for i, w := range a.StepWeights {
		if !percent(w) {
			return invalid(fmt.Sprintf("spec.analysis.stepWeights[%d]", i), "%d is not a percentage from 0 to 100", w)
		}
	}
	return nil
}

// validateMaxWeight refuses a top below the first step: no weight would ever be reached as it was asked for.
func validateMaxWeight(spec v1beta1.CanarySpec, _ Capabilities) error {
	a := spec.Analysis
	if a == nil || a.StepWeight == 0 || a.MaxWeight == 0 || a.MaxWeight >= a.StepWeight {
		return nil
	}
	return invalid("spec.analysis.maxWeight", "%d is below stepWeight %d; the first step would exceed it", a.MaxWeight, a.StepWeight)
}

// validateReadyThresholds looks at percentages of pods, of which zero stands for all: see readiness.
func validateReadyThresholds(spec v1beta1.CanarySpec, _ Capabilities) error {
	a := spec.Analysis
	if a == nil {
		return nil
	}
	if n := a.PrimaryReadyThreshold; n != nil && !percent(*n) {
		return invalid("spec.analysis.primaryReadyThreshold", "%d is not a percentage from 0 to 100", *n)
	}
	if n := a.CanaryReadyThreshold; n != nil && !percent(*n) {
		return invalid("spec.analysis.canaryReadyThreshold", "%d is not a percentage from 0 to 100", *n)
	}
	return nil
}

// validateMatches refuses matches that would never have an effect.
func validateMatches(spec v1beta1.CanarySpec, can Capabilities) error {
	a := spec.Analysis
	switch {
	case a == nil:
		return nil
	case len(a.PreviewMatch) > 0 && len(a.Match) > 0:
		return invalid("spec.analysis.previewMatch", "cannot be combined with match, which says already who meets the canary")
	case len(a.PreviewMatch) > 0 && a.Iterations > 0:
		return invalid("spec.analysis.previewMatch", "goes with stepWeight or stepWeights; for iterations use match")
	case !percent(a.MirrorWeight):
		return invalid("spec.analysis.mirrorWeight", "%d is not a percentage from 0 to 100", a.MirrorWeight)
	// Who fits meets the canary from the first step on, so that no step is left for copies. Where the provider cannot
	// copy at all, validateCapabilities says that instead.
	case can.Has(Mirrored) && a.Mirror && a.Iterations > 0 && len(a.Match) > 0:
		return invalid("spec.analysis.mirror", "goes with weights or a blue/green rollout, not with an A/B test")
	}
	if s := a.SessionAffinity; s != nil && s.CookieName == "" {
		return invalid("spec.analysis.sessionAffinity.cookieName", "is empty; name the cookie that keeps a user on the canary")
	}
	// With one name for both, a browser would hold whichever came last.
	if s := a.SessionAffinity; s != nil && s.CookieName == s.PrimaryCookieName {
		return invalid("spec.analysis.sessionAffinity.primaryCookieName", "%q is the canary's cookie already", s.PrimaryCookieName)
	}
	return nil
}

// validateCapabilities refuses what the provider cannot do. Services alone follow the contract instead: they ignore a
// match with a warning.
func validateCapabilities(spec v1beta1.CanarySpec, can Capabilities) error {
	a := spec.Analysis
	if a == nil {
		return nil
	}
	for _, f := range []struct {
		field string
		set   bool
		needs Capabilities
		what  string
	}{
		{"match", len(a.Match) > 0 && can.Has(Weighted), Matched, "tell requests apart"},
		{"previewMatch", len(a.PreviewMatch) > 0, Matched, "tell requests apart"},
		{"mirror", a.Mirror, Mirrored, "copy requests"},
		{"sessionAffinity", a.SessionAffinity != nil, Sticky, "keep users on one side"},
	} {
		if f.set && !can.Has(f.needs) {
			return &InvalidError{Field: "spec.analysis." + f.field, Problem: "the provider cannot " + f.what, Needs: f.needs}
		}
	}
	return nil
}

// validateDuration refuses zero and less: a hook or a query of no duration could only fail. An empty text is the default.
func validateDuration(field, text string) error {
	if text == "" {
		return nil
	}
	if d, err := time.ParseDuration(text); err != nil || d <= 0 {
		return invalid(field, "%q is not a duration above zero, such as 30s or 1m", text)
	}
	return nil
}

// validateReplicaRatio refuses to reach weights by sizes where somebody else divides requests, or decides on sizes.
func validateReplicaRatio(spec v1beta1.CanarySpec, can Capabilities) error {
	switch {
	case spec.Analysis == nil || !spec.Analysis.ReplicaRatio:
		return nil
	case can.Has(Weighted):
		return invalid("spec.analysis.replicaRatio", "is for the provider kubernetes only: this one divides requests by itself, leave it out")
	case spec.AutoscalerRef != nil:
		return invalid("spec.analysis.replicaRatio", "cannot be combined with autoscalerRef, which decides on the same numbers of pods")
	case spec.TargetRef.Kind != "Deployment":
		return invalid("spec.analysis.replicaRatio", "needs a Deployment as target, whose number of pods can be chosen")
	case spec.Service.Port == 0 && spec.Analysis.Promotion != nil && spec.Analysis.Promotion.Bake != "":
		return invalid("spec.analysis.promotion.bake", "needs spec.service: with replicaRatio alone there is nothing that leads all requests back at once")
	}
	return nil
}

// ignoredFields are the fields that shape routes, of a Canary that has none but its Services.
// They are named and not refused, so that a manifest can move between providers: docs/decisions/0007.
func ignoredFields(s v1beta1.CanaryService) []string {
	var set []string
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"gateways", len(s.Gateways) > 0},
		{"hosts", len(s.Hosts) > 0},
		{"match", len(s.Match) > 0},
		{"rewrite", s.Rewrite != nil},
		{"retries", s.Retries != nil},
		{"timeout", s.Timeout != ""},
		{"headers", s.Headers != nil},
		{"corsPolicy", s.CorsPolicy != nil},
		{"trafficPolicy", s.TrafficPolicy != nil},
		{"delegation", s.Delegation},
	} {
		if f.set {
			set = append(set, "spec.service."+f.name)
		}
	}
	return set
}
