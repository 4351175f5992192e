package router

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// knative sets the traffic of the target itself, a Service of Knative's, which divides requests between its own
// revisions. The Service is the user's: nothing of it but the list of traffic is applied.
//
// https://knative.dev/docs/serving/traffic-management/
type knative struct{ version schema.GroupVersion }

func newKnative(o Options) (Router, rollout.Capabilities, error) {
	gv, err := pick(o, "knative", "serving.knative.dev", "v1")
	if err != nil {
		return nil, 0, err
	}
	return knative{version: gv}, rollout.Weighted, nil
}

func (r knative) kind() schema.GroupVersionKind { return r.version.WithKind("Service") }

func (r knative) Writes() []schema.GroupVersionKind { return []schema.GroupVersionKind{r.kind()} }

// Reads the target, for the revision that was promoted.
func (r knative) Reads(c *v1beta1.Canary) []Ref {
	return []Ref{{GroupVersionKind: r.kind(), Namespace: c.Namespace, Name: c.Spec.TargetRef.Name}}
}

// Selective is a Router that only some targets can be rolled out by.
type Selective interface {
	// Takes refuses a target by a *rollout.InvalidError.
	Takes(ref v1beta1.TargetRef) error
}

// Takes implements Selective.
func (r knative) Takes(ref v1beta1.TargetRef) error {
	if ref.Kind == "Service" && ref.APIVersion == r.version.String() {
		return nil
	}
	return &rollout.InvalidError{
		Field:   "spec.targetRef",
		Problem: fmt.Sprintf("%s %s cannot be rolled out by provider knative, which needs a Service of %s", ref.APIVersion, ref.Kind, r.version),
	}
}

// Render names the canary's revision rather than the latest one: a revision that comes in the middle of a rollout
// would get the weight of the one before, unseen.
func (r knative) Render(in Input) ([]runtime.ApplyConfiguration, error) {
	c := in.Canary
	if err := r.Takes(c.Spec.TargetRef); err != nil {
		return nil, err
	}
	service, err := source(in, r.Reads(c)[0], "spec.targetRef.name")
	if err != nil {
		return nil, err
	}
	primary := service.GetAnnotations()[v1beta1.PrimaryRevisionAnnotation]
	// To guess one could send users to what has not passed. On the way out nobody asks for it.
	if primary == "" && !in.Leaving {
		return nil, &rollout.InvalidError{
			Field:   "spec.targetRef.name",
			Problem: fmt.Sprintf("Service %q has no annotation %s, which says what is promoted", service.GetName(), v1beta1.PrimaryRevisionAnnotation),
		}
	}
	// Without an owner, by which it counts as the user's: see Object.UserOwned.
	u := &unstructured.Unstructured{Object: map[string]any{
		"spec": map[string]any{"traffic": r.traffic(in, primary)},
	}}
	u.SetGroupVersionKind(r.kind())
	u.SetNamespace(c.Namespace)
	u.SetName(service.GetName())
	return []runtime.ApplyConfiguration{Object{u}}, nil
}

// traffic has both sides at every weight. At zero the canary's is the latest revision, which makes Knative start what
// the user deploys and look whether it becomes ready. When the Canary goes, traffic is what Knative makes of a Service
// that says nothing about it.
func (knative) traffic(in Input, primary string) []any {
	if in.Leaving {
		return []any{map[string]any{"latestRevision": true, "percent": int64(100)}}
	}
	weight := int64(in.Traffic.Weight)
	canary := map[string]any{"latestRevision": true, "percent": weight}
	if weight > 0 && in.Revision != "" {
		canary = map[string]any{"revisionName": in.Revision, "percent": weight}
	}
	return []any{canary, map[string]any{"revisionName": primary, "percent": 100 - weight}}
}
