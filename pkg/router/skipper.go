package router

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// skipper renders a second Ingress beside the user's own, with both sides behind each path. A predicate gives it
// precedence over the first, which leads to the apex, or takes it out of service: at a weight of zero the user's own
// serves alone, and nothing depends on a Service without pods.
//
// https://opensource.zalando.com/skipper/kubernetes/ingress-usage/
type skipper struct{}

// Of routes that fit, Skipper takes the one with more predicates, and Weight(100) counts as that many:
// https://opensource.zalando.com/skipper/reference/predicates/
const (
	skipperPrefix    = "zalando.org/"
	skipperWeights   = skipperPrefix + "backend-weights"
	skipperPredicate = skipperPrefix + "skipper-predicate"
)

func newSkipper(Options) (Router, rollout.Capabilities, error) {
	return skipper{}, rollout.Weighted, nil
}

func (skipper) Writes() []schema.GroupVersionKind { return []schema.GroupVersionKind{ingressKind} }

func (skipper) Reads(c *v1beta1.Canary) []Ref { return ingressRefs(c) }

// Render keeps the filters and predicates of the user's, so that a request gets the same treatment on either way.
func (skipper) Render(in Input) ([]runtime.ApplyConfiguration, error) {
	from, err := userIngress(in, "skipper")
	if err != nil {
		return nil, err
	}
	c, weight := in.Canary, in.Traffic.Weight
	how := map[string]string{
		skipperWeights:   fmt.Sprintf(`{%q:%d,%q:%d}`, c.CanaryName(), weight, c.PrimaryName(), 100-weight),
		skipperPredicate: copyPredicate(from.GetAnnotations()[skipperPredicate], weight),
	}
	theirs := func(key string) bool { return strings.HasPrefix(key, skipperPrefix) }
	o, err := beside(in, from, copied(from, theirs, how), c.PrimaryName(), c.CanaryName())
	return []runtime.ApplyConfiguration{o}, err
}

// copyPredicate is the predicate of the copy: above the original while requests are divided, and never fitting else.
// The user's own predicates have to hold as well, or the copy would take requests that the original never did.
func copyPredicate(theirs string, weight int) string {
	switch {
	case weight == 0:
		return "False()"
	case theirs != "":
		return theirs + " && Weight(100)"
	}
	return "Weight(100)"
}
